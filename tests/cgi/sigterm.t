#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use POSIX ();
use Time::HiRes qw(time);

# SIGTERM to a CGI process in each phase, as a web server sends it when the
# client went: it is gone soon, whatever the function does.
my $dir = temp_dir();
my $conf = write_config("$dir/c.conf", cgi => { root => fixture(),
    request_timeout => '100s', body_timeout => '100s', write_timeout => '100s' });
my %post = (REQUEST_METHOD => 'POST', CONTENT_LENGTH => 100);

for my $case (['a loop', 'loop', {}], ['promises without an end', 'microtasks', {}],
    ['a load without an end', 'loadloop', {}], ['a body that does not come', 'count', \%post],
    ['a reply that nobody reads', 'torrent', {}]) {
    my ($name, $script, $vars) = @$case;
    pipe(my $in_r, my $in_w) or die;
    pipe(my $out_r, my $out_w) or die;
    my $pid = start([program()], only_env => 1, stdin => $in_r, out => "$dir/out",
        env => { %{cgi_env(fixture("$script.js"), %$vars)}, SNAPCGI_CONFIG => $conf,
            map { $_ => $ENV{$_} } grep { defined $ENV{$_} }
                qw(ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS LD_LIBRARY_PATH) });
    # It is at its work once it has the program's own descriptors and time.
    my $running = wait_for(60, sub {
        return 1 if !alive($pid);
        my @stat = split(' ', read_file("/proc/$pid/stat") =~ s/.*\) /x x /sr);
        return ($stat[13] // 0) + ($stat[14] // 0) >= 1
            || (readlink("/proc/$pid/exe") // '') eq program();
    });
    ok($running && alive($pid), "$name: it runs");
    my $start = time;
    kill('TERM', $pid);
    my $gone = wait_for(60, sub { !alive($pid) });
    ok($gone, "$name: SIGTERM ends it");
    cmp_ok(time - $start, '<', 40, "$name: soon");
    my $status = $Snap::last_status;
    ok($status == 0 || ($status & 127) == POSIX::SIGTERM(),
        "$name: by that signal, or well: $status");
    stop_process($pid, 'KILL') if !$gone;
}

# A signal mask that was inherited with SIGTERM in it, and one that is ignored,
# do not make a process nobody can end by its own time limit.
my $short = write_config("$dir/s.conf", cgi => { root => fixture(),
    request_timeout => '2s' });
for my $how (qw(ignored blocked)) {
    my $start = time;
    my $r = cgi(cgi_env(fixture('loop.js')), conf => $short, seconds => 60,
        in_child => sub {
            if ($how eq 'ignored') {
                $SIG{$_} = 'IGNORE' for qw(TERM ALRM PIPE HUP CHLD);
            } else {
                my $set = POSIX::SigSet->new;
                $set->fillset;
                POSIX::sigprocmask(POSIX::SIG_SETMASK(), $set);
            }
        });
    ok(!$r->{hung}, "signals $how at start: the time limit holds");
    is($r->{status}, 504, "signals $how at start: 504");
    cmp_ok(time - $start, '<', 40, "signals $how at start: soon");
}

done_testing();
