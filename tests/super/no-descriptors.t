#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# EMFILE in accept: a pause, no spinning, no end, and service afterwards.
my $hello = cgi_env(fixture('hello.js'));
my $s = serve(pool => { pm => 'static', max_children => 1, header_timeout => '2s' });
my ($w) = wait_workers($s, 1);
ok(ask($s->{socket}, $hello, qr/hello/), 'it serves');
my $open = () = glob "/proc/$w/fd/*";
is(system('prlimit', "--pid=$w", '--nofile=' . ($open + 3)), 0, 'three descriptors are left');

sub ticks {
    my @f = split / /, read_file("/proc/$w/stat") =~ s/^.*\) //sr;
    return $f[11] + $f[12];
}

# Connections that say nothing use up what the worker may open.
my @idle = map { Snap::Fcgi->new($s->{socket}) } 1 .. 10;
ok(log_has($s, qr/no descriptor or memory for a new connection/), 'the log says what is missing');
my $before = ticks();
select undef, undef, undef, 1;
cmp_ok(ticks() - $before, '<', 60, 'it does not spin');
ok(!gone($w), 'nor end');
$_->hang_up for @idle;
ok(wait_for(20, sub { ask($s->{socket}, $hello, qr/hello/) }), 'it serves when there are some again');
is(join(',', workers($s)), $w, 'the same worker');
is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');

# No process can be forked: the supervisor goes on and tries again.
SKIP: {
    skip 'only root can give a limit that is not its own', 4 if $< != 0;
    my $dir = temp_dir();
    chmod 0777, $dir;
    my $conf = write_config("$dir/snapcgi.conf", global => { error_log => "$dir/serve.log" },
        pool => { listen => "$dir/www.sock", 'listen.mode' => '0666', root => fixture(),
            pm => 'static', max_children => 2 });
    # A user of its own, so that nobody else's processes count.
    my $become = q{$) = "$ARGV[0] $ARGV[0]"; $( = $ARGV[0]; $< = $> = $ARGV[0]; };
    my $id = 54321;
    my $pid = start(['perl', '-e', $become . q{exec 'prlimit', '--nproc=1:200',
        $ARGV[1], 'serve', '-c', $ARGV[2]}, $id, program(), $conf],
        out => "$dir/out");
    my $t = { pid => $pid, log => "$dir/serve.log", dir => $dir };
    ok(log_has($t, qr/no worker can be started: .*; trying again in \d+ ms/), 'fork fails: it is said');
    ok(alive($pid), 'and the supervisor lives');
    is(system('perl', '-e', $become . q{exec 'prlimit', @ARGV[1, 2]}, $id, "--pid=$pid",
        '--nproc=100:'), 0, 'there is room again');
    ok(wait_for(60, sub { ask("$dir/www.sock", $hello, qr/hello/) }), 'then it serves');
    is(stop_process($pid), 0, 'SIGTERM: exit 0');
}

done_testing();
