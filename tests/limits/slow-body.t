#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use POSIX ();
use Time::HiRes qw(time);

# A client that sends a byte now and then: body_timeout is for each byte, so the
# whole of it is bounded by request_timeout, and by nothing longer. The worker
# is free then.
my %settings = (root => fixture(), body_timeout => '120s',
    write_timeout => '120s', request_timeout => '3s');
my $conf = write_config(temp_dir() . '/c.conf', cgi => \%settings);
my $env = cgi_env(fixture('count.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 100000);

# Feeds a byte at a time into $to until it is not taken any more.
sub trickle {
    my ($to, $bytes) = @_;
    my $pid = fork() // die "fork: $!";
    return $pid if $pid;
    for my $byte (split(//, $bytes)) {
        syswrite($to, $byte) or last;
        select(undef, undef, undef, 0.5);
    }
    POSIX::_exit(0);
}

sub end_of {
    my ($pid) = @_;
    kill('KILL', $pid);
    waitpid($pid, 0);
}

my $s = serve(pool => \%settings);
my $c = Snap::Fcgi->new($s->{socket});
$c->put(Snap::Fcgi::begin() . Snap::Fcgi::stream(4, 1, Snap::Fcgi::pairs($env))
    . pack('CCnnCx', 1, 5, 1, 60000, 0));
my $start = time;
my $pid = trickle($c->{socket}, 'x' x 200);
my $r = $c->reply(60);
cmp_ok(time - $start, '<', 40, 'FastCGI: it ends by request_timeout');
ok(!$r->{hung}, 'FastCGI: with an end');
isnt($r->{status}, 200, 'FastCGI: and no success');
unlike($r->{body}, qr/complete/, 'FastCGI: what came is not taken for the whole');
is(fcgi($s->{socket}, cgi_env(fixture('hello.js')), seconds => 60)->{body},
    "hello\n", 'FastCGI: the next request is served meanwhile');
end_of($pid);

# A FIFO: cgi() closes what the child inherits.
my $fifo = temp_dir() . '/stdin';
POSIX::mkfifo($fifo, 0600) or die "mkfifo: $!";
open(my $in, '+<', $fifo) or die "$fifo: $!";
$pid = trickle($in, 'x' x 200);
$start = time;
$r = cgi($env, conf => $conf, seconds => 60,
    in_child => sub {
        POSIX::dup2(POSIX::open($fifo, POSIX::O_RDONLY()), 0);
    });
cmp_ok(time - $start, '<', 40, 'CGI: it ends by request_timeout');
ok(!$r->{hung}, 'CGI: by itself');
isnt($r->{status}, 200, 'CGI: and no success');
end_of($pid);

# The header at the same pace: header_timeout is for all of it.
$s = serve(pool => { root => fixture(), header_timeout => '2s' });
$c = Snap::Fcgi->new($s->{socket});
$start = time;
$pid = trickle($c->{socket}, Snap::Fcgi::request_bytes($env, ''));
ok($c->closes(60), 'parameters a byte at a time: header_timeout ends it');
cmp_ok(time - $start, '<', 40, 'soon');
end_of($pid);
is(fcgi($s->{socket}, cgi_env(fixture('hello.js')), seconds => 60)->{body},
    "hello\n", 'the next request is served');

done_testing();
