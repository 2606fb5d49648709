#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# Workers that die: idle, in a request, in a reply; the others go on, the log
# says which signal and which request, and another takes the place.
my $hello = cgi_env(fixture('hello.js'));
signals_end_it();
my $slow = cgi_env(fixture('sleep.js'), QUERY_STRING => '30000',
    HTTP_X_REQUEST_ID => 'the-slow-one');
my $stream = cgi_env(fixture('trickle.js'));
my $s = serve(pool => { pm => 'static', max_children => 2 });

# The one worker that has a connection, and still has it a moment later.
sub busy {
    my ($pid, $before);
    wait_for(20, sub {
        my @w = grep { connected($_) } workers($s);
        $pid = @w == 1 && $w[0] == ($before // 0) ? $w[0] : undef;
        $before = @w == 1 ? $w[0] : undef;
        select undef, undef, undef, 0.05;
        $pid;
    });
    return $pid;
}

# Has that process a connection, besides its listening socket?
sub connected {
    my ($pid) = @_;
    my %inode = map { (readlink($_) // '') =~ /socket:\[(\d+)\]/ ? ($1 => 1) : () }
        glob "/proc/$pid/fd/*";
    for (split /\n/, read_file('/proc/net/unix')) {
        my @f = split;
        return 1 if @f >= 8 && $inode{$f[6]} && $f[7] eq $s->{socket}
            && $f[3] ne '00010000';
    }
    return 0;
}

for my $signal (qw(SEGV ABRT TRAP KILL BUS ILL)) {
    my ($one) = wait_workers($s, 2);
    kill $signal, $one;
    ok(wait_gone($one), "$signal while idle");
    ok(ask($s->{socket}, $hello, qr/hello/), 'the other serves');
    ok(wait_for(20, sub { workers($s) == 2 }), 'it is replaced');
    like(log_has($s, qr/worker $one has ended/), qr/ error .*SIG$signal/,
        'and the log says so');

    wait_workers($s, 2);
    my $c = begin_request($s->{socket}, $slow);
    my $busy = busy();
    kill $signal, $busy;
    my $r = $c->reply(20);
    ok(!$r->{ended} && !$r->{hung}, "$signal in a request: its connection is closed");
    ok(ask($s->{socket}, $hello, qr/hello/), 'the other serves');
    like(log_has($s, qr/worker $busy has ended/),
        qr{SIG$signal\) while serving GET /sleep\.js with \S+sleep\.js \(request the-slow-one\)},
        'the log names the request and the function');
    ok(wait_for(20, sub { workers($s) == 2 }), 'it is replaced');
}

wait_workers($s, 2);
{
    my $c = begin_request($s->{socket}, $stream);
    ok($c->next_record(20), 'a reply has begun');
    my $busy = busy();
    kill 'SEGV', $busy;
    my $r = $c->reply(20);
    ok(!$r->{ended} && !$r->{hung}, 'SEGV in a reply: it is cut');
    ok(ask($s->{socket}, $hello, qr/hello/), 'the other serves');
}
is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');

# A worker that cannot start is tried again, slower and slower.
{
    my $dir = temp_dir();
    chmod 0777, $dir;
    my $t = serve(pool => { pm => 'static', max_children => 2 });
    wait_workers($t, 2);
    # From now on each new worker is killed at once.
    my $killer = fork() // die;
    if (!$killer) {
        alarm 0;
        while (1) {
            kill 'KILL', workers($t->{pid});
            select undef, undef, undef, 0.01;
        }
    }
    ok(log_has($t, qr/end before they serve; the next is started in \d+ ms/, 30),
        'a crash loop: there is a pause, and the log says so');
    select undef, undef, undef, 1;
    my $starts = () = read_file($t->{log}) =~ /has ended/g;
    cmp_ok($starts, '<', 40, "and not many starts ($starts)");
    kill 'KILL', $killer;
    waitpid $killer, 0;
    ok(wait_for(60, sub { ask($t->{socket}, $hello, qr/hello/) }), 'it serves again afterwards');
    is(stop_process($t->{pid}), 0, 'SIGTERM: exit 0');
}

# Many crashes in a short time: all workers are replaced.
{
    my $t = serve(global => { emergency_restart_threshold => 3, emergency_restart_interval => '1m' },
        pool => { pm => 'static', max_children => 3 });
    my @w = wait_workers($t, 3);
    for (1 .. 3) {
        my ($one) = reverse wait_workers($t, 3);
        ok(ask($t->{socket}, $hello, qr/hello/), 'it serves');
        kill 'SEGV', $one;
        wait_gone($one);
    }
    ok(log_has($t, qr/3 workers have crashed within 60 s: all are replaced/), 'emergency restart');
    ok(wait_for(60, sub { gone($w[0]) && workers($t) == 3 }), 'others take over');
    ok(ask($t->{socket}, $hello, qr/hello/), 'it serves');
    is(stop_process($t->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
