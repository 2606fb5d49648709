#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use IO::Socket::INET;

# At slowlog_timeout: where a request's JavaScript is, or what it waits for.
my $dir = temp_dir();
chmod 0777, $dir;
# Accepts, and says nothing.
my $mute = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
    or die "listen: $!";
my $port = $mute->sockport;
my $spin = 'for (const t = Date.now(); Date.now() < t + 1500;);';
my %scripts = (
    quick => 'return new Response("quick");',
    spins => "const inner = () => { $spin };\n"
        . 'function outer() { inner(); }' . "\nouter();\n"
        . 'return new Response("spins");',
    spinstwice => "$spin\nawait null;\n$spin\nreturn new Response('twice');",
    timer => 'await new Promise((r) => setTimeout(r, 1500));'
        . 'return new Response("timer");',
    fetch => "await fetch('http://127.0.0.1:$port/secret', { signal: "
        . 'AbortSignal.timeout(1500) }).catch(() => {});'
        . 'return new Response("fetch");',
    body => 'return new Response(await request.text());',
    stream => 'return new Response(new ReadableStream({ pull(c) { '
        . 'c.enqueue(new Uint8Array(100000)); } }));',
    late => 'for (;;);',
    after => 'ctx.waitUntil((async () => { await new Promise((r) => '
        . "setTimeout(r, 1)); $spin })());\nreturn new Response('after');",
    sort => <<'END',
    const a = new Float64Array(3e7);
    for (let i = 0; i < 1e5; i++) a[i] = Math.random();
    for (let n = 1e5; n < a.length; n *= 2) a.copyWithin(n, 0, n);
    a.sort();
    return new Response("sort");
END
);
for my $name (keys %scripts) {
    write_file("$dir/$name.js", 'export default { async fetch(request, env, '
        . "ctx) {\n$scripts{$name}\n} };\n");
}
write_file("$dir/load.js", 'await new Promise((r) => setTimeout(r, 1500));'
    . "\nexport default { fetch: () => new Response('load') };\n");

my %settings = (root => $dir, slowlog_timeout => '500ms',
    request_timeout => '120s', fetch_allow => '127.0.0.1', pm => 'static',
    max_children => 1, write_timeout => '2s', buffer_limit => '1g');
my $slow = "$dir/slow.log";
my $s = serve(pool => { %settings, slowlog => $slow });

sub ask {
    my ($name, %o) = @_;
    return fcgi(($o{server} // $s)->{socket},
        cgi_env("$dir/$name.js", QUERY_STRING => 'secret', %{$o{env} // {}}));
}

# What a step adds to the slow log.
my $seen = 0;
sub added {
    my $all = read_file($slow);
    my $new = substr($all, $seen);
    $seen = length $all;
    return $new;
}

is(ask('quick')->{body}, 'quick', 'a quick request');
is(added(), '', 'leaves nothing');

my $r = ask('spins', env => { HTTP_X_REQUEST_ID => 'my-id' });
is($r->{body}, 'spins', 'a slow request goes on');
my $text = added();
like($text, qr{^\d{4}-\d\d-\d\dT[\d:.]+Z\ pool\ www\ pid\ \d+\ request\ my-id
    \ slow\ after\ \d+\ ms:\ GET\ /spins\.js\ \Q$dir\E/spins\.js\n}x,
    'its line says who it was');
like($text, qr{ms: .*\n    at inner \(\Q$dir\E/spins\.js:2:\d+\)\n    at outer \(\Q$dir\E/spins\.js:3:\d+\)\n    at fetch },
    'then comes its stack');
like($text, qr/\n\n\z/, 'and an empty line');
unlike($text, qr/secret/, 'but not the query');

ask('spinstwice');
is(() = added() =~ /slow after/g, 1, 'once a request');

for my $case (['timer', 'a timer, due in \d+ ms'],
    ['fetch', 'the reply of 127\.0\.0\.1, by fetch'],
    ['load', "the application's top-level await"]) {
    my ($name, $for) = @$case;
    is(ask($name)->{body}, $name, "$name: it goes on");
    like(added(), qr/ms: GET .*\n    waits for $for\n/,
        "$name: what is waited for");
}
is(ask('quick')->{body}, 'quick', 'what others asked for');
is(added(), '', 'is not written later');

{
    my $c = Snap::Fcgi->new($s->{socket});
    my $bytes = Snap::Fcgi::request_bytes(cgi_env("$dir/body.js",
        REQUEST_METHOD => 'POST', CONTENT_LENGTH => 5), 'hello');
    # The last 21 bytes are the body's record and its end.
    $c->put(substr($bytes, 0, -21));
    ok(wait_for(20, sub { -s $slow > $seen }), 'body: it is slow');
    $c->put(substr($bytes, -21));
    is($c->reply(10)->{body}, 'hello', 'body: it goes on');
    like(added(), qr/ms: POST .*\n    waits for the request's body\n/,
        'body: what is waited for');
}
{
    my $c = Snap::Fcgi->new($s->{socket});
    $c->request(cgi_env("$dir/stream.js"), '');
    ok(wait_for(20, sub { -s $slow > $seen }), 'client: it is slow');
    like(added(), qr/ms: GET .*\n    waits for the client to take the reply\n/,
        'client: what is waited for');
    $c->hang_up;
}
is(ask('after')->{body}, 'after', 'after the reply');
ask('quick');
is(added(), '', 'no client waits: that is not slow');
is(ask('sort')->{body}, 'sort', 'in a long operation of V8');
like(added(), qr/ms: GET .*\n    (at |no stack: )/,
    'there is a stack, or it says why not');

# Without a file of its own it goes to the error log.
{
    my $e = serve(pool => { %settings, slowlog_trace_depth => 1,
        request_timeout => '2s' });
    is(ask('late', server => $e)->{status}, 504, 'a late request');
    my $log = read_file($e->{log});
    like($log, qr{ warn www\S* \S+ \S+ slow after \d+ ms: GET /late\.js },
        'is slow in the error log');
    like($log, qr{ warn www\S* \S+ \S+ +at fetch \(\Q$dir\E/late\.js:2:},
        'with its stack');
    unlike($log, qr{ at handler }, 'of slowlog_trace_depth frames');
}

done_testing();
