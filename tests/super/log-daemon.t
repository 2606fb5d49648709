#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use IO::Socket::UNIX;
use Snap;
use Socket qw(SOCK_DGRAM);
use Super;
use Test::More;

# Logs at syslog's and the journal's sockets: with a daemon, with one that
# hangs, with none, and with another. Where they listen is not a setting, so
# this test has a /dev and a /run of its own.
plan(skip_all => 'only root can have a /dev of its own') if !private_mounts();

sub bind_over {
    my ($from, $to) = @_;
    system('mount', @$from, $to) == 0 or plan(skip_all => "$to cannot be mounted");
}

# /dev/shm and terminals are not needed.
sub own_folders {
    my $dev = temp_dir();
    bind_over(['-t', 'tmpfs', 'none'], $dev);
    for my $name (grep { -e "/dev/$_" } qw(null zero full random urandom tty)) {
        write_file("$dev/$name", '');
        bind_over(['--bind', "/dev/$name"], "$dev/$name");
    }
    symlink '/proc/self/fd', "$dev/fd";
    bind_over(['--rbind', $dev], '/dev');
    system('umount', '-R', '-l', $dev);
    bind_over(['-t', 'tmpfs', 'none'], '/run');
    mkdir $_ for '/run/systemd', '/run/systemd/journal';
}

sub daemon {
    my ($path) = @_;
    unlink $path;
    my $d = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path)
        or die "$path: $!";
    chmod 0666, $path;
    $d->blocking(0);
    return $d;
}

# Everything that has come, one message an element.
sub heard {
    my ($d) = @_;
    my @all;
    while (defined $d->recv(my $text, 65536)) {
        last if $text eq '';
        push @all, $text;
    }
    return @all;
}

sub hears {
    my ($d, $like) = @_;
    my @all;
    wait_for(20, sub { push @all, heard($d); grep { $_ =~ $like } @all });
    return @all;
}

own_folders();
my %path = (syslog => '/dev/log', journal => '/run/systemd/journal/socket');
my $log = cgi_env(fixture('log.js'), HTTP_X_REQUEST_ID => 'id-1');
my %line = (
    syslog => qr{^<29>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d snapcgi\[\d+\]: notice www id-1 \S+/log\.js a line for the log},
    journal => qr{^PRIORITY=5\nSYSLOG_IDENTIFIER=snapcgi\nSNAPCGI_POOL=www\nSNAPCGI_REQUEST=id-1\nSNAPCGI_FUNCTION=\S+/log\.js\nMESSAGE=a line for the log.*\n\z},
);
my %access = (syslog => qr{^<29>.*snapcgi\[\d+\]: GET /log\.js 200$},
    journal => qr{^PRIORITY=5\n.*^MESSAGE=GET /log\.js 200\n\z}ms);

for my $kind (qw(syslog journal)) {
    my $d = daemon($path{$kind});
    my $s = serve_with_status(global => { error_log => $kind },
        pool => { pm => 'static', max_children => 1, 'access.log' => $kind,
            'access.format' => '%m %r %s' });
    my ($w) = wait_workers($s, 1);
    my $served = sub { return scalar grep { ask($s->{socket}, $log, qr/logged/) } 1 .. $_[0] };
    my $lost = sub { return figures($s)->{'lost log lines'} };

    is($served->(1), 1, "$kind: it serves");
    my @got = hears($d, $access{$kind});
    is(scalar(grep { $_ =~ $line{$kind} } @got), 1, 'a message of a function is there');
    is(scalar(grep { $_ =~ $access{$kind} } @got), 1, 'and a line of the access log');
    is(scalar(grep { /\n./ && $kind eq 'syslog' } @got), 0, 'each is one line');

    # Nobody takes what is sent: the queue of a unix socket is short.
    is($served->(100), 100, 'a daemon that hangs: requests go on');
    ok(wait_for(20, sub { $lost->() > 100 }), 'what is lost is counted');
    @got = heard($d);
    is($served->(1), 1, 'it goes on');
    @got = hears($d, $access{$kind});
    like(join("\n", @got), qr/\d+ lines of this log were lost: its reader was too slow/,
        'and is told what it has missed');

    close($d);
    unlink $path{$kind};
    my $before = $lost->();
    is($served->(10), 10, 'no daemon: requests go on');
    ok(wait_for(20, sub { $lost->() >= $before + 30 }), 'what is lost is counted');
    $d = daemon($path{$kind});
    # It is looked for once a second at most.
    ok(wait_for(30, sub { $served->(1); grep { $_ =~ $line{$kind} } heard($d) }),
        'another daemon is found');
    kill 'USR1', $s->{pid};
    is($served->(1), 1, 'a USR1 does no harm');
    is(join(',', workers($s)), $w, 'all by the same worker');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');

    close($d);
    unlink $path{$kind};
    my $dir = temp_dir();
    my $conf = write_config("$dir/c.conf", global => { error_log => $kind },
        pool => { listen => "$dir/s", root => fixture() });
    my $r = run_program(['serve', '-c', $conf]);
    is($r->{exit}, 78, 'no daemon at the start: it does not start');
    like($r->{err}, qr/cannot reach the log daemon at \Q$path{$kind}\E: .*; start it or set another log/,
        'and says what to do');
}

done_testing();
