#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(time);

# What comes at the wrong moment, one thing upon the other: reloads, requests
# and the end of workers.
my $hello = cgi_env(fixture('hello.js'));
my $slow = cgi_env(fixture('sleep.js'), QUERY_STRING => '1500');

sub replace {
    my ($s, $from, $to) = @_;
    my $text = read_file($s->{conf});
    $text =~ s/$from/$to/ or die "no $from";
    write_file("$s->{conf}.new", $text);
    rename "$s->{conf}.new", $s->{conf};
}

sub reloads { my @l = log_like($_[0], qr/all workers are new/); return scalar @l }

sub reload {
    my ($s) = @_;
    my $before = reloads($s);
    kill 'HUP', $s->{pid};
    return wait_for(60, sub { reloads($s) > $before });
}

sub is_over {
    my ($s, $what) = @_;
    ok(wait_for(60, sub { !alive($s->{pid}) }), $what);
    is($Snap::last_status, 0, 'with status 0');
}

# Processor time of a process, seconds.
sub seconds_of {
    my ($pid) = @_;
    my @f = split / /, read_file("/proc/$pid/stat") =~ s/.*\) //sr;
    return ($f[11] + $f[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# `snapcgi ctl`, going on: its process and where its words are.
sub ctl_start {
    my ($s, @words) = @_;
    my $out = temp_dir() . '/out';
    my $pid = start([program(), 'ctl', '-s', "$s->{dir}/control.sock", @words],
        out => $out);
    return { pid => $pid, out => $out };
}

sub ctl_end {
    my ($c) = @_;
    return 'hangs' if !wait_for(60, sub { !alive($c->{pid}) });
    return ($Snap::last_status >> 8) . ' ' . read_file($c->{out});
}

sub controlled {
    my (%o) = @_;
    my $dir = temp_dir();
    return serve(dir => $dir, %o,
        global => { control => "$dir/control.sock", %{$o{global} // {}} });
}

# ---- how it was started ----------------------------------------------------

# Who started it does not care for the end of its children.
{
    local $SIG{CHLD} = 'IGNORE';
    my $dir = temp_dir();
    my $conf = write_config("$dir/c.conf", global => { error_log => "$dir/log",
        pid => "$dir/pid" }, pool => { pm => 'static', max_children => 1,
        root => fixture(), listen => "$dir/s" });
    my $pid = fork() // die;
    if (!$pid) {
        open(STDOUT, '>', '/dev/null');
        open(STDERR, '>&', \*STDOUT);
        exec program(), 'serve', '-c', $conf or POSIX::_exit(127);
    }
    my ($w) = wait_workers($pid, 1);
    kill 'KILL', $w;
    ok(wait_for(20, sub { my ($n) = workers($pid); $n && $n != $w }),
        'SIGCHLD ignored at the start: workers are replaced all the same');
    kill 'TERM', $pid;
    ok(wait_gone($pid, 20), 'and it ends') or kill 'KILL', $pid;
}

# By descriptor 0, as spawn-fcgi does it.
{
    my $dir = temp_dir();
    my $listen = IO::Socket::UNIX->new(Type => SOCK_STREAM, Listen => 16,
        Local => "$dir/s") or die "socket: $!";
    my $conf = write_config("$dir/c.conf", global => { error_log => "$dir/log" },
        cgi => { request_timeout => '20s' });
    my $s = { dir => $dir, conf => $conf, log => "$dir/log", socket => "$dir/s" };
    $s->{pid} = start([program()], stdin => $listen, out => "$dir/out",
        env => { PHP_FCGI_CHILDREN => 2, SNAPCGI_CONFIG => $conf });
    my @w = wait_workers($s, 2);
    is(scalar @w, 2, 'PHP_FCGI_CHILDREN: so many workers');
    ok(reload($s), 'a socket as descriptor 0: a reload');
    ok(wait_for(20, sub { !grep { !gone($_) } @w }), 'replaces them');
    is(scalar(wait_workers($s, 2)), 2, 'by as many');
    ok(ask($s->{socket}, $hello, qr/hello/), 'which serve');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
    ok(-S "$dir/s", 'the socket is left where it is');
}

# By an init system, the configuration naming what cannot be opened.
{
    my $dir = temp_dir();
    my $listen = IO::Socket::UNIX->new(Type => SOCK_STREAM, Listen => 16,
        Local => "$dir/s") or die "socket: $!";
    my $conf = write_config("$dir/c.conf", global => { error_log => "$dir/log" },
        pool => { pm => 'static', max_children => 1, root => fixture(),
            listen => '/nonexistent/s' });
    my $s = { dir => $dir, conf => $conf, log => "$dir/log", socket => "$dir/s" };
    $s->{pid} = start(['/bin/sh', '-c',
        'exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=www '
        . 'exec "$0" serve -c "$1"', program(), $conf],
        stdin => $listen, out => "$dir/out");
    my @w = wait_workers($s, 1);
    ok(ask($s->{socket}, $hello, qr/hello/), 'LISTEN_FDS: it serves')
        or diag(read_file("$dir/out") . read_file($s->{log}));
    ok(reload($s), 'and reloads') or diag(read_file($s->{log}));
    ok(wait_for(20, sub { !grep { !gone($_) } @w }), 'with another worker');
    ok(ask($s->{socket}, $hello, qr/hello/), 'which serves');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# In the background, and reloaded before its workers are ready.
{
    my $dir = temp_dir();
    my $app = write_file("$dir/app.js", <<'END');
const until = Date.now() + 3000
while (Date.now() < until) ;
export default { fetch() { return new Response("up\n") } }
END
    my $conf = write_config("$dir/c.conf", global => { error_log => "$dir/log",
        pid => "$dir/pid" }, pool => { pm => 'static', max_children => 1,
        app => $app, watch => 'off', listen => "$dir/s" });
    my $front = start([program(), 'serve', '-D', '-c', $conf], out => "$dir/out");
    my $pid = wait_for(30, sub { read_file("$dir/pid") =~ /^(\d+)$/m && $1 });
    wait_workers($pid, 1);
    kill 'HUP', $pid;
    ok(wait_for(30, sub { !alive($front) }), '-D and a reload at once: the command ends');
    is($Snap::last_status, 0, 'with 0');
    ok(!gone($pid), 'and what it started lives');
    ok(wait_for(60, sub { ask("$dir/s", cgi_env('/x'), qr/up/) }), 'and serves');
    kill 'TERM', $pid;
    ok(wait_gone($pid, 20), 'TERM ends it') or kill 'KILL', $pid;
}

# ---- waiting for nothing ---------------------------------------------------

# Workers that cannot start, and somebody who waits for one.
{
    my $s = serve(pool => { pm => 'ondemand', max_children => 2,
        rlimit_as => '40m', rlimit_core => 0 });
    my $c = begin_request($s->{socket}, $hello);
    ok(log_has($s, qr/end before they serve; the next is started in [1-9]\d{3,} ms/, 60),
        'ondemand: workers that cannot start are started more and more slowly');
    my $before = seconds_of($s->{pid});
    select undef, undef, undef, 1;
    cmp_ok(seconds_of($s->{pid}) - $before, '<', 0.3, 'and nothing spins meanwhile');
    $c->hang_up;
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# process.max leaves fewer than a pool wants.
{
    my $dir = temp_dir();
    my $text = "[global]\nerror_log = $dir/serve.log\nprocess.max = 3\n"
        . "process_control_timeout = 20s\n";
    $text .= "[pool $_]\nlisten = $dir/$_.sock\nroot = " . fixture()
        . "\npm = static\nmax_children = 2\n" for qw(one two);
    my $s = { dir => $dir, conf => write_file("$dir/c.conf", $text),
        log => "$dir/serve.log" };
    $s->{pid} = start([program(), 'serve', '-c', $s->{conf}], out => "$dir/out");
    my @w = wait_workers($s, 3);
    ok(wait_for(20, sub { ask("$dir/two.sock", $hello, qr/hello/) }), 'process.max: all pools serve');
    ok(reload($s), 'a reload comes to an end');
    ok(wait_for(60, sub { !grep { !gone($_) } @w }), 'no old worker stays');
    is(scalar(wait_workers($s, 3)), 3, 'and there are as many as before');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# A worker that has reached max_requests, and a connection that is kept.
{
    my $s = serve(pool => { pm => 'static', max_children => 1,
        max_requests => 2, max_requests_jitter => 0, request_timeout => '100s' });
    my $kept = begin_request($s->{socket}, $hello, keep => 1);
    is($kept->reply(20)->{status}, 200, 'a connection is kept');
    ok(ask($s->{socket}, $hello, qr/hello/), 'the last request of a worker');
    my $r = eval { fcgi($s->{socket}, $hello, seconds => 30) };
    is($r->{status}, 200, 'the next one need not wait until nobody keeps one');
    $kept->request($hello, '', keep => 1);
    is($kept->reply(20)->{status}, 200, 'who did is served by the new worker');
    is(scalar(wait_workers($s, 1)), 1, 'the old one has gone');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Such a worker is not waited for longer than others at the end.
for my $again (0, 1) {
    my $s = serve(global => { process_control_timeout => '1s' },
        pool => { pm => 'static', max_children => 1, max_requests => 1,
            max_requests_jitter => 0, wait_until_timeout => '200s' });
    ok(ask($s->{socket}, cgi_env(fixture('after.js'), QUERY_STRING => 190_000),
            qr/replied/), 'the last request of a worker, and work after it');
    wait_workers($s, 2);
    ok(reload($s), 'a reload') if $again;
    kill 'QUIT', $s->{pid};
    is_over($s, 'QUIT: process_control_timeout is for those who go anyway, too');
}

# A jitter that takes all of it.
{
    my $s = serve(pool => { pm => 'static', max_children => 1,
        max_requests => 1, max_requests_jitter => 100 });
    my %seen;
    for (1 .. 12) {
        $seen{(workers($s))[0] // 0} = 1;
        ask($s->{socket}, $hello, qr/hello/);
    }
    delete $seen{0};
    cmp_ok(scalar(keys %seen), '>', 6, 'max_requests = 1 with all jitter: one each');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# ---- the end ---------------------------------------------------------------

# Somebody has just come, and no worker has been started for it.
{
    my $s = serve(pool => { pm => 'ondemand', max_children => 2,
        process_idle_timeout => '100ms' });
    ok(ask($s->{socket}, $hello, qr/hello/), 'ondemand: it serves');
    is(scalar(wait_workers($s, 0)), 0, 'and then nobody is there');
    kill 'STOP', $s->{pid};
    my @c = map { begin_request($s->{socket}, $hello) } 1 .. 3;
    kill 'QUIT', $s->{pid};
    kill 'CONT', $s->{pid};
    is(join(',', map { $_->reply(30)->{status} // 'none' } @c), '200,200,200',
        'QUIT: who has come is served first');
    is_over($s, 'then it ends');
}

# ---- who asked gets the answer to what was asked ---------------------------

{
    my $s = controlled(pool => { pm => 'static', max_children => 1 });
    wait_workers($s, 1);
    my $c = begin_request($s->{socket}, $slow);
    select undef, undef, undef, 0.3;
    my $quit = ctl_start($s, 'quit');
    ok(log_has($s, qr/stopping, when/), 'ctl quit waits for a request');
    my $r = ctl($s, 'reload');
    is($r->{exit}, 1, 'a reload meanwhile is refused');
    like($r->{err}, qr/stopping/, 'for it stops');
    ok(alive($quit->{pid}), 'which is no answer to who asked for the end');
    is($c->reply(20)->{status}, 200, 'the request is answered');
    is(ctl_end($quit), '0 ', 'and so is who asked for the end');
}

{
    my $s = controlled(pool => { pm => 'static', max_children => 1 });
    wait_workers($s, 1);
    replace($s, 'max_children = 1', 'max_children = none');
    kill 'STOP', $s->{pid};
    my $restart = ctl_start($s, 'restart');
    select undef, undef, undef, 0.2;
    my @wrong = map { ctl_start($s, 'reload') } 1 .. 2;
    select undef, undef, undef, 0.2;
    kill 'CONT', $s->{pid};
    is(ctl_end($restart), '0 ', 'restart: well, though a reload is refused');
    like(ctl_end($_), qr/^1 .*none/s, 'reload: not well, though a restart is') for @wrong;
    kill 'STOP', $s->{pid};
    my $late = ctl_start($s, 'reload');
    select undef, undef, undef, 0.2;
    my $stop = ctl_start($s, 'stop');
    select undef, undef, undef, 0.2;
    kill 'CONT', $s->{pid};
    is(ctl_end($stop), '0 ', 'stop: well, though a reload is tried');
    like(ctl_end($late), qr/^1 .*stopping/s, 'which is told why it is not');
}

# ---- reload ----------------------------------------------------------------

# What the test must find, as the program that follows it would fail.
{
    my $other = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "socket: $!";
    my $port = $other->sockport;
    my $s = controlled(pool => { pm => 'static', max_children => 1 });
    wait_workers($s, 1);
    my $good = read_file($s->{conf});
    for my $bad (['listen = .*', "listen = 127.0.0.1:$port", qr/127\.0\.0\.1:$port/],
        ['\[global\]', "[global]\npid = $s->{dir}/no/pid", qr{no/pid}],
        ['\[global\]', "[global]\nstatus_listen = 127.0.0.1:$port", qr/127\.0\.0\.1:$port/],
        ['control = .*', "control = $s->{dir}/no/control", qr{no/control}]) {
        replace($s, @$bad[0, 1]);
        my $r = ctl($s, 'reload');
        my $what = $bad->[1] =~ s/.*\n//r;
        is($r->{exit}, 1, "$what: refused") or diag($r->{out});
        like($r->{err}, $bad->[2], 'with the reason');
        like($r->{err}, qr/the old configuration stays/, 'before anything has changed');
        is(ctl($s, 'pools')->{out}, "www\n", 'which is still in force');
        write_file($s->{conf}, $good);
    }
    is(ctl($s, 'reload')->{exit}, 0, 'corrected: a reload');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# The first that reads the file gets the first text, and so on.
sub feed {
    my ($path, @texts) = @_;
    my $next = sub {
        POSIX::mkfifo("$path.new", 0644) or die "mkfifo: $!";
        rename "$path.new", $path;
    };
    $next->();
    my $pid = fork() // die "fork: $!";
    return $pid if $pid;
    alarm 60;
    while (defined(my $text = shift @texts)) {
        open(my $out, '>', $path) or last;
        @texts ? $next->() : rename("$path.saved", $path);
        print $out $text;
        close($out);
    }
    POSIX::_exit(0);
}

# It was right when it was tried, and wrong a moment later.
for my $way ('reload', 'QUIT') {
    my $s = controlled(pool => { pm => 'static', max_children => 1 });
    my @w = wait_workers($s, 1);
    my $good = read_file($s->{conf});
    write_file("$s->{conf}.saved", $good, 0644);
    my $feeder = feed($s->{conf}, $good, "[global]\nnonsense\n");
    my $r = ctl($s, 'reload');
    waitpid $feeder, 0;
    is($r->{exit}, 1, 'a file that changes between the test and its use: refused');
    # By the test of it, or by the program that was to go on with it.
    like($r->{err}, qr/the old configuration stays|the new configuration failed/,
        'and the client is told');
    is(join(',', workers($s)), join(',', @w), 'the workers stay');
    ok(ask($s->{socket}, $hello, qr/hello/), 'and serve');
    is(ctl($s, 'ping')->{out}, "pong\n", 'control stays, too');
    if ($way eq 'reload') {
        is(ctl($s, 'reload')->{exit}, 0, 'corrected: a reload');
        ok(wait_for(20, sub { !grep { !gone($_) } @w }), 'replaces them');
        ok(ask($s->{socket}, $hello, qr/hello/), 'and it serves');
        is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
    } else {
        kill 'QUIT', $s->{pid};
        is_over($s, 'QUIT ends it');
    }
    ok(!-e $s->{socket} && !-e "$s->{dir}/control.sock", 'no socket is left');
}

# New workers that never get ready.
{
    my $dir = temp_dir();
    my $app = write_file("$dir/app.js", read_file(fixture('hello.js')));
    my $s = controlled(global => { process_control_timeout => '2s' },
        pool => { pm => 'static', max_children => 2, app => $app, watch => 'off' });
    my @w = wait_workers($s, 2);
    my $good = read_file($s->{conf});
    replace($s, 'max_children = 2', "max_children = 2\nrlimit_as = 40m\nrlimit_core = 0");
    for (1, 2) {
        my $r = ctl($s, 'reload');
        is($r->{exit}, 1, 'workers that do not start: no reload');
        like($r->{err}, qr/pool www do not start; the old ones stay/, 'which is said');
    }
    is(scalar(grep { gone($_) } @w), 0, 'the old ones stay');
    ok(ask($s->{socket}, $hello, qr/hello/), 'and serve');
    write_file($s->{conf}, $good);
    is(ctl($s, 'reload')->{exit}, 0, 'corrected: a reload');
    ok(wait_for(20, sub { !grep { !gone($_) } @w }), 'replaces them');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Sockets change their pools.
{
    my $dir = temp_dir();
    my $conf = sub {
        my (%at) = @_;
        my $text = "[global]\nerror_log = $dir/serve.log\n";
        $text .= "[pool $_]\nlisten = $dir/$at{$_}.sock\nroot = " . fixture()
            . "\npm = static\nmax_children = 1\n" for sort keys %at;
        return write_file("$dir/c.conf", $text);
    };
    my $s = { dir => $dir, conf => $conf->(one => 'a', two => 'b'), log => "$dir/serve.log" };
    $s->{pid} = start([program(), 'serve', '-c', $s->{conf}], out => "$dir/out");
    wait_workers($s, 2);
    my $busy = begin_request("$dir/a.sock", $slow);
    select undef, undef, undef, 0.3;
    my @wait = map { begin_request("$dir/a.sock", $hello) } 1 .. 3;
    $conf->(one => 'b');
    ok(reload($s), 'one pool takes the socket of another');
    is(join(',', map { $_->reply(30)->{status} // 'none' } $busy, @wait),
        '200,200,200,200', 'who waited at its old one is served');
    ok(ask("$dir/b.sock", $hello, qr/hello/), 'and at the new one');
    ok(!-e "$dir/a.sock", 'the old one has gone');
    $conf->(uno => 'b');
    @wait = map { begin_request("$dir/b.sock", $hello) } 1 .. 3;
    ok(reload($s), 'another name');
    is(join(',', map { $_->reply(30)->{status} // 'none' } @wait), '200,200,200',
        'loses nobody');
    is(scalar(wait_workers($s, 1)), 1, 'one worker is left');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# The socket's file is as the configuration says now.
{
    my $s = serve();
    wait_workers($s, 1);
    replace($s, 'listen.mode = 0666', 'listen.mode = 0600');
    ok(reload($s), 'listen.mode is another');
    is(sprintf('%o', (stat $s->{socket})[2] & 0777), '600', 'and the socket has it');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# The program is moved aside, and another put in its place.
{
    my $dir = temp_dir();
    my $place = "$dir/snapcgi";
    my $copied = sub { system('cp', program(), $place) == 0 };
    ok($copied->(), 'a program of its own');
    my $s = serve(program => $place);
    wait_workers($s, 1);
    rename $place, "$place.old";
    ok($copied->(), 'is moved aside for another');
    ok(reload($s), 'which a reload starts');
    is((stat "/proc/$s->{pid}/exe")[1], (stat $place)[1], 'by its name');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# ---- descriptors -----------------------------------------------------------

sub descriptors {
    my ($pid) = @_;
    return join("\n", sort map { (readlink $_) =~ s/\[\d+\]//r }
        grep { defined readlink } glob "/proc/$pid/fd/*");
}

{
    my $s = controlled(global => { status_listen => temp_dir() . '/status.sock' },
        pool => { pm => 'static', max_children => 2, 'access.log' => temp_dir() . '/a.log' });
    wait_workers($s, 2);
    ok(wait_for(20, sub { monitor_of($s) }), 'there is a monitor');
    ctl($s, 'reload');
    my $settled = sub { wait_for(30, sub { workers($s) == 2 && monitor_of($s)
        && descriptors(monitor_of($s)) !~ /snapcgi-board/ }) };
    $settled->();
    my ($before, $worker) = map { descriptors($_) } $s->{pid}, (workers($s))[0];
    my $rss = sub { read_file("/proc/$s->{pid}/status") =~ /VmRSS:\s+(\d+)/ && $1 };
    my $memory = $rss->();
    my @bad = grep { ctl($s, 'reload')->{exit} != 0 } 1 .. 25;
    is(scalar @bad, 0, '25 reloads');
    $settled->();
    is(descriptors($s->{pid}), $before, 'leave no descriptor in the supervisor');
    is(descriptors((workers($s))[0]), $worker, 'nor in a worker');
    cmp_ok($rss->(), '<', 1.2 * $memory + 2000, 'nor memory');
    is(scalar(grep { /snapcgi-board|\.sock/ } split /\n/, $worker), 0,
        'a worker has no board but by its mapping');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# The log is moved away: nobody goes on writing to the old one.
{
    my $s = controlled(pool => { pm => 'static', max_children => 1 });
    wait_workers($s, 1);
    ok(wait_for(20, sub { monitor_of($s) }), 'there is a monitor');
    unlink $s->{log};
    is(ctl($s, 'reopen')->{exit}, 0, 'the log is opened again');
    ok(wait_for(20, sub {
        my @all = ($s->{pid}, keys %{children($s->{pid})});
        return monitor_of($s) && !grep { descriptors($_) =~ /serve\.log \(deleted\)/ } @all;
    }), 'by every process');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
