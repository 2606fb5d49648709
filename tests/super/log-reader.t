#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Fcntl;
use POSIX qw(mkfifo);
use Snap;
use Super;
use Test::More;

# Logs that are pipes: one whose reader hangs, one whose reader has gone, none
# at all. No request waits for them.
my $log = cgi_env(fixture('log.js'));
my $slow = cgi_env(fixture('sleep.js'), QUERY_STRING => '400');
my $F_SETPIPE_SZ = 1031;

# A pipe that takes a page and is read by nobody.
sub pipe_at {
    my ($path) = @_;
    mkfifo($path, 0666) or die "$path: $!";
    chmod 0666, $path;
    sysopen(my $f, $path, O_RDWR | O_NONBLOCK) or die "$path: $!";
    fcntl($f, $F_SETPIPE_SZ, 4096) or die "F_SETPIPE_SZ: $!";
    return $f;
}

sub drain {
    my ($f) = @_;
    my $all = '';
    1 while sysread($f, $all, 65536, length $all);
    return $all;
}

sub served {
    my ($s, $count) = @_;
    return scalar grep { ask($s->{socket}, $log, qr/^logged$/) } 1 .. $count // 10;
}

# Requests until so many more lines are lost.
sub until_lost {
    my ($s, $more) = @_;
    my $before = figures($s)->{'lost log lines'};
    return wait_for(60, sub {
        die 'a request has failed' if served($s) != 10;
        return figures($s)->{'lost log lines'} >= $before + $more;
    });
}

sub ends {
    my ($s, $w) = @_;
    is(join(',', workers($s)), $w, 'all by the same worker');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

{
    my $dir = temp_dir();
    chmod 0777, $dir;
    my %pipe = map { $_ => pipe_at("$dir/$_") } qw(error access slow);
    my $s = serve_with_status(global => { error_log => "$dir/error" },
        pool => { 'access.log' => "$dir/access", slowlog => "$dir/slow",
            slowlog_timeout => '100ms', pm => 'static', max_children => 1 });
    my ($w) = wait_workers($s, 1);
    ok(until_lost($s, 40), 'the reader hangs: requests go on, lost lines are counted');
    ok(ask($s->{socket}, $slow, qr/^slept/), 'a slow request, too') for 1 .. 20;
    like(drain($pipe{$_}), qr/\n\z/, "the $_ log had whole lines") for qw(error access slow);
    is(served($s, 1), 1, 'the reader is back');
    # Lines of the supervisor may come first.
    my $text = '';
    ok(wait_for(20, sub { $text .= drain($pipe{error});
        $text =~ /a line for the log/ }), 'and gets what is new');
    like($text, qr/www\[$w\] \S+ \S+ \d+ lines of this log were lost: its reader was too slow\n/,
        'and how much it has missed');
    my $access = '';
    ok(wait_for(20, sub { $access .= drain($pipe{access}); $access =~ /\n/ }),
        'of the access log, too');

    close($pipe{$_}) for qw(error access slow);
    ok(until_lost($s, 40), 'the reader has gone: requests go on, lost lines are counted');
    ok(ask($s->{socket}, $slow, qr/^slept/), 'a slow request, too');
    for my $name (qw(error access slow)) {
        sysopen($pipe{$name}, "$dir/$name", O_RDWR | O_NONBLOCK) or die $!;
    }
    is(served($s, 1), 1, 'there is another reader');
    $text = '';
    ok(wait_for(20, sub { $text .= drain($pipe{error});
        $text =~ /a line for the log/ }), 'which gets what is new');
    like($text, qr/ \d+ lines of this log were lost: Broken pipe\n/, 'and what the other has missed');
    ends($s, $w);
}

# The log is the stderr that somebody else has opened.
{
    my $dir = temp_dir();
    my $pipe = pipe_at("$dir/serve.out");
    my $s = serve_with_status(dir => $dir, global => { error_log => 'stderr' },
        pool => { pm => 'static', max_children => 1 });
    my ($w) = wait_workers($s, 1);
    like(drain($pipe), qr/\n\z/, 'stderr is a pipe: lines come');
    ok(until_lost($s, 30), 'its reader hangs: requests go on, lost lines are counted');
    drain($pipe);
    is(served($s, 1), 1, 'the reader is back');
    my $text = '';
    ok(wait_for(20, sub { $text .= drain($pipe); $text =~ /a line for the log/ }),
        'and gets what is new');
    like($text, qr/ \d+ lines of this log were lost: its reader was too slow\n/,
        'and how much it has missed');
    close($pipe);
    ok(until_lost($s, 30), 'its reader has gone: requests go on, lost lines are counted');
    ends($s, $w);
}

# Without a stderr at all: no socket or file becomes it.
{
    my $dir = temp_dir();
    write_config("$dir/c.conf", global => { error_log => 'stderr' },
        pool => { listen => "$dir/www.sock", 'listen.mode' => '0666', root => fixture(),
            pm => 'static', max_children => 1 });
    my $pid = start(['sh', '-c', 'exec "$0" serve -c "$1" <&- >&- 2>&-', program(),
        "$dir/c.conf"], out => "$dir/out");
    ok(ref wait_socket("$dir/www.sock", $pid), 'stderr is closed: it starts');
    my $s = { pid => $pid, socket => "$dir/www.sock" };
    my ($w) = wait_workers($s, 1);
    is(served($s), 10, 'it serves');
    is(readlink("/proc/$pid/fd/$_"), '/dev/null', "descriptor $_ is nothing") for 0 .. 2;
    kill 'USR1', $pid;
    is(served($s), 10, 'also after a USR1');
    kill 'KILL', $w;
    ok(wait_for(30, sub { my @n = workers($s); @n == 1 && $n[0] != $w }), 'a new worker');
    is(served($s), 10, 'serves, too');
    is(read_file("$dir/out"), '', 'and nothing is written anywhere');
    is(stop_process($pid), 0, 'SIGTERM: exit 0');
}

# A pipe that nobody reads at the start is refused: what would it be good for?
{
    my $dir = temp_dir();
    mkfifo("$dir/log", 0666);
    for my $case ([error_log => { error_log => "$dir/log" }, {}],
        ['access.log' => {}, { 'access.log' => "$dir/log" }],
        [slowlog => {}, { slowlog => "$dir/log" }]) {
        my ($name, $global, $pool) = @$case;
        my $conf = write_config("$dir/c.conf", global => { error_log => "$dir/serve.log",
            %$global }, pool => { listen => "$dir/s", root => fixture(), %$pool });
        my $r = run_program(['serve', '-c', $conf]);
        ok($r->{exit}, "$name without a reader: it does not start");
        like($r->{err}, qr/cannot open the log \Q$dir\E\/log: /, 'and says why');
    }
}

done_testing();
