#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# max_requests while three clients ask without a pause: workers come and go,
# no request is lost, and none is served twice.
for my $reset (qw(none context isolate)) {
    my $dir = temp_dir();
    my $s = serve_with_status(pool => { pm => 'static', max_children => 2, reset => $reset,
        max_requests => 15, max_requests_jitter => 30, 'access.log' => "$dir/access.log",
        'access.format' => '%s %X' });
    my %first = map { $_ => 1 } wait_workers($s, 2);
    my $load = load_start(3, $s->{socket}, cgi_env(fixture('counter.js')),
        $reset eq 'none' ? qr/^\d+ \d+$/ : qr/^1 1$/);
    my $spawned = 0;
    ok(wait_for(90, sub { ($spawned = figures($s)->{spawned}) >= 12 }),
        "reset = $reset: workers are replaced again and again");
    my ($count, @bad) = load_stop($load);
    is(join("\n", @bad), '', "reset = $reset: of $count requests none is lost");
    cmp_ok($count, '>=', 100, "reset = $reset: which were not few");
    my $f;
    ok(wait_for(30, sub { $f = figures($s); $f->{'accepted conn'} == $count }),
        "reset = $reset: each is counted once, by workers that have ended, too")
        or diag("$f->{'accepted conn'} of $count");
    is($f->{crashed} + $f->{killed} + $f->{errors} + $f->{aborted}, 0,
        "reset = $reset: nothing else is");
    my @lines = split /\n/, read_file("$dir/access.log");
    is(scalar @lines, $count, "reset = $reset: and is in the access log once");
    is(scalar(grep { $_ ne '200 +' } @lines), 0, "reset = $reset: as served");
    is(scalar(grep { $first{$_} } wait_workers($s, 2)), 0, "reset = $reset: all workers are others");
    unlike(read_file($s->{log}), qr/ (warn|error) www/, "reset = $reset: and that is no trouble");
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# A kept connection outlives its workers: the next one takes it over.
{
    my $s = serve_with_status(pool => { pm => 'static', max_children => 1, max_requests => 5,
        max_requests_jitter => 0 });
    my $c = Snap::Fcgi->new($s->{socket});
    my $requests = 0;
    for (1 .. 40) {
        $c->request(cgi_env(fixture('hello.js')), '', keep => 1);
        my $r = $c->reply(60);
        last if !$r->{ended} || $r->{body} ne "hello\n";
        $requests++;
    }
    is($requests, 40, 'a kept connection: 40 requests, none is lost');
    my $f;
    ok(wait_for(30, sub { $f = figures($s); $f->{'accepted conn'} == 40 && $f->{spawned} >= 8 }),
        'by a worker after the other, five each') or diag("$f->{spawned} workers");
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
