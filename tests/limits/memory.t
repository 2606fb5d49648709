#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# Out of memory, of every kind: that request gets a 500, and the next one is
# answered, by this process or by the one that takes its place.
my $dir = temp_dir();
my %cases = (
    'small objects' =>
        'const kept = []; for (;;) kept.push({ a: [kept.length], b: {} });',
    'one huge array' => 'const a = []; a.length = 2 ** 32 - 1; a.fill(0);',
    'array length' => 'new Array(2 ** 25).fill({ a: 1 }).map((o) => ({ o }));',
    'concat' => 'const a = new Array(2 ** 24).fill(1.5); '
        . 'for (let b = a;;) b = b.concat(a, b);',
    'JSON.stringify' =>
        'JSON.stringify(new Array(2e7).fill("a text that is longer"));',
    'JSON.parse' => 'JSON.parse(`[${"{\"a\":[1]},".repeat(1e6)}1]`);',
    'slice' => 'const a = new Array(5e6).fill({}), all = []; '
        . 'for (;;) all.push(a.slice());',
    'join' => 'new Array(2 ** 20).fill("x".repeat(1000)).join();',
    'buffers' => 'const kept = []; '
        . 'for (;;) kept.push(new Uint8Array(1 << 20).fill(1));',
    'one huge buffer' => 'new ArrayBuffer(2 ** 40);',
    'a huge string' => 'for (let s = "x";;) s += s;',
    'strings' => 'const kept = []; '
        . 'for (let i = 0;; i++) kept.push(`${i}`.repeat(1e5));',
    'a map' => 'const m = new Map(); for (let i = 0;; i++) m.set(i, { i });',
    'closures' => 'for (let f = () => 0;;) { const g = f, '
        . 'a = new Array(100).fill(0); f = () => [g, a]; }',
    'promises' => 'const kept = []; for (;;) '
        . 'kept.push(new Promise(() => {}).then(() => kept));',
    'structuredClone' => 'const a = new Array(1e5).fill(0).map((_, o) => '
        . '({ o })), all = []; for (;;) all.push(structuredClone(a));',
    'a split text' => 'const kept = []; '
        . 'for (;;) kept.push("ab".repeat(1e6).split(""));',
    'stack' => 'const deeper = (n) => 1 + deeper(n + 1); deeper(0);',
    'stack of a pattern' => 'new RegExp("(".repeat(1e6) + ")".repeat(1e6));',
);
for my $name (keys %cases) {
    write_file("$dir/" . ($name =~ s/\W/-/gr) . '.js',
        "export default { fetch() {\n$cases{$name}\n"
        . "return new Response('not ended'); } };\n");
}
write_file("$dir/hello.js", 'export default { fetch: () => '
    . 'new Response("hello") };');

# Time enough on a busy machine: the limit here is memory.
my %settings = (root => $dir, request_timeout => '2m', heap_limit => '32m',
    buffer_limit => '32m', pm => 'static', max_children => 2);

# The next request, by whatever process; a new one may have to start.
sub next_is_answered {
    my ($s) = @_;
    return wait_for(60, sub {
        my $n = eval { fcgi($s->{socket}, cgi_env("$dir/hello.js")) };
        return $n && $n->{body} eq 'hello';
    });
}

my $s = serve(pool => \%settings);
for my $name (sort keys %cases) {
    my $r = fcgi($s->{socket}, cgi_env("$dir/" . ($name =~ s/\W/-/gr) . '.js'),
        seconds => 150);
    is($r->{status}, 500, "$name: 500");
    my $id = $r->header('x-request-id') // 'none';
    is($r->{body}, "500 Internal Server Error\n\nRequest $id\n",
        "$name: the whole page");
    ok($r->{ended}, "$name: the request has its end");
    ok(next_is_answered($s), "$name: the next one is answered");
}

# A limit of the process's own. Where V8 crashes on it, or one of its threads
# meets it, nobody is left to say 500: the connection is closed.
SKIP: {
    skip('a sanitizer needs all of the address space', 6)
        if sanitized();
    my $l = serve(pool => { %settings, heap_limit => '4g',
        buffer_limit => '64g', rlimit_as => '2g', max_children => 1 });
    for my $name ('small objects', 'strings', 'a map') {
        my $r = eval { fcgi($l->{socket}, cgi_env("$dir/"
            . ($name =~ s/\W/-/gr) . '.js'), seconds => 150) };
        ok($r && !$r->{hung} && ($r->{status} == 500
            || ($r->{status} == 0 && !$r->{ended})),
            "rlimit_as, $name: a 500 or nothing");
        ok(next_is_answered($l), "rlimit_as, $name: the next is answered");
    }
}

done_testing();
