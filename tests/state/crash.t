#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Kept;
use Snap;
use Super;
use Test::More;

# The supervisor is killed: while its worker saves, and while there is none. The
# next one goes on from the last whole file. (kill.t does so at system calls.)
my $app = app_of("let count = 0;\nconst much = new Uint8Array(300000).fill(7);\n", {
    up => 'return String(++count);', look => 'return much[299999] === 7 ? String(count) : "broken";' });

sub number { my ($s) = @_; my $r = eval { told($s, '/look') }; return $r // "no answer: $@" }

# At any moment of a save.
{
    my $dir = temp_dir();
    write_file("$dir/app.js", $app, 0644);
    my ($count, @wrong) = (0);
    for my $ms (0, 1, 3, 6, 10, 15, 20, 30, 40, 60) {
        my $s = start_kept(dir => $dir);
        my $up = told($s, '/up');
        push @wrong, "$ms ms: $up and not " . ($count + 1) if $up ne $count + 1;
        my $waits = in_background("$dir/answer", sub { saved($s) ? 'saved' : 'not' });
        select undef, undef, undef, $ms / 1000;
        kill_server($s);
        waitpid($waits, 0);
        my $next = start_kept(dir => $dir);
        my $now = number($next);
        push @wrong, "$ms ms: $now" if $now ne $count && $now ne $count + 1;
        $count = $now if $now =~ /^\d+$/;
        stop_process($next->{pid}, 'QUIT');
    }
    is(join("\n", @wrong), '', 'a supervisor that is killed at any moment of a save');
}

# There is no worker: it hibernates, or is paused.
for my $how ('hibernating', 'paused', 'stale') {
    my %pool = $how eq 'paused' ? () : (pm => 'ondemand', hibernate_after => '200ms');
    my $s = start_kept(app => $app, pool => \%pool);
    is(told($s, '/up'), $_, "$how: request $_") for 1 .. 2;
    is(why_not($s, 'pause'), '', 'it is paused') if $how eq 'paused';
    ok(wait_phase($s, $how eq 'paused' ? 'paused' : 'hibernating'), "$how: nobody is there");
    is(scalar(workers($s)), 0, "$how: no process");
    my $before = state_file($s);
    kill_server($s);
    is(state_file($s) eq $before ? 1 : 0, 1, "$how: the supervisor is killed, and the file is as it was");
    # What a worker that was killed with its supervisor would leave.
    write_file("$s->{state}.new", substr($before, 0, 100_000), 0600) if $how eq 'stale';
    my $next = start_kept(dir => $s->{dir}, pool => \%pool);
    is(told($next, '/up'), 3, "$how: the next supervisor goes on from it");
    is(why_not($next), '', "$how: and saves") if $how eq 'paused';
    stop_process($next->{pid}, 'QUIT');
    is(join(' ', map { s/.*\///r } sort glob "$s->{state}*"), 'state state.1', "$how: nothing else is left");
    is(errors_of($next), '', "$how: without an error");
}

done_testing();
