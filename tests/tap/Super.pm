# Super.pm - what the tests of the supervisor share: its processes as /proc
# shows them, many requests at once, and requests that are left running.
package Super;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP qw(decode_json);
use Snap;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(
    children workers settled_workers monitor_of wait_workers wait_gone gone
    log_has log_like begin_request ask ask_http load_start load_stop ctl
    serve_with_status figures private_mounts
);

# Process ids of a process's children, and their command lines.
sub children {
    my ($parent) = @_;
    my %found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        my ($pid) = $stat =~ m{/(\d+)/};
        my $text = read_file($stat);
        next unless $text =~ /^\d+ \(.*\) (\S) (\d+) /s;
        next if $2 != $parent || $1 eq 'Z';
        $found{$pid} = read_file("/proc/$pid/cmdline") =~ tr/\0/ /r;
    }
    return \%found;
}

sub workers {
    my ($server) = @_;
    my $all = children(ref $server ? $server->{pid} : $server);
    my @pids = sort { $a <=> $b } grep { $all->{$_} =~ /pool/ } keys %$all;
    return @pids;
}

# Those who have given up what they will: only then they make threads.
sub settled_workers {
    my ($server) = @_;
    my @pids;
    wait_for(30, sub {
        @pids = workers($server);
        return @pids && !grep {
            read_file("/proc/$_/status") !~ /^Threads:\s*([2-9]|\d\d)/m } @pids;
    });
    return @pids;
}

sub monitor_of {
    my ($server) = @_;
    my $all = children($server->{pid});
    return (grep { $all->{$_} =~ /monitor/ } keys %$all)[0];
}

# Waits until there are so many workers; gives them.
sub wait_workers {
    my ($server, $count, $seconds) = @_;
    my @now;
    wait_for($seconds // 30, sub { @now = workers($server); @now == $count });
    return @now;
}

sub gone { return !-e "/proc/$_[0]" || read_file("/proc/$_[0]/stat") =~ /\) Z / }

sub wait_gone {
    my ($pid, $seconds) = @_;
    return wait_for($seconds // 30, sub { gone($pid) });
}

# Waits until the log has a line like that; gives it, or undef.
sub log_has {
    my ($server, $like, $seconds) = @_;
    my $line;
    wait_for($seconds // 20, sub {
        ($line) = grep { $_ =~ $like } split /\n/, read_file($server->{log});
        defined $line;
    });
    return $line;
}

sub log_like { return grep { $_ =~ $_[1] } split /\n/, read_file($_[0]{log}) }

# One request whose reply is not waited for: its connection.
sub begin_request {
    my ($socket, $env, %o) = @_;
    my $c = Snap::Fcgi->new($socket);
    $c->request($env, $o{stdin} // '', %o);
    return $c;
}

# One request; false unless its reply is whole and as expected.
sub ask {
    my ($socket, $env, $like) = @_;
    my $r = eval { fcgi($socket, $env, seconds => 60) };
    return $r && $r->{ended} && $r->{status} == 200 && $r->{body} =~ $like;
}

# One by HTTP, on a connection that ends with the reply: its socket.
sub ask_http {
    my ($port, $path) = @_;
    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10)
        or die "connect: $!";
    print $c "GET $path HTTP/1.1\r\nHost: 127.0.0.1:$port\r\nConnection: close\r\n\r\n";
    $c->flush;
    return $c;
}

# Requests one after the other from several processes until load_stop, which
# gives how many there were and what went wrong.
sub load_start {
    my ($clients, $socket, $env, $like) = @_;
    my $dir = temp_dir();
    my $stop = "$dir/stop";
    my @pids;
    for my $n (1 .. $clients) {
        my $pid = fork() // die "fork: $!";
        if (!$pid) {
            my ($count, @bad) = 0;
            alarm 0;
            while (!-e $stop && @bad < 20) {
                $count++;
                my $r = eval { fcgi($socket, $env, seconds => 60) };
                next if $r && $r->{ended} && $r->{status} == 200
                    && $r->{body} =~ $like;
                push @bad, $r ? "ended $r->{ended} status $r->{status} "
                    . "body $r->{body} hung $r->{hung}" : $@;
            }
            write_file("$dir/$n.new", join("\n", $count, @bad));
            rename "$dir/$n.new", "$dir/$n";
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    return { dir => $dir, pids => \@pids, stop => $stop };
}

sub load_stop {
    my ($load) = @_;
    write_file($load->{stop}, '');
    waitpid($_, 0) for @{$load->{pids}};
    my ($count, @bad) = 0;
    for my $n (1 .. @{$load->{pids}}) {
        my ($c, @b) = split /\n/, read_file("$load->{dir}/$n");
        $count += $c // 0;
        push @bad, @b;
        push @bad, "client $n has died" if !defined $c;
    }
    return ($count, @bad);
}

# serve() with a status page of its own; figures() reads it.
sub serve_with_status {
    my (%o) = @_;
    my $dir = $o{dir} // temp_dir();
    my $s = serve(%o, dir => $dir, global => { status_listen => "$dir/status.sock",
        'status_listen.mode' => '0666', %{$o{global} // {}} });
    $s->{status} = "$dir/status.sock";
    return $s;
}

# The status as a hash, with what the query asks for besides: "&full".
sub figures {
    my ($server, $query) = @_;
    my $page = fcgi($server->{status},
        cgi_env('/status', QUERY_STRING => 'json' . ($query // '')), seconds => 60);
    return decode_json($page->{body});
}

# Runs the test anew where what it mounts is seen by nobody else. False where
# that cannot be.
sub private_mounts {
    return 1 if $ENV{SNAPCGI_TEST_MOUNTS};
    return 0 if $< != 0 || system("unshare -m mount -t tmpfs none /mnt 2>/dev/null") != 0;
    $ENV{SNAPCGI_TEST_MOUNTS} = 1;
    exec 'unshare', '-m', $^X, '-I', source('tests/tap'), $0, @ARGV;
    die "unshare: $!";
}

# `snapcgi ctl` with these words.
sub ctl {
    my ($server, @words) = @_;
    return run_program(['ctl', '-s', "$server->{dir}/control.sock", @words]);
}

1;
