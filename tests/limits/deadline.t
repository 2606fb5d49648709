#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Time::HiRes qw(time);

# A function that takes too long: its client gets a 504, whether JavaScript
# can be stopped or not, and the next request is served.
my $dir = temp_dir();
my %cases = (
    'infinite loop' => 'for (;;);',
    'regex backtracking' => '/^(a+)+$/.test("a".repeat(60) + "b");',
    'Atomics.wait' =>
        'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);',
    'microtask loop' => 'for (;;) await null;',
    'never-settling promise' =>
        'setInterval(() => {}, 50); await new Promise(() => {});',
    'busy timers' => 'for (;;) await new Promise((r) => setTimeout(r, 0));',
    # These V8 does not interrupt, or late.
    'huge sort' => <<'END',
    const a = new Float64Array(4e7);
    for (let i = 0; i < 1e5; i++) a[i] = Math.random();
    for (let n = 1e5; n < a.length; n *= 2) a.copyWithin(n, 0, n);
    for (;;) a.sort().reverse();
END
    'JSON.parse of 60 MB' => <<'END',
    const text = `[${'{"a":1},'.repeat(7.5e6)}1]`;
    for (;;) JSON.parse(text);
END
    'PBKDF2' => <<'END',
    const key = await crypto.subtle.importKey("raw", new Uint8Array(16),
        "PBKDF2", false, ["deriveBits"]);
    for (;;) {
        await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-512",
            salt: new Uint8Array(16), iterations: 9e6 }, key, 256);
    }
END
);
for my $name (keys %cases) {
    write_file("$dir/" . ($name =~ s/\W/-/gr) . '.js',
        "export default { async fetch() {\n$cases{$name}\n"
        . "return new Response('not ended'); } };\n");
}
write_file("$dir/hello.js", 'export default { fetch: () => '
    . 'new Response("hello") };');

my %settings = (root => $dir, request_timeout => '1s', heap_limit => '1g',
    buffer_limit => '1g');
my $conf = write_config("$dir/c.conf", cgi => \%settings);
# Long enough, so that it is not the supervisor who ends the request.
my $s = serve(pool => { %settings, kill_grace => '20s', max_children => 2 });

for my $name (sort keys %cases) {
    my $env = cgi_env("$dir/" . ($name =~ s/\W/-/gr) . '.js');
    for my $by (qw(CGI FastCGI)) {
        my $start = time;
        my $r = $by eq 'CGI' ? cgi($env, conf => $conf)
            : fcgi($s->{socket}, $env);
        is($r->{status}, 504, "$by, $name: 504");
        cmp_ok(time - $start, '<', 15, "$by, $name: soon");
        my $id = $r->header('x-request-id') // 'none';
        is($r->{body}, "504 Gateway Timeout\n\nRequest $id\n",
            "$by, $name: the whole page");
        is($r->header('content-length'), length $r->{body},
            "$by, $name: and its length");
        next if $by eq 'CGI';
        ok($r->{ended}, "$by, $name: the request has its end");
        my $next = fcgi($s->{socket}, cgi_env("$dir/hello.js"));
        is($next->{body}, 'hello', "$by, $name: the next one is served");
    }
}

# Who was not ended by then is killed, which the log says.
{
    my $k = serve(pool => { %settings, kill_grace => '2s',
        max_children => 1, pm => 'static' });
    my $r = fcgi($k->{socket}, cgi_env("$dir/huge-sort.js"));
    is($r->{status}, 504, 'killed after kill_grace: its client has a 504');
    my $next = wait_for(60, sub {
        my $n = eval { fcgi($k->{socket}, cgi_env("$dir/hello.js")) };
        return $n && $n->{body} eq 'hello';
    });
    ok($next, 'killed after kill_grace: the next one is served');
}

# A reply of which a part is out cannot become a 504: it is cut.
{
    write_file("$dir/part.js", <<'END');
export default { fetch() {
    let turn = 0;
    return new Response(new ReadableStream({
        async pull(c) {
            if (turn++ === 0) return c.enqueue(new Uint8Array(10).fill(120));
            await new Promise((r) => setTimeout(r, 100));
            for (;;);
        },
    }));
} };
END
    my $r = fcgi($s->{socket}, cgi_env("$dir/part.js"));
    is($r->{status}, 200, 'a part is out: its status stays');
    is($r->{body}, 'x' x 10, 'a part is out: it is there');
    ok(!$r->{ended} && !$r->{hung}, 'a part is out: and cut');
}

done_testing();
