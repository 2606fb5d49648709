#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# A disk that is full: requests go on, what no log could take is counted, and
# the log says so as soon as it can.
my $mounts = private_mounts();
my $log = cgi_env(fixture('log.js'));
my $slow = cgi_env(fixture('sleep.js'), QUERY_STRING => '400');

# With the access log and the slow log where they are.
sub settings {
    my ($dir) = @_;
    return (pm => 'static', max_children => 1, 'access.log' => "$dir/access.log",
        'access.format' => '%m %r %s %b', slowlog => "$dir/slow.log",
        slowlog_timeout => '100ms');
}

sub served { return scalar grep { ask(@_) } 1 .. 10 }

sub lost { return figures($_[0])->{'lost log lines'} }

sub ends {
    my ($s) = @_;
    ok(alive($s->{pid}), 'the supervisor lives');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Devices that are full from the beginning, and files after a USR1.
SKIP: {
    skip 'no /dev/full', 1 if !-c '/dev/full';
    my $dir = temp_dir();
    chmod 0777, $dir;
    symlink '/dev/full', "$dir/$_.log" for qw(error access slow);
    my $s = serve_with_status(global => { error_log => "$dir/error.log" },
        pool => { settings($dir) });
    my ($w) = wait_workers($s, 1);
    is(served($s->{socket}, $log, qr/^logged$/), 10, 'no log can be written: requests are served');
    # log.js writes three lines, and each request one to the access log.
    ok(wait_for(20, sub { lost($s) >= 40 }), 'what was lost is counted, line by line')
        or diag('lost log lines: ' . lost($s));
    my $lost = lost($s);
    ok(ask($s->{socket}, $slow, qr/^slept/), 'a slow one, too');
    ok(wait_for(20, sub { lost($s) >= $lost + 2 }), 'which misses the slow log');
    unlink "$dir/$_.log" for qw(error access slow);
    kill 'USR1', $s->{pid};
    ok(wait_for(20, sub { -e "$dir/error.log" && -e "$dir/access.log" && -e "$dir/slow.log" }),
        'USR1: there is room elsewhere');
    # The supervisor's note to the worker comes between two requests.
    ok(wait_for(20, sub { ask($s->{socket}, $log, qr/logged/)
        && read_file("$dir/error.log") =~ /a line for the log/ }), 'the log is written');
    like(read_file("$dir/error.log"), qr/ warn www\[$w\] \S+ \S+ \d+ lines of this log were lost: No space left on device\n/,
        'and begins with what is missing');
    ok(wait_for(20, sub { read_file("$dir/access.log") =~ m{^GET /log\.js 200 7$}m }),
        'the access log, too');
    ok(ask($s->{socket}, $slow, qr/^slept/), 'a slow one');
    like(read_file("$dir/slow.log"), qr/waits for a timer/, 'is in the slow log');
    ok(log_has({ log => "$dir/error.log" },
        qr/ warn www\[$w\] \S+ \S+ \d+ lines? of the $_ log w\w+ lost: No space left on device$/),
        "the log says what the $_ log misses") for qw(access slow);
    is(join(',', workers($s)), $w, 'all by the same worker');
    ends($s);
}

# A file system that gets full and is emptied again, without a signal.
SKIP: {
    skip 'no file system of our own can be mounted', 1 if !$mounts;
    my $dir = temp_dir();
    is(system('mount', '-t', 'tmpfs', '-o', 'size=256k,mode=0777', 'none', $dir), 0,
        'a disk of 256 KB');
    my $s = serve_with_status(global => { error_log => "$dir/error.log" },
        pool => { settings($dir) });
    my ($w) = wait_workers($s, 1);
    ok(ask($s->{socket}, $log, qr/^logged$/), 'it serves');
    ok(ask($s->{socket}, $slow, qr/^slept/), 'slowly');
    is(lost($s), 0, 'no line is lost');
    open(my $fill, '>', "$dir/fill") or die $!;
    1 while syswrite($fill, 'x' x 4096);
    close($fill);
    # Until the pages that the logs have begun are full, too.
    my ($size, $requests) = ('', 0);
    ok(wait_for(60, sub {
        my $before = $size;
        $requests += served($s->{socket}, $log, qr/^logged$/);
        $size = join ',', map { -s "$dir/$_.log" } qw(error access);
        return $size eq $before;
    }), 'the disk gets full');
    is($requests % 10, 0, 'requests are served');
    ok(wait_for(20, sub { lost($s) >= 40 }), 'and what is lost is on the status page');
    my $slowlog = -s "$dir/slow.log";
    ok(ask($s->{socket}, $slow, qr/^slept/), 'slow ones are served, too') for 1 .. 3;
    unlink "$dir/fill";
    ok(ask($s->{socket}, $log, qr/^logged$/), 'there is room again');
    ok(ask($s->{socket}, $slow, qr/^slept/), 'there is');
    my @said = grep { /of this log were lost/ } split /\n/, read_file("$dir/error.log");
    is(scalar @said, 1, 'the log says once that lines are missing');
    like($said[0] // '', qr/^\S+Z warn www\[$w\] \S+ \S+ \d+ lines of this log were lost: No space left on device$/,
        'how many, and why');
    # What a full disk cut is ended before the next line begins.
    my @access;
    wait_for(20, sub { @access = split /\n/, read_file("$dir/access.log");
        ($access[-1] // '') =~ /sleep/ });
    is($access[-2], 'GET /log.js 200 7', 'the access log goes on');
    like($access[-1], qr{^GET /sleep\.js 200 \d+$}, 'with whole lines');
    like(substr(read_file("$dir/slow.log"), $slowlog), qr/waits for a timer/,
        'so does the slow log');
    ok(log_has({ log => "$dir/error.log" },
        qr/ warn www\[$w\] \S+ \S+ \d+ lines? of the access log w\w+ lost: No space left on device$/),
        'the log says what the access log misses');
    is(join(',', workers($s)), $w, 'all by the same worker');
    ends($s);
    system('umount', $dir);
}

done_testing();
