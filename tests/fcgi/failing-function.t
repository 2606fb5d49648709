#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# A function that fails: before anything of its reply is out there is a whole
# 500, after it the reply is seen to be cut off. And bodies where none may be.
my $dir = temp_dir();
my $s = serve(pool => { root => $dir });
my $hello = cgi_env(write_file("$dir/hello.js",
        'export default { fetch: () => new Response("hello\n") };'));
my $count = 0;

# One request of a function with that body.
sub ask {
    my ($body, %env) = @_;
    my $path = write_file("$dir/f" . ++$count . '.js', 'const body = (start) => {'
        . ' let n = 0; return new ReadableStream({ pull(c) { if (n++ < start)'
        . ' c.enqueue(new TextEncoder().encode("part\n".repeat(20000)));'
        . ' else c.error(new Error("the stream fails")); } }); };'
        . "export default { async fetch(request) { $body } };");
    my $c = Snap::Fcgi->new($s->{socket});
    $c->request(cgi_env($path, %env), '', keep => 1);
    my $r = $c->reply(60);
    my $again = $r->{ended} && $c->request($hello, '', keep => 1)
        ? $c->reply(60)->{body} : fcgi($s->{socket}, $hello)->{body};
    is($again, "hello\n", "$body: the next request is served");
    return $r;
}

for my $case (['throw new Error("before")', 'throws'],
    ['throw undefined', 'throws nothing'],
    ['return Promise.reject(new Error("rejected"))', 'rejects'],
    ['return undefined', 'returns nothing'],
    ['return "a string"', 'returns a string'],
    ['return { status: 200, body: "like one" }', 'returns what is like a Response'],
    ['const r = new Response("used"); await r.text(); return r', 'returns one that was read'],
    ['return Response.error()', 'returns a network error'],
    ['return new Response("x", { status: 204 })', 'gives a 204 a body'],
    ['return new Response("x", { status: 99 })', 'has a status out of range'],
    ['return new Response(body(0))', 'its stream fails at once']) {
    my $r = ask($case->[0]);
    is("$r->{ended} $r->{status}", '1 500', "$case->[1]: a whole 500");
    unlike($r->{body}, qr/before|rejected|fails|f\d+\.js/, "$case->[1]: which tells nothing");
}

my $cut = ask('return new Response(body(5))');
is("$cut->{ended} $cut->{status}", '0 200', 'its stream fails later: no end, so the server knows');
like($cut->{body}, qr/^part\n/, 'after what was sent');
my $late = ask('setTimeout(() => { throw new Error("late"); }, 0);'
    . ' await new Promise((done) => setTimeout(done, 20)); return new Response("fine\n")');
is("$late->{ended} $late->{status} $late->{body}", "1 200 fine\n", 'a timer throws: the reply is none of its business');

my $head = ask('return new Response("a body\n")', REQUEST_METHOD => 'HEAD');
is("$head->{ended} $head->{status} $head->{body}", '1 200 ', 'HEAD: no body');
is($head->header('content-length'), 7, 'HEAD: but its length');
for my $status (204, 304) {
    my $none = ask("return new Response(null, { status: $status })");
    is("$none->{ended} $none->{status} $none->{body}", "1 $status ", "$status: no body");
}

my $log = read_file($s->{log});
like($log, $_, "the log has $_") for qr/Error: before/, qr/Error: rejected/, qr/Error: the stream fails/;
is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');

done_testing();
