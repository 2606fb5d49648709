#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# What V8 leaves out of an isolate that can be written, and adds to a context
# made of the image: at top level it is there, and what an application does to
# it is in the image as it is without one.
my ($version) = run_program(['--version'])->{out} =~ /^V8 (\d+)/m;
my $dir = temp_dir();
my $conf = write_config("$dir/c.conf",
    global => { error_log => 'stderr', log_level => 'info' },
    cgi => { root => $dir });
my $head = <<'JS';
const serve = (f) => addEventListener("fetch", (e) => e.respondWith((async () =>
    new Response(String(await f(new URL(e.request.url).pathname))))()));
JS

sub build { return run_program(['image', 'build', @_]) }

sub get {
    my ($name, $path) = @_;
    return cgi(cgi_env("$dir/$name.js", REQUEST_URI => $path // '/'),
        conf => $conf);
}

# What it answers from its source, an image, an image of that.
sub three {
    my ($name, $source, $path) = @_;
    write_file("$dir/$name.js", $head . $source);
    my @answers = get($name, $path)->{body};
    for my $from ([], ['--from', "$dir/$name.img"]) {
        my $r = build("$dir/$name.js", @$from, '-o', "$dir/$name.img");
        is("$r->{exit} $r->{err}", '0 ', "$name: image build @$from[0 .. $#$from - 1]");
        my $reply = get($name, $path);
        unlike($reply->{err}, qr/the source is used| error /, "$name: the image is used");
        push @answers, $reply->{body};
    }
    return @answers;
}

sub same {
    my ($name, $source) = @_;
    my ($as_source, $image, $again) = three($name, $source);
    isnt($as_source, '', "$name: says something");
    is($image, $as_source, "$name: from an image as from source");
    is($again, $as_source, "$name: from an image of an image, too");
    return;
}

# ---- the list is whole -----------------------------------------------------------

# A name, its attributes, what it is: of all that can be reached.
my $walk = <<'JS';
const walk = () => {
    const seen = new Map(), queue = [], out = [];
    const add = (v, path) => {
        if (((typeof v === "object" && v !== null) || typeof v === "function") &&
            !seen.has(v)) {
            seen.set(v, path);
            queue.push(v);
        }
    };
    const proto = Object.getPrototypeOf;
    add(globalThis, "");
    add(proto([].values()), "ArrayIterator");
    add(proto(Int8Array), "TypedArray");
    add((async function* () {}).constructor, "AsyncGeneratorFunction");
    for (let i = 0; i < queue.length; i++) {
        const object = queue[i], path = seen.get(object);
        for (const key of Reflect.ownKeys(object)) {
            const d = Reflect.getOwnPropertyDescriptor(object, key);
            const name = `${path}.${String(key)}`;
            const { value } = d;
            out.push([name, d.writable, d.enumerable, d.configurable,
                typeof value, typeof value === "function"
                    ? `${value.name}/${value.length}` : ""].join(" "));
            add(value, name);
            add(d.get, `${name} get`);
            add(d.set, `${name} set`);
        }
        add(proto(object), `${path}.(prototype)`);
        out.push(`${path} is of ${seen.get(proto(object))}`);
    }
    return out.join("\n");
};
const top = walk();
serve((path) => path === "/top" ? top : walk());
JS
# Date is another while an image is made: js/drawn.js.
my %missing = map { $_ => 1 } qw(SharedArrayBuffer WebAssembly),
    $version >= 13 ? 'Float16Array' : 'Atomics';
my $made = join('|', keys %missing, 'Date');
my @found = three('walk', $walk, '/top');
is(join(' ', map { /^\.WebAssembly /m ? 'there' : 'not' } @found), 'there not not',
    'what is looked at is made by an image');
my ($all, $top, $more) = map { my %h = map { $_ => 1 }
    grep { !/^\.(?:$made)\b/ } split /\n/; \%h } @found;
cmp_ok(scalar keys %$all, '>', 1000, 'a walk finds a lot');
is_deeply([grep { !$top->{$_} } sort keys %$all], [], 'nothing else is missing at top level');
is_deeply([grep { !$all->{$_} && !/Date/ } sort keys %$top], [], 'nothing is there that V8 has not');
is_deeply($more, $top, 'nor in an image of an image');
my $asked = get('walk')->{body};
is($asked =~ /^\.WebAssembly\.Memory /m, 1, 'in a request V8 has its own');
unlink "$dir/walk.img";
is($asked, get('walk')->{body}, 'all of it, as from source');

# ---- used at top level ------------------------------------------------------------

same('lists', <<'JS');
const a = [1, 2, 3], t = new Uint8Array([4, 5, 6]);
const thrown = (f) => { try { return f(); } catch (e) { return e.name; } };
const top = JSON.stringify([a.at(-1), a.at(5) === undefined, t.at(-3), "abc".at(-1),
    a.findLast((x) => x < 3), a.findLastIndex((x, i, all) => all === a && i < 1),
    t.findLast((x) => x > 9) === undefined, t.findLastIndex((x) => x === 5),
    Object.hasOwn({ a: 1 }, "a"), Object.hasOwn({}, "toString"),
    Array.prototype.at.call({ length: 2, 1: "b" }, "1.9"),
    thrown(() => a.findLast(1)), thrown(() => Object.hasOwn(null, "a")),
    thrown(() => Int8Array.prototype.at.call([], 0)), thrown(() => a.at(1n)),
    Error.stackTraceLimit, new Error("x").stack.split("\n").length > 1]);
const { at } = Array.prototype, { hasOwn } = Object;
serve(() => [top, at.call([7, 8], -1), hasOwn([1], 0), [1].at(0),
    Array.prototype.at.name]);
JS

same('newer', $version < 13 ? 'serve(() => typeof Promise.try);' : <<'JS');
const thrown = (f) => { try { return f(); } catch (e) { return e.name; } };
const bits = new DataView(new ArrayBuffer(8));
bits.setFloat16(0, 1.1);
bits.setFloat16(2, -65520, true);
bits.setFloat16(4, 2 ** -24);
const log = [];
const stack = new DisposableStack();
stack.defer(() => { throw 1; });
stack.adopt(5, (v) => { log.push(v); throw 2; });
stack.use({ [Symbol.dispose]() { log.push("disposed"); } });
try { stack.move().dispose(); } catch (e) { log.push(e.name, e.error, e.suppressed); }
const ends = { __proto__: [].values(), return() { log.push("ended"); } };
ends[Symbol.dispose]();
const later = (async () => {
    const stack = new AsyncDisposableStack();
    stack.use({ async [Symbol.asyncDispose]() { await 0; log.push("later"); } });
    await stack.disposeAsync();
    return Promise.try((a) => a + 1, 1);
})();
const top = JSON.stringify([Math.f16round(1.337), Math.f16round(-1e-8), bits.getFloat16(0),
    bits.getFloat16(2, true), bits.getFloat16(4), bits.getUint16(0),
    RegExp.escape("1+1 = \u2028\ud800\u{1f600}/"), thrown(() => RegExp.escape(1)),
    Error.isError(new TypeError()), Error.isError({ __proto__: Error.prototype }),
    thrown(() => Atomics.pause(1.5)), thrown(() => stack.use(null)), stack.disposed,
    Object.prototype.toString.call(stack), String(SuppressedError(1, 2, "three"))]);
class Mine extends SuppressedError {}
serve(async () => [top, log, await later, new Mine() instanceof Error]);
JS

same('limit', 'Error.stackTraceLimit = 50; serve(() => JSON.stringify(' .
    'Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")));');

# ---- changed at top level --------------------------------------------------------

my $names = <<'JS';
const typed = Object.getPrototypeOf(Int8Array.prototype);
const iterator = Object.getPrototypeOf(Object.getPrototypeOf([].values()));
const asyncIterator = Object.getPrototypeOf(Object.getPrototypeOf(
    (async function* () {}).prototype));
const names = [[Array.prototype, ["at", "findLast", "findLastIndex"]],
    [Array.prototype[Symbol.unscopables], ["at", "findLast"]],
    [typed, ["at", "findLast", "findLastIndex"]], [String.prototype, ["at"]],
    [Object, ["hasOwn"]], [Error, ["stackTraceLimit", "isError"]],
    [Promise, ["try"]], [RegExp, ["escape"]], [Math, ["f16round"]],
    [DataView.prototype, ["getFloat16", "setFloat16"]],
    [iterator, [Symbol.dispose ?? "none"]],
    [asyncIterator, [Symbol.asyncDispose ?? "none"]],
    [typeof Atomics === "object" ? Atomics : {}, ["pause"]],
    [globalThis, ["SuppressedError", "DisposableStack", "AsyncDisposableStack"]]]
    .flatMap(([object, keys]) => keys.map((key) => [object, key]));
const unmade = ["Atomics", "Float16Array", "SharedArrayBuffer", "WebAssembly"];
const mine = () => "mine";
const show = (names) => names.map(([object, key]) => {
    const d = Object.getOwnPropertyDescriptor(object, key);
    return [String(key), d === undefined ? "none" : object[key] === mine ? "mine"
        : typeof object[key], d && [d.writable, d.enumerable, d.configurable],
        Reflect.ownKeys(object).filter((k) => k === key).length,
        delete object[key], key in object].join();
}).join("\n");
JS
my $with_unmade = 'names.push(...unmade.map((key) => [globalThis, key]));';
same('polyfilled', "$names for (const [object, key] of names) object[key] = mine;" .
    'serve(() => show(names));');
same('polyfills of others', "$names for (const key of unmade)" .
    'Object.defineProperty(globalThis, key, { value: mine, writable: true,' .
    'configurable: true }); serve(() => show(unmade.map((key) => [globalThis, key])));');
same('accessors', "$names$with_unmade for (const [object, key] of names)" .
    'Object.defineProperty(object, key, { get() { return mine; }, ' .
    'configurable: true }); serve(() => show(names));');
same('deleted', "$names for (const [object, key] of names) delete object[key];" .
    'serve(() => show(names));');
same('looked at', "$names for (const [object, key] of names)" .
    'if (!(key in object)) object[key] = mine; serve(() => show(names));');
same('lexical', 'const SharedArrayBuffer = 1; let WebAssembly = 2;' .
    'class DisposableStack {} serve(() => SharedArrayBuffer + WebAssembly +' .
    'String(DisposableStack) + typeof globalThis.WebAssembly);');
for my $how ('= 5', '= Object.freeze({ random: () => 4 })', '= undefined') {
    same("Math $how" =~ s/\W+/-/gr, "globalThis.Math $how;" .
        'serve(() => JSON.stringify(globalThis.Math) + typeof Math?.random);');
}
same('a Math that throws', 'Object.defineProperty(globalThis, "Math", { get() {' .
    'throw new Error("no"); }, configurable: true });' .
    'serve(() => { try { return Math; } catch (e) { return e.message; } });');

# ---- what cannot be -----------------------------------------------------------------

sub refused {
    my ($name, $source, $words) = @_;
    write_file("$dir/$name.js", "$head$source\nserve(() => 1);");
    is(get($name)->{body}, 1, "$name: works from source");
    my $r = build("$dir/$name.js", '-o', "$dir/$name.img");
    is($r->{exit}, 65, "$name: no image");
    like($r->{err}, $words, "$name: says why");
    return;
}

for my $object ($version >= 13 ? qw(Promise Math DataView.prototype)
    : qw(Object Array.prototype String.prototype), 'Error') {
    refused("frozen-$object", "Object.freeze($object);",
        qr/the application has frozen \Q$object\E, so that V8 could not add \Q$object\E\.\w+ in a copy: /);
}
for my $name (sort keys %missing) {
    refused("fixed-$name", "Object.defineProperty(globalThis, '$name', { value: 1 });",
        qr/has made $name a property that cannot be deleted, so that V8 could not add $name in/);
    refused("used-$name", "const used = [$name];",
        qr/^snapcgi: \S+:\d+:\d+: ReferenceError: $name is not defined while an image is made: use it in requests only$/m);
}

done_testing();
