#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

use IO::Select;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);

# The units that are installed, judged by systemd's own tools, and what an init
# system hears of a supervisor and hands to it.
my $hello = cgi_env(fixture('hello.js'));

# ---- the units -------------------------------------------------------------

# As installed, but for the place of the program.
sub units {
    my $dir = temp_dir();
    for my $file (glob(source('contrib/systemd/*'))) {
        my ($name) = $file =~ m{([^/]+)$};
        my $text = read_file($file);
        $text =~ s{/usr/bin/snapcgi\b}{program()}ge;
        write_file("$dir/$name", $text, 0644);
        write_file("$dir/" . $name =~ s/\@/\@www/r, $text, 0644)
            if $name =~ /\@\./;
    }
    return $dir;
}

sub analyze {
    my (@words) = @_;
    my $pid = open(my $p, '-|') // die "fork: $!";
    if (!$pid) {
        open(STDERR, '>&', \*STDOUT);
        $ENV{SYSTEMD_COLORS} = 0;
        exec 'systemd-analyze', @words or exit 127;
    }
    local $/;
    my $said = <$p> // '';
    return (close($p) ? 1 : 0, $said);
}

SKIP: {
    skip('systemd-analyze is not installed', 3)
        if !find_program('systemd-analyze');
    my $dir = units();
    my ($good, $said) = analyze('verify', '--man=no',
        "$dir/snapcgi.service", "$dir/snapcgi\@www.socket");
    ok($good, 'systemd-analyze verify is content');
    is($said, '', 'and says nothing') or diag($said);
    ($good, $said) = analyze('security', '--offline=true', '--threshold=40',
        "$dir/snapcgi.service");
    skip('systemd-analyze security does not work here', 1)
        if $said !~ /Overall exposure level .*: (\d+\.\d+)/;
    ok($good, "the exposure level, $1, is at most 4") or diag($said);
}

# ---- what an init system hears ---------------------------------------------

sub init_system {
    my ($dir) = @_;
    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
        Local => "$dir/notify") or die "socket: $!";
    return { socket => $socket, path => "$dir/notify" };
}

# Waits for a message with such a line; gives the messages up to it.
sub hears {
    my ($init, $like, $seconds) = @_;
    my $all = '';
    return wait_for($seconds // 60, sub {
        while (IO::Select->new($init->{socket})->can_read(0)) {
            $init->{socket}->recv(my $text, 4096);
            $all .= "$text\n";
            return $all if $text =~ $like;
        }
        return undef;
    });
}

my %pool = (pm => 'static', max_children => 1, root => fixture(),
    'listen.mode' => '0666');

{
    my $dir = temp_dir();
    my $init = init_system($dir);
    my $s = { dir => $dir, log => "$dir/serve.log", socket => "$dir/www.sock" };
    my $conf = write_config("$dir/c.conf",
        global => { error_log => $s->{log}, control => "$dir/control.sock" },
        pool => { %pool, listen => $s->{socket} });
    $s->{pid} = start([program(), 'serve', '-c', $conf],
        out => "$dir/out", env => { NOTIFY_SOCKET => $init->{path},
            WATCHDOG_USEC => 400_000 });
    ok(hears($init, qr/^READY=1$/m), 'READY=1 when the pools are served')
        or diag(read_file("$dir/out") . read_file($s->{log}));
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'and they are');
    ok(hears($init, qr/^WATCHDOG=1$/m), 'WATCHDOG=1 while it lives');
    ok(hears($init, qr/^WATCHDOG=1$/m), 'again and again');

    # A reload executes the program anew, and it still has somebody to tell.
    is(ctl($s, 'reload')->{exit}, 0, 'a reload');
    ok(hears($init, qr/^RELOADING=1$/m), 'RELOADING=1');
    ok(hears($init, qr/^READY=1$/m), 'and READY=1 once it is done');
    ok(hears($init, qr/^WATCHDOG=1$/m), 'and the watchdog goes on');

    kill 'QUIT', $s->{pid};
    ok(hears($init, qr/^STOPPING=1$/m), 'STOPPING=1 at the end');
    ok(wait_for(60, sub { !alive($s->{pid}) }), 'which comes');
    is($Snap::last_status, 0, 'well');
}

# ---- socket activation -----------------------------------------------------

SKIP: {
    my $tool = find_program('systemd-socket-activate')
        or skip('systemd-socket-activate is not installed', 8);
    my $dir = temp_dir();
    my $s = { dir => $dir, log => "$dir/serve.log", socket => "$dir/www.sock" };
    my $conf = write_config("$dir/c.conf",
        global => { error_log => $s->{log}, control => "$dir/control.sock" },
        pool => { %pool, listen => $s->{socket} });
    $s->{pid} = start([$tool, '-l', $s->{socket}, '--fdname=www', program(),
        'serve', '-c', $conf], out => "$dir/out");
    my $waits = wait_socket($s->{socket}, $s->{pid});
    ok(ref $waits, 'systemd holds the socket') or diag(read_file("$dir/out"));
    close($waits) if ref $waits;
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'the first request starts it')
        or diag(read_file("$dir/out") . read_file($s->{log}));
    my @before = wait_workers($s, 1);
    my $r = ctl($s, 'reload');
    is($r->{exit}, 0, 'a reload keeps it') or diag($r->{err});
    ok(wait_for(60, sub {
        my @now = workers($s);
        return @now == 1 && $now[0] != $before[0];
    }), 'with a new worker');
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'which serves');
    kill 'QUIT', $s->{pid};
    ok(wait_for(60, sub { !alive($s->{pid}) }), 'QUIT ends it');
    is($Snap::last_status, 0, 'well');
    ok(-S $s->{socket}, 'and leaves the socket, which is not its own');
}

done_testing();
