#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# What cannot be in an image is named, with who holds it and where.
my $dir = temp_dir();
my $serve = qq{addEventListener("fetch", (e) => e.respondWith(new Response(""))};
my $late = qr/: make it when it is first needed/;

# Builds it; gives what was said.
sub build {
    my ($name, $source) = @_;
    write_file("$dir/$name.js", $source);
    my $r = run_program(['image', 'build', "$dir/$name.js", '-o',
        "$dir/$name.img"]);
    return $r;
}

sub refused {
    my ($what, $source, @said) = @_;
    (my $name = $what) =~ s/\W+/-/g;
    my $r = build($name, $source);
    isnt($r->{exit}, 0, "$what: no image");
    like($r->{err}, $_, "$what: $_") for @said;
    ok(!-e "$dir/$name.img", "$what: no file");
    return;
}

sub at {
    my ($name, $line) = @_;
    return qr{\Q$dir/$name.js\E \(line $line\)};
}

# A script, so that every V8 can have it in an image.
for my $kind (qw(NumberFormat DateTimeFormat Segmenter Collator PluralRules
    ListFormat RelativeTimeFormat Locale)) {
    refused($kind, "// kept\nlet kept = new Intl.$kind('de');\n$serve, kept);",
        qr/an Intl\.$kind is held by `kept`, a variable of/, at($kind, 2),
        $late);
}
refused('a property', <<"JS" . "$serve, cache);", qr/`cache\.of\[1\]`/,
// const cache = 1
/* let cache */
const cache = { of: [0, new Intl.NumberFormat('de')] };
JS
    at('a-property', 3));
refused('a global', "globalThis.g = { f: new Intl.Collator('de') };\n$serve);",
    qr/by the global `g\.f` \(\Q$dir\E\/a-global\.js, line 1\)/);
refused('a closure', <<"JS" . "$serve, get);", qr/`inner`, a variable of a func/,
function outer() {
    const inner = new Intl.NumberFormat('de');
    return () => inner;
}
const get = outer();
JS
    at('a-closure', 2));
refused('a private field', <<"JS" . "$serve, money);", qr/`money\.#format`/,
class Money { #format = new Intl.NumberFormat('de'); get() { return this.#format; } }
let money = new Money();
JS
    at('a-private-field', 2));
refused('a subclass', <<"JS" . "$serve, own);",
class Own extends Intl.NumberFormat {}
let own = new Own('de');
JS
    qr/an? Own, which is an Intl\.NumberFormat, is held by `own`/);
refused('a timer', <<"JS" . "$serve);", qr/held by a timer that has not run/);
setTimeout(() => 0, 1e7, new Intl.NumberFormat('de'));
JS
refused('a compressor', "let z = new CompressionStream('gzip');\n$serve, z);",
    qr/an open CompressionStream or DecompressionStream is held by `z`/, $late);
refused('a key', <<"JS" . "$serve, key);",
let key;
crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"])
    .then((k) => { key = k; });
JS
    qr/a CryptoKey is held by `key`, a variable of/, $late);
{
    my $r = build('many',
        "let many = Array.from({ length: 23 }, () => new Intl.Locale('de'));\n"
            . "$serve, many);");
    my $n = () = $r->{err} =~ /an Intl\.Locale is held by `many\[\d+\]`/g;
    is($n, 20, 'twenty are named');
    like($r->{err}, qr/and 3 more/, 'and the others are counted');
}

# What only was used leaves nothing.
{
    my $r = build('used', <<"JS" . "$serve);");
new Intl.DateTimeFormat('de').format(0);
[...new Intl.Segmenter('de').segment('a b')];
(1234.5).toLocaleString('de');
['b', 'a'].sort((a, b) => a.localeCompare(b, 'de'));
JS
    is($r->{exit}, 0, 'what was let go of is in nobody\'s way')
        or diag($r->{err});
}

# Modules, where V8 keeps them.
SKIP: {
    write_file("$dir/lib.js", "// lib\nexport const shared = { list: "
            . "new Intl.ListFormat('de') };\n"
            . "export default new Intl.Collator('de');\n");
    my $r = build('modules', "import { shared } from './lib.js';\n"
            . "export default { fetch() { return new Response(shared); } };\n");
    isnt($r->{exit}, 0, 'modules: no image');
    skip 'modules are bundled or refused here', 2
        if $r->{err} !~ /\Q$dir\E\/lib\.js/;
    like($r->{err}, qr{`shared\.list`, in a variable of \Q$dir\E/lib\.js \(line 2\)},
        'modules: the one that holds it is named');
    like($r->{err}, qr{the default export of \Q$dir\E/lib\.js \(line 3\)},
        'modules: an export without a name');
}

done_testing();
