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

done_testing();
