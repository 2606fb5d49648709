#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# A reply longer than max_response: an error while nothing is out, and cut
# after that.
my $dir = temp_dir();
write_file("$dir/long.js", <<'END');
const chunk = (n) => new Uint8Array(n).fill(120);
const stream = (n, size, pause) => new ReadableStream({
    async pull(c) {
        if (n-- === 0) return c.close();
        c.enqueue(chunk(size));
        await new Promise((r) => setTimeout(r, pause));
    } });
const ways = {
    fits: () => new Response(chunk(2048)),
    text: () => new Response("x".repeat(2049)),
    bytes: () => new Response(chunk(2049)),
    chunk: () => new Response(stream(1, 2049, 0)),
    stream: () => new Response(stream(40, 100, 50)),
    said: () => new Response(stream(1, 10, 0),
        { headers: { "content-length": "2049" } }),
    head: () => new Response(null, { headers: { "content-length": "2049" } }),
};
export default { fetch: (request) =>
    ways[new URL(request.url).search.slice(1)]() };
END
my %settings = (root => $dir, max_response => '2k');
my $log = write_file("$dir/cgi.log", '');
my $conf = write_config("$dir/c.conf", cgi => \%settings,
    global => { error_log => $log });
my $s = serve(pool => \%settings);

for my $by (qw(CGI FastCGI)) {
    my $ask = sub {
        my ($way, %o) = @_;
        my $env = cgi_env("$dir/long.js", QUERY_STRING => $way, %o);
        return $by eq 'CGI' ? cgi($env, conf => $conf)
            : fcgi($s->{socket}, $env);
    };
    is(length $ask->('fits')->{body}, 2048, "$by: what fits");
    for my $way (qw(text bytes chunk said)) {
        my $r = $ask->($way);
        is($r->{status}, 500, "$by, $way: 500");
        like($r->{body}, qr/\A500 /, "$by, $way: a page");
    }
    my $r = $ask->('head', REQUEST_METHOD => 'HEAD');
    is($r->{status}, 200, "$by: a HEAD reply has no body to measure");
    is($r->header('content-length'), 2049, "$by: and says what GET gives");
    $r = $ask->('stream');
    is($r->{status}, 200, "$by: a long stream begins");
    is($r->{body}, 'x' x 2048, "$by: and is cut at the limit");
    ok(!$r->{ended}, "$by: which its server sees") if $by eq 'FastCGI';
    like(read_file($by eq 'CGI' ? $log : $s->{log}),
        qr/the reply is not complete: .*limit of 2048 bytes \(max_response\)/,
        "$by: and the log says");
    is(length $ask->('fits')->{body}, 2048, "$by: the next");
}

done_testing();
