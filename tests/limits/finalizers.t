#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# V8 runs finalizers when it likes: after the reply, between requests, and
# when the realm they are from is over. None of them may hold a process, end
# it, or write into a reply.
my $dir = temp_dir();
my $garbage = 'function litter() { let a = []; for (let i = 0; i < 200; i++) {'
    . ' a.push(new Array(100000).fill(i)); if (a.length > 5) a = []; } }';

sub script {
    my ($name, $top, $body) = @_;
    return write_file("$dir/$name.js", "$garbage\n$top\n"
        . "export default { async fetch(request, env, ctx) { $body } };\n");
}

# One that does not end, as V8 would run it once the application is loaded.
my $spin = script('spin', 'globalThis.held = new FinalizationRegistry(() => {'
    . ' for (;;); }); (function () { for (let i = 0; i < 100; i++)'
    . ' held.register({}, i); })(); litter();',
    'return new Response("spun\n");');
for my $reset (qw(none context)) {
    my $s = serve(pool => { root => '/', reset => $reset,
        request_timeout => '1s' });
    for my $i (1 .. 3) {
        like(fcgi($s->{socket}, cgi_env($spin), seconds => 60)->{status} // '',
            qr/^(?:200|504)$/, "reset = $reset, an endless finalizer, $i");
        is(fcgi($s->{socket}, cgi_env(fixture('hello.js')),
                seconds => 60)->{body},
            "hello\n", "reset = $reset: the next request is served, $i");
    }
    unlike(read_file($s->{log}), qr/SIG[A-Z]+/, "reset = $reset: nobody died");
}

# Of a realm that is over: what it calls is refused, and nothing is touched.
# The garbage is made at the very end of the request, by a fetch's failure.
my $late = script('late', 'globalThis.held = new FinalizationRegistry((f) => {'
    . ' f(); });', 'const asks = [() => performance.now(), '
    . '() => setTimeout(() => {}, 1), () => performance.timeOrigin, '
    . '() => ctx.waitUntil(1), () => fetch("http://127.0.0.1/"), '
    . '() => new CompressionStream("gzip").writable.getWriter().write('
    . 'new Uint8Array(9)), () => crypto.subtle.digest("SHA-256", '
    . 'new Uint8Array(9)), () => request.text()];'
    . 'for (const ask of asks) for (let i = 0; i < 20; i++)'
    . ' held.register({}, ask);'
    . 'performance.now(); fetch(request.headers.get("x-to")).catch(litter);'
    . 'return new Response("late\n");');
my $port = free_port();
my $silent = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1',
    LocalPort => $port) or die "no socket: $@";
my $s = serve(pool => { root => $dir, fetch_allow => '127.0.0.1' });
for my $i (1 .. 10) {
    is(fcgi($s->{socket}, cgi_env($late,
            HTTP_X_TO => "http://127.0.0.1:$port/"), seconds => 60)->{body},
        "late\n", "finalizers of a request that is over, $i");
}
unlike(read_file($s->{log}), qr/SIG[A-Z]+/, 'nobody died of them');

# What one throws is for the log, and never for stdout.
my $throws = script('throws', 'globalThis.held = new FinalizationRegistry('
    . '() => { throw new Error("of a finalizer"); });'
    . 'for (let i = 0; i < 500; i++) held.register({}, i);',
    'litter(); await new Promise((done) => setTimeout(done, 20));'
    . 'return new Response("thrown\n");');
my $r = cgi(cgi_env($throws));
is($r->{status}, 200, 'a finalizer that throws, by CGI');
is($r->{body}, "thrown\n", 'its message is not in the reply');
like($r->{err}, qr/Error: of a finalizer/, 'it is in the log');

done_testing();
