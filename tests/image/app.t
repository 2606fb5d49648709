#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP qw(decode_json);
use Snap;
use POSIX ();
use Test::More;

# `snapcgi image build app.js`: the application goes on from its image as it
# would from its source. V8 10.2 keeps scripts only, later ones modules, too.
my ($version) = run_program(['--version'])->{out} =~ /^V8 (\d+)/m;
my $keeps_modules = $version >= 12;
my $dir = temp_dir();
my $conf = write_config("$dir/c.conf", global => { error_log => 'stderr', log_level => 'info' },
    cgi => { root => $dir, 'env[SECRET]' => 'the-hare-of-march' });

sub build { return run_program(['image', 'build', @_]) }

sub get {
    my ($app, $path) = @_;
    return cgi(cgi_env($app, SCRIPT_NAME => $path // '/'), conf => $conf);
}

# Builds it, without a word.
sub built {
    my ($what, @words) = @_;
    my $r = build(@words);
    is("$r->{exit} $r->{err}", '0 ', "$what: image build");
    return $r;
}

# Is the reply of the image? Its line in the log is the only one.
sub from_image {
    my ($r, $what) = @_;
    unlike($r->{err}, qr/ (warn|error) |the source is used/, "$what: the image is used");
    return $r->{body};
}

# ---- what an application may be made of -----------------------------------------

my $parts = <<'JS';
globalThis.runs = (globalThis.runs ?? 0) + 1;
class Account {
    #sum = 1;
    static made = 0;
    static #most = 9;
    constructor() { Account.made++; }
    add(n) { return this.#sum += n; }
    static most() { return Account.#most; }
}
class Savings extends Account { get kind() { return "savings"; } }
const account = new Savings();
account.add(4);
const counter = (() => { let n = 10; return () => ++n; })();
counter();
function* count() { let n = 0; while (true) yield n++; }
const generator = count();
generator.next();
generator.next();
let settle;
const pending = new Promise((resolve) => { settle = resolve; });
const later = pending.then((v) => v + 1);
const sleeper = (async () => `woken by ${await pending}`)();
const fired = [];
setTimeout(() => fired.push("once"), 400);
setTimeout(() => fired.push("far"), 3600_000);
let ticks = 0;
const beat = setInterval(() => { ticks++; }, 50);
Error.stackTraceLimit = 3;
const map = new Map([[account, "in a map"]]);
const weak = new WeakMap([[account, "in a weak map"]]);
const bytes = new Uint8Array([1, 2, 258]);
const url = new URL("http://a.example/x?y=1");
const shared = { get twice() { return 2 * this.n; }, n: 4 };
shared.self = shared;
const response = new Response("from the top level");
const deep = (n) => n > 0 ? deep(n - 1) : new Error("x").stack.match(/\n +at /g).length;
async function answer(request, env) {
    const path = new URL(request.url).pathname;
    if (path === "/env")
        return new Response(env.SECRET);
    if (path === "/random")
        return new Response(`${Math.random()} ${crypto.randomUUID()}`);
    if (path === "/timers") {
        while (fired.length === 0 || ticks < 5)
            await new Promise((wake) => setTimeout(wake, 10));
        clearInterval(beat);
        return new Response(fired.join());
    }
    settle(41);
    return Response.json({ runs, sum: account.add(1), most: Account.most(), made: Account.made,
        kind: account.kind, counter: counter(), generator: generator.next().value,
        later: await later, sleeper: await sleeper, map: map.get(account),
        weak: weak.get(account), bytes: bytes.join(), url: url.searchParams.get("y"),
        shared: shared.self.twice, response: await response.clone().text(),
        limit: Error.stackTraceLimit, depth: deep(20), stack: new Error("x").stack.includes(":") });
}
JS
my %expected = (runs => 1, sum => 6, most => 9, made => 1, kind => 'savings', counter => 12,
    generator => 2, later => 42, sleeper => 'woken by 41', map => 'in a map',
    weak => 'in a weak map', bytes => '1,2,2', url => 1, shared => 8,
    response => 'from the top level', limit => 3, depth => 3);

# Of one file; and the same once more from an image of the image.
sub goes_on {
    my ($what, $app, %o) = @_;
    (my $image = $app) =~ s/\.js$/.img/;
    my $r = get($app);
    is($r->{status}, 200, "$what: it works from source") or diag($r->{err});
    for my $round ('', ', of an image of it') {
        if ($round) {
            built("$what$round", $app, '-o', "$image.2", '--from', $image);
            rename "$image.2", $image or die;
        } else {
            my $made = built($what, $app);
            is($made->{out}, "$image\n", "$what: says where it is");
            ok(-s $image, "$what: and there it is");
            is((stat $image)[2] & 0777, (stat $app)[2] & 04 ? 0644 : 0600,
                "$what: who may read the source may read it");
        }
        $r = get($app);
        my $j = eval { decode_json(from_image($r, "$what$round")) } // {};
        ok(delete $j->{stack}, "$what$round: errors have a stack");
        is_deeply($j, \%expected, "$what$round: all of it goes on")
            or diag($r->{raw}, $r->{err});
        is(from_image(get($app, '/env'), "$what$round"), $o{env} // 'the-hare-of-march',
            "$what$round: env is the one of now");
        is(from_image(get($app, '/timers'), "$what$round"), 'once',
            "$what$round: timers fire in their time");
        my @drawn = map { from_image(get($app, '/random'), "$what$round") } 1, 2;
        isnt($drawn[0], $drawn[1], "$what$round: each process draws its own");
    }
    unlike(read_file($image), qr/hare-of-march/, "$what: env is not in the file");
    is(run_program(['image', 'verify', $image])->{exit}, 0, "$what: it verifies");
    return;
}

# A script is given no env.
write_file("$dir/script.js", $parts . <<'JS', 0640);
addEventListener("fetch", (event) => event.respondWith(answer(event.request, { SECRET: "none" })));
JS
goes_on('a script', "$dir/script.js", env => 'none');

# Without await at the top level a V8 that cannot keep modules has it as one script.
my $esbuild = find_program('esbuild');
my $assert = $version >= 12 ? 'with' : 'assert';
write_file("$dir/lib.js", 'export const twice = (n) => 2 * n; export const where = import.meta.url;');
write_file("$dir/data.json", '{ "name": "from JSON" }');
write_file("$dir/late.js", 'export const value = "late"; export const where = import.meta.url;');
my $module = qq{import { twice, where } from "./lib.js";\n} .
    qq{import data from "./data.json" $assert { type: "json" };\n} . $parts . <<'JS';
export default {
    async fetch(request, env) {
        const path = new URL(request.url).pathname;
        if (path === "/modules")
            return Response.json({ twice: twice(4), where, json: data.name, own: import.meta.url });
        if (path === "/late") {
            const { value, where } = await import("./late.js");
            return Response.json({ value, where, same: (await import("./late.js")).where === where });
        }
        return answer(request, env);
    }
};
JS

# Bundled to one script, each module is at the place of the application.
sub has_modules {
    my ($what, $app) = @_;
    my ($lib, $late) = map { $keeps_modules ? "file://$dir/$_.js" : "file://$app" } qw(lib late);
    is_deeply(eval { decode_json(from_image(get($app, '/modules'), $what)) },
        { twice => 8, json => 'from JSON', where => $lib, own => "file://$app" },
        "$what: what it imports, and where from");
    is_deeply(eval { decode_json(from_image(get($app, '/late'), $what)) },
        { value => 'late', where => $late, same => JSON::PP::true },
        "$what: import() in a request");
    return;
}

SKIP: {
    skip 'V8 cannot keep modules, and esbuild is not installed', 1
        if !$keeps_modules && !$esbuild;
    write_file("$dir/module.js", $module, 0644);
    goes_on('a module', "$dir/module.js");
    has_modules('a module', "$dir/module.js");
}

# Top-level await, of a timer, too.
write_file("$dir/await.js", $module . <<'JS');
let slept = 0;
await new Promise((wake) => setTimeout(wake, 20));
slept++;
const { value } = await import("./late.js");
globalThis.awaited = `${slept} ${value}`;
JS
if ($keeps_modules) {
    goes_on('await', "$dir/await.js");
    has_modules('await', "$dir/await.js");
} else {
    my $r = build("$dir/await.js");
    is($r->{exit}, 65, 'await at the top level: this V8 cannot keep it');
    like($r->{err}, qr/V8 \S+ cannot keep ES modules/, 'and that is said');
    ok(!-e "$dir/await.img", 'no file');
    is(get("$dir/await.js")->{status}, 200, 'from source it works');
}

# ---- warm --------------------------------------------------------------------------

write_file("$dir/warm.js", <<'JS');
const asked = [];
addEventListener("fetch", (event) => {
    const { pathname, search } = new URL(event.request.url);
    asked.push(pathname + search);
    event.respondWith(new Response(asked.join(), { status: pathname === "/bad" ? 503 : 200 }));
});
JS
built('warm', "$dir/warm.js", '--warm', '/a', '--warm', '/b?x=1');
is(from_image(get("$dir/warm.js", '/c'), 'warm'), '/a,/b?x=1,/c', 'what --warm asks for has been asked for');
my $long = '/' . 'x' x 3000;
built('a long one', "$dir/warm.js", '--warm', $long);
is(from_image(get("$dir/warm.js", '/c'), 'warm'), "$long,/c", 'in full');
my $r = build("$dir/warm.js", '--warm', '/bad');
is($r->{exit}, 0, 'one that fails is no mistake');
like($r->{err}, qr{\Athe request for /bad .* was answered with 503\n\z}, 'but is told');

# ---- the command's words -------------------------------------------------------------

$r = build("$dir/warm.js", '--json');
my $j = decode_json($r->{out});
is($j->{file}, "$dir/warm.img", '--json: the file');
is($j->{bytes}, -s "$dir/warm.img", 'its length');
like($j->{id}, qr/\A[0-9a-f]{16}\z/, 'its id');
is_deeply($j->{warnings}, [], 'no warnings');
is($r->{err}, '', 'nothing besides');
is_deeply([sort keys %$j], [qw(bytes file id warnings)], 'and no other member');
$j = decode_json(run_program(['image', 'inspect', "$dir/warm.img", '--json'])->{out});
is($j->{kind}, 'application', 'inspect knows its kind');
is_deeply([map { $_->{path} } @{$j->{sources}}], ["$dir/warm.js"], 'and what it is made of');

# A folder of the person's own: where they stand, and links.
mkdir "$dir/sub" or die;
symlink '../warm.js', "$dir/sub/link.js" or die;
$r = run_process_in("$dir/sub", 'image', 'build', 'link.js');
is("$r->{exit} $r->{out}", "0 link.img\n", 'a link: the image is beside it');
unlink "$dir/warm.img";
rename "$dir/sub/link.img", "$dir/warm.img" or die;
is(from_image(get("$dir/warm.js", '/c'), 'a link'), '/c', 'and of the file that the link names');

sub run_process_in {
    my ($folder, @words) = @_;
    my $here = POSIX::getcwd();
    chdir $folder or die;
    my $r = run_program(\@words);
    chdir $here or die;
    return $r;
}

# ---- what is drawn once ----------------------------------------------------------------

my %draws = ('Math.random()' => 'Math.random()', 'Date.now()' => 'Date.now()',
    'new Date()' => 'new Date()', 'Date()' => 'Date()',
    'crypto.getRandomValues()' => 'crypto.getRandomValues(new Uint8Array(8))',
    'crypto.randomUUID()' => 'crypto.randomUUID()', 'performance.now()' => 'performance.now()',
    'performance.timeOrigin' => 'performance.timeOrigin');
my $all = join ', ', map { $draws{$_} } sort keys %draws;
my $serve = qq{addEventListener("fetch", (e) => e.respondWith(new Response(String([$all]))));};
for my $name (sort keys %draws) {
    write_file("$dir/draw.js", "// one\nconst kept = $draws{$name};\n$serve\n");
    $r = build("$dir/draw.js");
    is($r->{exit}, 0, "$name at the top level is no mistake");
    like($r->{err}, qr{\A\Q$name\E is used while the application starts \(\Q$dir\E/draw\.js:2\): .*\n\z},
        "$name: but is told, with its place");
}
write_file("$dir/draw.js", "const kept = [new Date(0), Math.max(1, 2), Date.UTC(2026)];\n$serve\n");
built('what only requests draw', "$dir/draw.js");
built('what only a request before draws', "$dir/draw.js", '--warm', '/');
for my $n (1, 2) {
    $r = get("$dir/draw.js");
    like(from_image($r, 'draws'), qr/\A.*GMT.*,0\.\d+,/, 'it can draw');
    push @{$draws{all}}, $r->{body};
}
isnt($draws{all}[0], $draws{all}[1], 'and each process draws its own');
write_file("$dir/draw.js", "const kept = Math.random();\n$serve\n");
$j = decode_json(build("$dir/draw.js", '--json')->{out});
is(scalar @{$j->{warnings}}, 1, '--json has a warning as a member');
write_file("$dir/draw.js", 'addEventListener("fetch", (e) => e.respondWith(new Response(kept))); '
    . 'const kept = "one " + Math.random();');
build("$dir/draw.js");
is(get("$dir/draw.js")->{body}, get("$dir/draw.js")->{body}, 'what was drawn at the top level is the same');

# ---- what fails --------------------------------------------------------------------------

$serve = 'addEventListener("fetch", (e) => e.respondWith(new Response("")));';
my %failing = (
    throws => ["$serve\nfunction f() { throw new TypeError('no spoon'); }\nf();", 65,
        qr{\A\Qsnapcgi: $dir/throws.js:2:16: \ETypeError: no spoon\n\z}],
    late => ["$serve\nawait new Promise((done) => setTimeout(done, 10)); throw new TypeError('no fork');", 65,
        qr{\A\Qsnapcgi: $dir/late.js:2:58: \ETypeError: no fork\n\z}],
    syntax => ["$serve\nlet x = ;", 65, qr{\A\Qsnapcgi: $dir/syntax.js:2:9: \ESyntaxError: Unexpected token ';'\n\z}],
    escape => ["$serve\nthrow new Error('a\\x1b[31mb\\nc');", 65, qr/: Error: a\\x1b\[31mb(?:\\nc)?\n\z/, qr/: Error: a\x1b\[31mb/],
    'no-handler' => ['const x = 1;', 65, qr/The application has no handler/],
    never => ['await new Promise(() => {}); export default { fetch() {} };', 65,
        qr/never\.m?js: Error: a top-level await can never settle/],
    'no-import' => ['import "./nowhere.js"; export default { fetch() {} };', 65,
        qr{cannot import "\./nowhere\.js": cannot find \S+/nowhere\.js}],
    wasm => ["$serve\nnew WebAssembly.Module(new Uint8Array(8));", 65,
        qr/WebAssembly is not defined while an image is made: use it in requests only/],
    shared => ["$serve\nnew SharedArrayBuffer(8);", 65,
        qr/SharedArrayBuffer is not defined while an image is made/],
);
for my $name (sort keys %failing) {
    my ($source, $exit, $like, $json) = @{$failing{$name}};
    write_file("$dir/$name.js", $source);
    $r = build("$dir/$name.js");
    is($r->{exit}, $exit, "$name: exit $exit");
    is(() = $r->{err} =~ /\n/g, 1, "$name: one sentence and no more") or diag($r->{err});
    like($r->{err}, $like, "$name: says why");
    is($r->{out}, '', "$name: nothing else");
    is(join(' ', glob "$dir/$name.img*"), '', "$name: no file");
    write_file("$dir/$name.img", 'an old one');
    $r = build("$dir/$name.js", '--json');
    is($r->{err}, '', "$name: --json says nothing besides");
    $j = eval { decode_json($r->{out}) };
    is_deeply([keys %$j], ['error'], "$name: it is one object");
    like("snapcgi: $j->{error}\n", $json // $like, "$name: with the same words");
    is(join(' ', glob "$dir/$name.img*"), "$dir/$name.img", "$name: nothing besides an old one");
    is(read_file("$dir/$name.img"), 'an old one', "$name: which is untouched");
}

# ---- limits ------------------------------------------------------------------------------

write_file("$dir/loop.js", "$serve\nfor (;;);");
write_file("$dir/sleep.js", 'await new Promise((done) => setTimeout(done, 3600_000)); export default { fetch() {} };');
write_file("$dir/heap.js", "$serve\nconst a = []; for (;;) a.push(new Array(1000).fill(a.length));");
for my $case (['loop', [qw(--timeout 300ms)], qr/was not made into an image within 300 ms: raise --timeout/],
    ['sleep', [qw(--timeout 1)], qr/was not made into an image within 1000 ms: raise --timeout/],
    ['heap', [], qr/needs more than 128m of heap to be made into an image: raise --heap/],
    ['heap', [qw(--heap 16m)], qr/needs more than 16m of heap to be made into an image: raise --heap/]) {
    my ($name, $words, $like) = @$case;
    $r = build("$dir/$name.js", @$words);
    # Where modules are bundled, that cannot be.
    next if $name eq 'sleep' && !$keeps_modules && $r->{err} =~ /cannot keep ES modules/;
    is($r->{exit}, 70, "@$words: $name ends");
    like($r->{err}, qr{\A\Qsnapcgi: $dir/$name.js\E $like\n\z}, "@$words: $name: which limit it was");
    ok(!-e "$dir/$name.img", 'no file');
}
write_file("$dir/large.js", "$serve\nconst a = []; for (let i = 0; i < 300; i++) a.push(new Array(100_000).fill(i));");
isnt(build("$dir/large.js", '--heap', '64m')->{exit}, 0, 'what does not fit into --heap');
is(build("$dir/large.js", '--heap', '1g')->{exit}, 0, 'fits into a larger one');
for my $case (['--timeout', '5ms'], ['--timeout', '2h'], ['--heap', '7m'], ['--heap', 'much'],
    ['--warm', 'a'], ['--warm', '/a /b'], ['--warm', '']) {
    $r = build("$dir/warm.js", @$case);
    is($r->{exit}, 64, "@$case: refused");
    like($r->{err}, qr/\Asnapcgi: \Q@$case\E (?:is|has) [^\n]+\n\z/, "@$case: in a sentence");
}
is(build('--api', '--heap', '64m', '-o', "$dir/api.img")->{exit}, 64, '--api has no limits');
like(run_program(['image', '--help'])->{out}, qr/\[--timeout SECONDS=60\] \[--heap SIZE=128m\]/, '--help has them');

# ---- the console -------------------------------------------------------------------------

write_file("$dir/console.js", "console.log('one\\x1b[31m'); console.error('two');\n$serve\n");
$r = build("$dir/console.js");
is($r->{exit}, 0, 'an application that speaks');
like($r->{err}, qr{\A\S+ notice build\[\d+\] - \Q$dir\E/console\.js one\\x1b\[31m\n\S+ error build\[\d+\] - \Q$dir\E/console\.js two\n\z},
    'is heard, once');
is($r->{out}, "$dir/console.img\n", 'beside the result');
write_file("$dir/console.js", "console.log('one');\n$serve\nthrow new Error('three');\n");
$r = build("$dir/console.js");
like($r->{err}, qr{\A\S+ notice [^\n]+ one\nsnapcgi: \Q$dir\E/console\.js:3:1: Error: three\n\z},
    'where it fails, the sentence comes last');
$r = build("$dir/console.js", '--json');
like($r->{out}, qr/\A\{"error":"[^\n]+three"\}\n\z/, 'in JSON the object is alone');

for my $words (["$dir/nowhere.js"], ["$dir/sub"], ["$dir/warm.js", '-o', "$dir/no/x.img"],
    ["$dir/warm.js", '--from', "$dir/nowhere.img"], ["$dir/warm.js", '--from', "$dir/warm.js"],
    ["$dir/warm.js", '--from', "$dir/draw.img"], ["$dir/warm.js", '--root', "$dir/sub"]) {
    my @names = map { s/^\Q$dir\E//r } @$words;
    $r = build(@$words);
    isnt($r->{exit}, 0, "@names: refused");
    is(scalar(grep { /^snapcgi: / } split /\n/, $r->{err}), 1, "@names: in a sentence") or diag($r->{err});
    is($r->{signal}, 0, "@names: not by a signal");
    note($r->{err});
}
ok(get("$dir/warm.js", '/c')->{body} =~ m{^/c$}, 'the image of before is still whole');
is(join(' ', glob "$dir/*.new"), '', 'nothing is left');

done_testing();
