#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use POSIX ();
use Time::HiRes qw(time);

# Standard output that nobody reads, or not for long: the process ends soon, by
# no signal, and says what it has to say in its log.
my $dir = temp_dir();
my $log = "$dir/error.log";
my $conf = write_config("$dir/c.conf",
    global => { error_log => $log, log_level => 'info' },
    cgi => { root => fixture(), write_timeout => '2s', request_timeout => '5s' });

# A FIFO as stdout. How much of the reply is read before its reader goes; all
# of it when undefined. None is read with wait, and the reader stays.
sub with_reader {
    my ($script, $read, %o) = @_;
    my $fifo = "$dir/stdout";
    unlink $fifo;
    POSIX::mkfifo($fifo, 0600) or die "mkfifo: $!";
    my $reader = fork() // die "fork: $!";
    if (!$reader) {
        sysopen(my $in, $fifo, POSIX::O_RDONLY()) or POSIX::_exit(1);
        sleep 600 if $o{wait};
        my $got = 0;
        while ($got < $read) {
            my $n = sysread($in, my $some, $read - $got) or last;
            $got += $n;
        }
        POSIX::_exit($got == $read ? 0 : 1);
    }
    my $start = time;
    my $r = cgi(cgi_env(fixture("$script.js")), conf => $conf, seconds => 60,
        in_child => sub {
            POSIX::dup2(POSIX::open($fifo, POSIX::O_WRONLY()), 1);
            # As most servers leave it, and as a shell may.
            $SIG{PIPE} = $o{pipe} // 'DEFAULT';
        });
    $r->{seconds} = time - $start;
    kill('KILL', $reader) if $o{wait};
    waitpid($reader, 0);
    $r->{read} = $? == 0;
    return $r;
}

sub ends_well {
    my ($name, $r) = @_;
    ok(!$r->{hung}, "$name: it ends");
    cmp_ok($r->{seconds}, '<', 40, "$name: soon");
    is($r->{signal}, 0, "$name: by no signal");
}

for my $pipe (qw(DEFAULT IGNORE)) {
    for my $case (['hello', 0], ['large', 0], ['large', 1], ['large', 100000],
        ['torrent', 0], ['torrent', 200000], ['stream', 20]) {
        my ($script, $read) = @$case;
        my $name = "$script.js, read $read bytes, SIGPIPE $pipe";
        my $r = with_reader($script, $read, pipe => $pipe);
        ends_well($name, $r);
        ok($r->{read}, "$name: so much was there");
    }
}
my $said = read_file($log);
like($said, qr/torrent: AbortError/, 'request.signal tells the function');

# One that stays and does not read.
ends_well('a reader that reads nothing', with_reader('torrent', 0, wait => 1));

# Closed, a folder's descriptor, for reading only, and a full device.
my $r = cgi(cgi_env(fixture('hello.js')), conf => $conf,
    in_child => sub { POSIX::close(1) });
is("$r->{raw}|$r->{signal}", '|0', 'stdout closed: nothing, and no crash');
for my $path ($dir, '/dev/null') {
    $r = cgi(cgi_env(fixture('large.js')), conf => $conf, in_child => sub {
        POSIX::dup2(POSIX::open($path, POSIX::O_RDONLY()), 1);
    });
    is("$r->{raw}|$r->{signal}|" . ($r->{hung} ? 1 : 0), '|0|0',
        "$path, for reading only, as stdout: no crash");
}
SKIP: {
    skip('no /dev/full', 1) if !-c '/dev/full';
    $r = cgi(cgi_env(fixture('large.js')), conf => $conf, in_child => sub {
        POSIX::dup2(POSIX::open('/dev/full', POSIX::O_WRONLY()), 1);
    });
    is($r->{signal} . ($r->{hung} ? 1 : 0), '00', 'a full disk as stdout: no crash');
}

done_testing();
