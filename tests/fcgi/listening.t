#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use IO::Socket::UNIX;
use IO::Socket::INET;

my $hello = cgi_env(fixture('hello.js'));
my $dir = temp_dir();
my $path = "$dir/s.sock";

# A socket file nobody listens on any more is replaced.
{
    my $old = IO::Socket::UNIX->new(Local => $path, Listen => 1) or die;
    close($old);
}
ok(-S $path, 'a stale socket is there');
my $s = serve(pool => { listen => $path, 'listen.mode' => '0600' });
is(fcgi($path, $hello)->{body}, "hello\n", 'it is replaced');
is(sprintf('%o', (stat $path)[2] & 0777), '600', 'listen.mode');

# One in use is refused, and not harmed.
my $conf = write_config("$dir/c.conf",
    pool => { listen => $path, root => fixture() });
my $r = run_program(['serve', '-c', $conf], seconds => 10);
is($r->{exit}, 69, 'a socket in use: exit 69');
like($r->{err} . $r->{out}, qr/\Q$path\E/, 'and it is named');
is(fcgi($path, $hello)->{body}, "hello\n", 'the first goes on');

# Anything else in the place is not removed.
write_file("$dir/file", 'precious');
write_config($conf, pool => { listen => "$dir/file", root => fixture() });
$r = run_program(['serve', '-c', $conf], seconds => 10);
like($r->{exit}, qr/^(69|78)$/, 'a file in the place: refused');
is(read_file("$dir/file"), 'precious', 'and it stays');

# Too long a path, no such folder, a port in use.
write_config($conf, pool => { listen => "$dir/" . 'x' x 120,
    root => fixture() });
$r = run_program(['serve', '-c', $conf], seconds => 10);
like($r->{exit}, qr/^(69|78)$/, "a path of over 107 bytes: exit $r->{exit}");
write_config($conf, pool => { listen => "$dir/no/s", root => fixture() });
$r = run_program(['serve', '-c', $conf], seconds => 10);
is($r->{exit}, 69, 'no such folder: exit 69');
my $busy = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die;
write_config($conf, pool => { listen => '127.0.0.1:' . $busy->sockport,
    root => fixture() });
$r = run_program(['serve', '-c', $conf], seconds => 10);
is($r->{exit}, 69, 'a port in use: exit 69');

# It ends when told, and takes its socket with it.
my $status = stop_process($s->{pid});
is($status, 0, 'SIGTERM: exit 0');
ok(!-e $path, 'the socket is gone');

# Spawned: the listening socket is descriptor 0.
my $l = IO::Socket::UNIX->new(Local => "$dir/zero.sock", Listen => 16) or die;
write_config($conf, global => { error_log => "$dir/zero.log" },
    pool => { listen => 'fd 0', root => fixture() });
my $pid = start([program(), '-c', $conf, '--pool', 'www'], stdin => $l,
    out => "$dir/zero.out");
is(fcgi("$dir/zero.sock", $hello)->{body}, "hello\n", 'on descriptor 0');
is(fcgi("$dir/zero.sock", $hello)->{body}, "hello\n", 'and again');
is(stop_process($pid), 0, 'SIGTERM: exit 0');

# The same, as systemd hands it over: LISTEN_FDS, descriptor 3.
$l = IO::Socket::UNIX->new(Local => "$dir/three.sock", Listen => 16) or die;
my $shell = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 </dev/null';
write_config($conf, global => { error_log => "$dir/three.log" },
    pool => { listen => "$dir/three.sock", root => fixture() });
$pid = start(['/bin/sh', '-c', $shell, program(), '-c', $conf],
    stdin => $l, out => "$dir/three.out");
is(fcgi("$dir/three.sock", $hello)->{body}, "hello\n", 'by LISTEN_FDS');
is(stop_process($pid), 0, 'SIGTERM: exit 0');
ok(-e "$dir/three.sock", 'a socket that was handed over stays');

# With `serve` the pools of the configuration take the sockets.
write_config($conf, global => { error_log => "$dir/four.log" },
    pool => { listen => "$dir/never.sock", root => fixture() });
$pid = start(['/bin/sh', '-c', $shell, program(), 'serve', '-c', $conf],
    stdin => $l, out => "$dir/four.out");
is(fcgi("$dir/three.sock", $hello)->{body}, "hello\n",
    'serve by LISTEN_FDS, one socket for one pool');
ok(!-e "$dir/never.sock", 'and nothing else is listened on');
is(stop_process($pid), 0, 'SIGTERM: exit 0');

my $m = IO::Socket::UNIX->new(Local => "$dir/m.sock", Listen => 16) or die;
my $names = 'three:four';
sub handed {
    my (@command) = @_;
    return ['/bin/sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES='
        . "$names " . 'exec "$0" "$@" 3<&0 4<&1 </dev/null >&2',
        program(), @command];
}
sub start_handed {
    my (@command) = @_;
    my $pid = fork() // die;
    return $pid if $pid;
    POSIX::setsid();
    POSIX::dup2(fileno($l), 0);
    POSIX::dup2(fileno($m), 1);
    open(STDERR, '>>', "$dir/five.out");
    exec @{handed(@command)} or POSIX::_exit(127);
}
sub ended { waitpid($_[0], 0); return $? >> 8 }
write_file($conf, join("\n", '[global]', "error_log = $dir/five.log",
    '[pool four]', "listen = $dir/n1", 'app = ' . fixture('function.js'),
    '[pool own]', "listen = $dir/own.sock", 'app = ' . fixture('hello.js'),
    '[pool three]', "listen = $dir/n2", 'app = ' . fixture('hello.js'), ''));
$pid = start_handed('serve', '-c', $conf);
is(fcgi("$dir/three.sock", $hello)->{body}, "hello\n", 'by name, the first');
is(fcgi("$dir/m.sock", $hello)->{body}, "function GET\n",
    'by name, the second');
ok(wait_for(5, sub { -S "$dir/own.sock" }), 'a third pool opens its own');
kill('HUP', $pid);
select(undef, undef, undef, 0.2);
is(fcgi("$dir/own.sock", $hello)->{body}, "hello\n", 'SIGHUP ends nothing');
kill('TERM', $pid);
is(ended($pid), 0, 'SIGTERM: exit 0');

$names = 'three:other';
is(ended(start_handed('serve', '-c', $conf)), 78, 'a socket for no pool');
like(read_file("$dir/five.out"), qr/1 of 2 sockets.*LISTEN_FDNAMES/,
    'and it is said');
is(ended(start_handed('check', '-c', $conf)), 0,
    'other commands mean what they always do');
is(ended(start_handed('--version')), 0, 'so does --version');

done_testing();
