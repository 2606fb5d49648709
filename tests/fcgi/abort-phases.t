#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# FCGI_ABORT_REQUEST in each phase of a request, with and without KEEP_CONN:
# it ends that request only, and nothing runs on half of one.
my $s = serve(global => { log_level => 'info' },
    pool => { header_timeout => '30s', body_timeout => '30s',
        request_timeout => '300s' });
my $hello = cgi_env(fixture('hello.js'));
my $name = 0;

sub parts {
    my ($script, $keep) = @_;
    my $pairs = Snap::Fcgi::pairs(cgi_env(fixture("$script.js"),
        REQUEST_METHOD => 'POST', CONTENT_LENGTH => 10,
        QUERY_STRING => 'p' . ++$name));
    return (Snap::Fcgi::begin(keep => $keep),
        Snap::Fcgi::record(4, 1, substr($pairs, 0, 20)),
        Snap::Fcgi::record(4, 1, substr($pairs, 20)),
        Snap::Fcgi::record(4, 1, ''), Snap::Fcgi::record(5, 1, '01234'),
        Snap::Fcgi::record(5, 1, '56789'), Snap::Fcgi::record(5, 1, ''));
}

my $abort = Snap::Fcgi::record(2, 1, '');
my @phases = ('before any request', 'after BEGIN', 'within PARAMS',
    'before the end of PARAMS', 'before the body', 'within the body',
    'before the end of the body', 'after the body');
for my $keep (0, 1) {
    for my $after (0 .. $#phases) {
        my $c = Snap::Fcgi->new($s->{socket});
        my $what = "$phases[$after], KEEP_CONN $keep";
        my @parts = parts('whole', $keep);
        $c->put(join('', @parts[0 .. $after - 1], $abort));
        if ($after == 0) {
            # Of a request there is not: ignored (FastCGI 1.0 section 3.3).
            $c->put(join('', @parts));
            is($c->reply(60)->{body}, "whole 10\n", "$what: ignored");
        } else {
            my $r = $c->reply(60);
            ok(!$r->{hung}, "$what: it ends");
            my $whole = read_file($s->{log}) . read_file($s->{out});
            unlike($whole, qr/whole p$name with/, "$what: nothing ran on half of it")
                if $after < 6;
            if ($keep && $r->{ended} && $c->put(Snap::Fcgi::request_bytes($hello, ''))) {
                my $next = $c->reply(60);
                ok(!$next->{ended} || $next->{body} eq "hello\n",
                    "$what: the next on it is served or it is closed");
            } elsif (!$keep) {
                ok($c->closes(60), "$what: the connection is closed");
            }
        }
        $c->hang_up;
        is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
            "$what: the next request is served");
        BAIL_OUT("snapcgi is gone: $what") if !alive($s->{pid});
    }
}

# While the function runs, and while its reply is on its way.
for my $script (qw(never signal)) {
    my $c = Snap::Fcgi->new($s->{socket});
    $c->request(cgi_env(fixture("$script.js")), '', keep => 1);
    $c->next_record(20) if $script eq 'signal';
    $c->put($abort);
    my $r = $c->reply(60);
    ok(!$r->{hung}, "$script.js: it ends");
    is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
        "$script.js: the next request is served");
}
ok(wait_for(30, sub { read_file($s->{log}) =~ /the client went: AbortError/ }),
    'request.signal tells the function');

# Within a body that the function never reads, and within one that it reads:
# what comes in the same moment, and what comes later.
for my $script (qw(timer body)) {
    for my $late (0, 1) {
        my $tag = $script . 'abort' . ++$name;
        my $c = Snap::Fcgi->new($s->{socket});
        my $bytes = Snap::Fcgi::request_bytes(cgi_env(fixture('waits.js'),
            REQUEST_METHOD => 'POST', CONTENT_LENGTH => 10,
            QUERY_STRING => $tag), '', keep => 1);
        # Without the end of the body.
        $c->put(substr($bytes, 0, -8) . Snap::Fcgi::record(5, 1, '01234'));
        select(undef, undef, undef, 0.3) if $late;
        $c->put($abort);
        my $what = "$script, within the body, " . ($late ? 'later' : 'at once');
        ok(wait_for(60, sub {
            read_file($s->{log}) =~ /$tag: the client went: AbortError/ }),
            "$what: request.signal tells the function");
        ok(!$c->reply(60)->{hung}, "$what: it ends");
        is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
            "$what: the next request is served");
    }
}

# Who looks whether there is an abort leaves the body to who waits for it: it
# comes while the function computes.
{
    my $slow = serve(pool => { request_timeout => '60s', body_timeout => '60s' });
    my $c = Snap::Fcgi->new($slow->{socket});
    my $bytes = Snap::Fcgi::request_bytes(cgi_env(fixture('readspin.js'),
        REQUEST_METHOD => 'POST', CONTENT_LENGTH => 10, QUERY_STRING => 1000),
        '0123456789', keep => 1);
    $c->put(substr($bytes, 0, -26, ''));
    select(undef, undef, undef, 0.4);
    $c->put($bytes);
    is($c->reply(50)->{body}, "10\n", 'a body that comes while nobody waits');
    is(stop_process($slow->{pid}), 0, 'SIGTERM: exit 0');
}

# An abort of another request is not this one's.
my $c = Snap::Fcgi->new($s->{socket});
my @parts = parts('whole', 0);
$c->put(join('', map { ($_, Snap::Fcgi::record(2, 9, '')) } @parts));
is($c->reply(60, 1)->{body}, "whole 10\n", 'an abort of another id: ignored');

done_testing();
