#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# nginx keeps connections that a worker closes: with more than one worker, at
# the end of a worker's life, and at a reload. It must not send a request to
# one that is about to be closed, since it repeats no POST: that would be 502.
plan(skip_all => $_) for server_missing('nginx-keep') // ();

# POSTs from four clients; gives what was not 200, and how often.
sub posts {
    my ($s, $count, $meanwhile) = @_;
    my $dir = temp_dir();
    my @pids;
    for my $client (1 .. 4) {
        my $pid = fork() // die "fork: $!";
        if (!$pid) {
            alarm 0;
            my %bad;
            for (1 .. $count) {
                my $r = http($s->{port}, 'POST', '/count.js', body => 'ten bytes!');
                $bad{"$r->{status} $r->{body}"}++ if $r->{body} ne "10 complete\n";
            }
            write_file("$dir/$client", join("\n", 'all', map { "$bad{$_} times $_" } keys %bad));
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    $meanwhile->() if $meanwhile;
    waitpid($_, 0) for @pids;
    return join "\n", map { read_file("$dir/$_") } 1 .. 4;
}

my $fine = join("\n", ('all') x 4);
for my $case (['three workers', { max_children => 3 }],
    ['workers of 20 requests', { max_children => 1, max_requests => 20, max_requests_jitter => 0 }],
    ['reloads', { max_children => 2 }, 3]) {
    my ($name, $pool, $reloads) = @$case;
    my $s = server('nginx-keep', pool => { pm => 'static', %$pool });
    my $super = { pid => $s->{snapcgi}, log => $s->{snaplog} };
    wait_workers($super, $pool->{max_children});
    is(posts($s, 250, sub {
        for my $round (1 .. $reloads // 0) {
            kill 'HUP', $super->{pid};
            wait_for(60, sub { log_like($super, qr/all workers are new/) >= $round });
        }
    }), $fine, "$name: of 1000 POSTs none is lost");
    is(scalar(log_like($super, qr/all workers are new/)), $reloads // 0, "$name: as it was meant");
    unlike(read_file($s->{log}), qr/\[error\]/, "$name: and nginx has nothing to say")
        or diag(substr(read_file($s->{log}), 0, 2000));
    stop_process($s->{pid});
    is(stop_process($s->{snapcgi}), 0, "$name: SIGTERM: exit 0");
}

done_testing();
