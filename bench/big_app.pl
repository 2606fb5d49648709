#!/usr/bin/perl
# Writes a bundled application that resembles a server-rendered site: a router,
# components, compiled templates, models with schemas, tables of data and
# messages in four languages. The same options give the same bytes.
#
# usage: bench/big_app.pl [--size BYTES] [--script] > app.js
#   --size BYTES   at least so many, 768000
#   --script       a classic script in place of an ES module
#
# /           a page with all features, 24 rows and a form
# /FEATURE    a page of one; /FEATURE/ID one of its rows; /FEATURE/search?q=
# Whatever its path, it answers; the URL's part that CGI adds is looked past.
use strict;
use warnings;

use Getopt::Long;

my %o = (size => 768_000, script => 0);
GetOptions(\%o, 'size=i', 'script') && !@ARGV && $o{size} > 0
    or die "usage: bench/big_app.pl [--size BYTES] [--script]\n";

my $seed = 20;

sub draw {
    my ($n) = @_;
    $seed = ($seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return int($seed / 65_536) % $n;
}

sub one_of { return $_[draw(scalar @_)] }

my @onset = qw(b br d f g gr h k l m n p pr r s st t tr v w);
my @vowel = qw(a e i o u ai ea ou);
my @coda = ('', '', 'l', 'm', 'n', 'r', 's', 't', 'nd', 'rk');
my %taken = map { $_ => 1 } qw(as at do in is of);

sub word {
    return join '', map { one_of(@onset) . one_of(@vowel) . one_of(@coda) }
        1 .. 1 + draw(2);
}

sub words {
    return join ' ', map { word() } 1 .. $_[0];
}

sub new_name {
    my $name;
    do { $name = word() . word() } while $taken{$name}++;
    return $name;
}

# ---- what every feature uses ------------------------------------------------

my $runtime = <<'JS';
// src/lib/html.js
class Safe {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
function escape(value) {
  return String(value).replace(/[&<>"]/g, (c) => ENTITIES[c]);
}
function render(value) {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Safe) return value.text;
  if (Array.isArray(value)) return value.map(render).join("");
  return escape(value);
}
function html(strings, ...values) {
  let text = strings[0];
  for (let i = 0; i < values.length; i++)
    text += render(values[i]) + strings[i + 1];
  return new Safe(text);
}

// src/lib/template.js
function tokenize(text) {
  const tokens = [];
  const pattern = /\{\{\s*([#/]?)(\w+)?\s*([\w.]*)\s*\}\}/g;
  let at = 0;
  for (let m; (m = pattern.exec(text)); at = pattern.lastIndex) {
    if (m.index > at) tokens.push({ kind: "text", text: text.slice(at, m.index) });
    if (m[1] === "#") tokens.push({ kind: "open", word: m[2], path: m[3].split(".") });
    else if (m[1] === "/") tokens.push({ kind: "close", word: m[2] });
    else tokens.push({ kind: "value", path: (m[2] + m[3]).split(".") });
  }
  if (at < text.length) tokens.push({ kind: "text", text: text.slice(at) });
  return tokens;
}
function lookup(scope, path) {
  let value = scope;
  for (const key of path) {
    if (value === null || value === undefined) return "";
    value = key === "this" ? value : value[key];
  }
  return value;
}
const BLOCKS = {
  each(path, body) {
    return (scope) => (lookup(scope, path) || []).map((item) => body(item)).join("");
  },
  if(path, body) {
    return (scope) => (lookup(scope, path) ? body(scope) : "");
  },
  with(path, body) {
    return (scope) => body(lookup(scope, path));
  },
};
function assemble(tokens, until) {
  const parts = [];
  for (let token; (token = tokens.shift()); ) {
    if (token.kind === "close") {
      if (token.word !== until) throw new Error(`{{/${token.word}}} closes nothing`);
      break;
    }
    if (token.kind === "text") parts.push(() => token.text);
    else if (token.kind === "value") parts.push((scope) => escape(lookup(scope, token.path)));
    else parts.push(BLOCKS[token.word](token.path, assemble(tokens, token.word)));
  }
  return (scope) => {
    let text = "";
    for (const part of parts) text += part(scope);
    return text;
  };
}
function template(text) {
  const body = assemble(tokenize(text));
  return (scope) => new Safe(body(scope));
}

// src/lib/schema.js
class Field {
  constructor(kind, checks = []) {
    this.kind = kind;
    this.checks = checks;
    Object.freeze(this);
  }
  with(check) {
    return new Field(this.kind, [...this.checks, check]);
  }
  min(n) {
    return this.with((v) => (v.length ?? v) >= n || `must be at least ${n}`);
  }
  max(n) {
    return this.with((v) => (v.length ?? v) <= n || `must be at most ${n}`);
  }
  match(pattern) {
    return this.with((v) => pattern.test(v) || "has an unexpected form");
  }
  oneOf(...list) {
    const known = new Set(list);
    return this.with((v) => known.has(v) || `must be one of ${list.join(", ")}`);
  }
  optional() {
    return new Field(this.kind + "?", this.checks);
  }
  parse(value) {
    if (value === undefined || value === "")
      return this.kind.endsWith("?") ? { value: null } : { error: "is missing" };
    const parsed = this.kind.startsWith("number") ? Number(value) : value;
    if (Number.isNaN(parsed)) return { error: "is not a number" };
    for (const check of this.checks) {
      const said = check(parsed);
      if (said !== true) return { error: said };
    }
    return { value: parsed };
  }
}
const string = () => new Field("string");
const number = () => new Field("number");
function object(shape) {
  const fields = new Map(Object.entries(shape));
  return {
    fields,
    parse(input) {
      const value = {}, errors = [];
      for (const [name, field] of fields) {
        const result = field.parse(input[name]);
        if (result.error) errors.push(`${name} ${result.error}`);
        else value[name] = result.value;
      }
      return { value, errors };
    },
  };
}

// src/lib/router.js
class Router {
  constructor() {
    this.root = { children: new Map(), handlers: {} };
    this.size = 0;
  }
  add(method, path, handler, ...before) {
    let node = this.root;
    for (const part of path.split("/").filter(Boolean)) {
      const key = part.startsWith(":") ? ":" : part;
      if (!node.children.has(key))
        node.children.set(key, { children: new Map(), handlers: {}, name: part.slice(1) });
      node = node.children.get(key);
    }
    node.handlers[method] = compose([...before, handler]);
    this.size++;
    return this;
  }
  find(method, parts) {
    let node = this.root;
    const params = {};
    for (const part of parts) {
      const next = node.children.get(part);
      const any = node.children.get(":");
      if (next) node = next;
      else if (any) {
        params[any.name] = decodeURIComponent(part);
        node = any;
      } else return null;
    }
    const handler = node.handlers[method === "HEAD" ? "GET" : method];
    return handler ? { handler, params } : null;
  }
}
function compose(chain) {
  return (context) => {
    const step = (i) => Promise.resolve(chain[i](context, () => step(i + 1)));
    return step(0);
  };
}

// src/lib/messages.js
const messages = new Map();
function addMessages(language, feature, table) {
  if (!messages.has(language)) messages.set(language, new Map());
  for (const [key, text] of Object.entries(table))
    messages.get(language).set(`${feature}.${key}`, text);
}
function translator(language) {
  const table = messages.get(language) ?? messages.get("en");
  return (key, values = {}) =>
    (table.get(key) ?? messages.get("en").get(key) ?? key)
      .replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
function chooseLanguage(header) {
  for (const part of (header ?? "").split(",")) {
    const name = part.trim().slice(0, 2).toLowerCase();
    if (messages.has(name)) return name;
  }
  return "en";
}

// src/lib/model.js
class Model {
  static tables = new Map();
  static define(name, rows) {
    this.rows = rows.map((row) => new this(row));
    this.byId = new Map(this.rows.map((row) => [row.id, row]));
    Model.tables.set(name, this);
  }
  static where(test) {
    return this.rows.filter(test);
  }
  static page(n, size) {
    return this.rows.slice(n * size, (n + 1) * size);
  }
  static groupBy(key) {
    const groups = new Map();
    for (const row of this.rows) {
      if (!groups.has(row[key])) groups.set(row[key], []);
      groups.get(row[key]).push(row);
    }
    return groups;
  }
  constructor(row) {
    Object.assign(this, row);
  }
}

// src/lib/format.js
const formatMoney = (cents) =>
  `${Math.floor(cents / 100).toString().replace(/\B(?=(\d{3})+$)/g, ",")}.${String(cents % 100).padStart(2, "0")}`;
const formatDay = (n) => {
  const year = 2000 + Math.floor(n / 372), month = Math.floor((n % 372) / 31) + 1;
  return `${year}-${String(month).padStart(2, "0")}-${String((n % 31) + 1).padStart(2, "0")}`;
};

// src/lib/middleware.js
async function withTimer(context, next) {
  context.marks = ["begin"];
  const reply = await next();
  context.marks.push("end");
  return reply;
}
async function withErrors(context, next) {
  try {
    return await next();
  } catch (e) {
    return new Response(`error: ${e.message}\n`, { status: 500 });
  }
}
const features = [];
const routes = [];
JS

# ---- one feature ------------------------------------------------------------

my @languages = qw(en de fr es);
my @message_keys = qw(title lead empty add edit remove search found total
    back next saved missing);

sub messages_of {
    my ($name) = @_;
    my $js = '';
    for my $language (@languages) {
        $js .= "addMessages(\"$language\", \"$name\", {\n";
        for my $key (@message_keys) {
            my $text = words(2 + draw(6));
            $text .= ' {count}' if $key eq 'found' || $key eq 'total';
            $js .= "  $key: \"\u$text\",\n";
        }
        $js .= "});\n";
    }
    return $js;
}

sub rows_of {
    my ($kinds) = @_;
    my $js = '';
    for my $id (1 .. 6 + draw(10)) {
        my ($title, $kind) = (words(2), one_of(@$kinds));
        my ($cents, $day, $stock) = (draw(1_000_000), draw(8_000), draw(200));
        my $tags = join ', ', map { '"' . word() . '"' } 1 .. 1 + draw(4);
        $js .= "  { id: $id, title: \"\u$title\", kind: \"$kind\", "
            . "cents: $cents, day: $day, stock: $stock, tags: [$tags], "
            . "text: \"\u@{[words(5 + draw(12))]}.\" },\n";
    }
    return $js;
}

# Small pure functions, of which a request calls few: most of a bundle.
my @shapes = (
    sub {
        my ($f) = @_;
        my ($a, $b, $c) = (1 + draw(90), 2 + draw(9), draw(50));
        return <<"JS";
function $f(row, weight = $a) {
  let score = row.stock * weight;
  for (const tag of row.tags) {
    if (tag.length > $b) score += tag.charCodeAt(0) % $a;
    else score -= $c;
  }
  return Math.max(0, Math.round(score / $b));
}
JS
    },
    sub {
        my ($f) = @_;
        my @cases = map { my $w = word(); "    case \"$w\":\n      return "
            . "{ level: " . draw(9) . ", label: \"" . words(2) . "\" };\n" }
            1 .. 3 + draw(5);
        return "function $f(kind, fallback = null) {\n  switch (kind) {\n"
            . join('', @cases) . "    default:\n      return fallback;\n"
            . "  }\n}\n";
    },
    sub {
        my ($f) = @_;
        my ($k, $n) = (one_of(qw(cents day stock id)), 1 + draw(40));
        return <<"JS";
const $f = (rows, limit = $n) =>
  [...rows]
    .sort((a, b) => b.$k - a.$k || a.title.localeCompare(b.title))
    .filter((row, i, all) => i === 0 || all[i - 1].title !== row.title)
    .slice(0, limit);
JS
    },
    sub {
        my ($f) = @_;
        my ($w, $n) = (word(), 3 + draw(20));
        return <<"JS";
function $f(text, { width = $n, mark = "$w" } = {}) {
  const lines = [];
  let line = "";
  for (const part of String(text).split(/\\s+/)) {
    if (line.length + part.length > width && line !== "") {
      lines.push(line.trim());
      line = "";
    }
    line += part + " ";
  }
  if (line.trim() !== "") lines.push(line.trim());
  return lines.length > 1 ? lines.map((l) => `\${mark} \${l}`) : lines;
}
JS
    },
    sub {
        my ($f) = @_;
        my $n = 2 + draw(7);
        return <<"JS";
async function $f(source, { retries = $n, onError } = {}) {
  let last;
  for (let i = 0; i < retries; i++) {
    try {
      const rows = await source(i);
      if (rows.length > 0) return rows;
    } catch (e) {
      last = e;
      onError?.(e, i);
    }
  }
  if (last) throw last;
  return [];
}
JS
    },
);

sub feature {
    my ($i) = @_;
    my $name = new_name();
    my $type = ucfirst $name;
    my @kinds = map { word() } 1 .. 4;
    my $kinds = join ', ', map { "\"$_\"" } @kinds;
    my @helpers = map { $name . ucfirst(word()) . $_ } 1 .. 10 + draw(8);
    my $helpers = join "\n", map { one_of(@shapes)->($_) } @helpers;
    my ($low, $high, $class) = (1 + draw(5), 40 + draw(80), word());
    my ($rows, $texts) = (rows_of(\@kinds), messages_of($name));

    return <<"JS";

// src/features/$name/helpers.js
$helpers
// src/features/$name/messages.js
$texts
// src/features/$name/model.js
const ${name}Schema = object({
  title: string().min($low).max($high),
  kind: string().oneOf($kinds),
  cents: number().min(0).max(${\ (1_000 * (1 + draw(900)))}),
  stock: number().min(0).optional(),
  code: string().match(/^[a-z]{2,$high}-\\d{2,$high}\$/i).optional(),
});
class $type extends Model {
  static schema = ${name}Schema;
  static cheapest(n) {
    return this.where((row) => row.stock > 0).sort((a, b) => a.cents - b.cents).slice(0, n);
  }
  static search(text) {
    const wanted = text.toLowerCase();
    return this.where((row) => row.title.toLowerCase().includes(wanted) || row.tags.includes(wanted));
  }
  #views = 0;
  get price() {
    return formatMoney(this.cents);
  }
  get date() {
    return formatDay(this.day);
  }
  get path() {
    return `/$name/\${this.id}`;
  }
  seen() {
    return ++this.#views;
  }
  toJSON() {
    return { id: this.id, title: this.title, kind: this.kind, price: this.price };
  }
}
$type.define("$name", [
$rows]);

// src/features/$name/views.js
const ${name}Template = template(`
  <article class="$class {{kind}}">
    <h2><a href="{{path}}">{{title}}</a></h2>
    <p class="text">{{text}}</p>
    {{#if stock}}<p class="stock">{{stock}}</p>{{/if}}
    <ul>{{#each tags}}<li>{{this}}</li>{{/each}}</ul>
    <footer><span>{{price}}</span><time>{{date}}</time></footer>
  </article>`);
function ${type}Badge({ row, t }) {
  return html`<span class="badge \${row.kind}" title="\${t("$name.total", { count: row.stock })}">\${row.kind}</span>`;
}
function ${type}Row({ row, t }) {
  return html`
    <tr class="\${row.stock > $low ? "in" : "out"}">
      <td>\${row.id}</td>
      <td><a href="\${row.path}">\${row.title}</a> \${${type}Badge({ row, t })}</td>
      <td class="number">\${row.price}</td>
      <td>\${row.tags.map((tag) => html`<em>\${tag}</em> `)}</td>
    </tr>`;
}
function ${type}Table({ rows, t }) {
  if (rows.length === 0) return html`<p class="empty">\${t("$name.empty")}</p>`;
  return html`
    <table class="$class">
      <caption>\${t("$name.found", { count: rows.length })}</caption>
      <tbody>\${rows.map((row) => ${type}Row({ row, t }))}</tbody>
    </table>`;
}
function ${type}Form({ value = {}, errors = [], t }) {
  return html`
    <form method="post" action="/$name">
      \${errors.map((text) => html`<p class="error">\${text}</p>`)}
      \${[...${name}Schema.fields.keys()].map((key) => html`
        <label>\${key} <input name="\${key}" value="\${value[key] ?? ""}"></label>`)}
      <button>\${t("$name.add")}</button>
    </form>`;
}

// src/features/$name/pages.js
async function ${name}List({ t, url }) {
  const page = Number(url.searchParams.get("page") ?? 0);
  return layout({
    t,
    title: t("$name.title"),
    body: html`<p>\${t("$name.lead")}</p>
      \${${type}Table({ rows: $type.page(page, 20), t })}
      \${$type.cheapest(3).map((row) => ${name}Template(row))}
      \${${type}Form({ t })}`,
  });
}
async function ${name}Show({ t, params }) {
  const row = $type.byId.get(Number(params.id));
  if (!row) return layout({ t, status: 404, title: t("$name.missing"), body: html`` });
  row.seen();
  return layout({ t, title: row.title, body: ${name}Template(row) });
}
async function ${name}Search({ t, url }) {
  const rows = $type.search(url.searchParams.get("q") ?? "");
  return layout({ t, title: t("$name.search"), body: ${type}Table({ rows, t }) });
}
async function ${name}Add({ t, request }) {
  const { value, errors } = ${name}Schema.parse(Object.fromEntries(await request.formData()));
  if (errors.length > 0)
    return layout({ t, status: 422, title: t("$name.add"), body: ${type}Form({ value, errors, t }) });
  return Response.redirect(new URL("/$name", request.url), 303);
}
features.push({ name: "$name", Model: $type, Row: ${type}Row, card: ${name}Template, weight: $i });
routes.push(
  ["GET", "/$name", ${name}List],
  ["GET", "/$name/search", ${name}Search],
  ["GET", "/$name/:id", ${name}Show],
  ["POST", "/$name", ${name}Add],
);
JS
}

# ---- what ties them together ------------------------------------------------

my $main = <<'JS';

// src/main.js
function layout({ t, title, body, status = 200 }) {
  const page = html`<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><title>${title}</title><link rel="stylesheet" href="/style.css"></head>
<body>
  <nav>${navigation.map((group) => html`<ul>${group.map((f) => html`<li><a href="/${f.name}">${t(`${f.name}.title`)}</a></li>`)}</ul>`)}</nav>
  <main><h1>${title}</h1>${body}</main>
</body>
</html>`;
  return new Response(page.text, {
    status,
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}
async function home({ t }) {
  const shown = features.slice(0, 24);
  return layout({
    t,
    title: t(`${features[0].name}.title`),
    body: html`<table>${shown.map((f) => f.Row({ row: f.Model.rows[0], t }))}</table>
      ${shown.slice(0, 6).map((f) => f.card(f.Model.rows[1]))}`,
  });
}
const navigation = [];
for (const feature of features) {
  const group = feature.weight % 8;
  (navigation[group] ??= []).push(feature);
}
const router = new Router();
for (const [method, path, handler] of routes)
  router.add(method, path, handler, withErrors, withTimer);
async function handle(request) {
  const url = new URL(request.url);
  const parts = url.pathname.split("/").filter(Boolean);
  if (parts.length > 0 && parts[0].endsWith(".js")) parts.shift();
  const found = router.find(request.method, parts);
  const t = translator(chooseLanguage(request.headers.get("accept-language")));
  if (!found) return home({ t });
  return found.handler({ request, url, t, params: found.params });
}
JS

my $end = $o{script}
    ? "addEventListener(\"fetch\", (event) => event.respondWith("
    . "handle(event.request)));\n"
    : "export default { fetch: handle };\n";

my $app = '';
for (my $i = 0; $i == 0 || length($runtime . $app . $main . $end) < $o{size};
    $i++) {
    $app .= feature($i);
}
print $runtime, $app, $main, $end;
