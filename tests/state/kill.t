#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Kept;
use Snap;
use Super;
use Test::More;
use Time::HiRes qw(time);

# A worker is killed at the system calls of its saving, one after the other, and
# so is its supervisor: the next one goes on from the last whole file.
my $strace = find_program('strace');
plan skip_all => 'strace is not installed' if !defined $strace;
plan skip_all => 'a sanitizer is traced itself' if sanitized();

my $app = app_of("let count = 0;\nconst much = new Uint8Array(300000).fill(7);\n", {
    up => 'return String(++count);', look => 'return much[299999] === 7 ? String(count) : "broken";' });

# Traces a process; gives strace's, or nothing where it may not.
sub trace {
    my ($pid, $out, @options) = @_;
    unlink "$out.said";
    my $tracer = start([$strace, '-p', $pid, '-o', $out, @options], out => "$out.said");
    my $on = wait_for(20, sub { read_file("$out.said") =~ /attached/ || !alive($tracer) });
    return $tracer if $on && alive($tracer);
    diag(read_file("$out.said"));
    return undef;
}

# The system calls of one save: name and how many of it, in the order of the first.
sub calls_of {
    my ($file) = @_;
    my (@order, %count);
    for my $line (split /\n/, read_file($file)) {
        next if $line !~ /^(\w+)\(/;
        push @order, $1 if !$count{$1}++;
    }
    return map { [$_, $count{$_}] } @order;
}

# Every one of the first and the last of each, and some between: [call, which].
sub points {
    my ($most, @calls) = @_;
    my @all;
    for my $c (@calls) {
        my ($name, $n) = @$c;
        next if $name eq 'restart_syscall' || $name eq 'exit_group';
        my %which = map { $_ => 1 } grep { $_ >= 1 && $_ <= $n } 1, 2, 3, int($n / 4), int($n / 2), $n - 1, $n;
        push @all, map { [$name, $_] } sort { $a <=> $b } keys %which;
    }
    return @all if @all <= $most;
    return @all[map { int($_ * @all / $most) } 0 .. $most - 1];
}

sub number { my ($s) = @_; my $r = eval { told($s, '/look') }; return $r // "no answer: $@" }

my $s = start_kept(app => $app);
told($s, '/up');
is(why_not($s), '', 'an application that is saved');
told($s, '/look');
my ($pid) = workers($s);
my $tracer = trace($pid, "$s->{dir}/calls");
plan skip_all => 'processes cannot be traced here' if !defined $tracer;
is(why_not($s), '', 'and again, while its system calls are counted');
wait_for(20, sub { !alive($tracer) });
my @calls = calls_of("$s->{dir}/calls");
cmp_ok(scalar(@calls), '>', 5, 'there are some') or diag explain \@calls;
ok((grep { $_->[0] eq 'fsync' || $_->[0] eq 'fdatasync' } @calls), 'one of them syncs the file');

# ---- the worker -----------------------------------------------------------------------

{
    my $count = number($s);
    my (@wrong, $killed, $tried) = ();
    my $end = time + 60;
    for my $p (points(80, @calls)) {
        last if time > $end;
        my ($name, $nth) = @$p;
        wait_workers($s, 1);
        my $up = told($s, '/up');
        push @wrong, "$name $nth: $up and not " . ($count + 1) if $up ne $count + 1;
        my ($pid) = workers($s);
        my $t = trace($pid, "$s->{dir}/trace", '-e', "trace=$name", '-e', "inject=$name:signal=KILL:when=$nth") or next;
        my $done = saved($s);
        stop_process($t);
        $tried++;
        $killed++ if !$done;
        my $now = number($s);
        my $want = $done ? $count + 1 : $count;
        push @wrong, "$name $nth: $now and not $want" if $now ne $want;
        push @wrong, "$name $nth: nothing is whole" if state_file($s) eq '';
        $count = $now =~ /^\d+$/ ? $now : $want;
    }
    is(join("\n", @wrong), '', "$tried times, $killed of them killed: the next goes on from the last whole file");
    cmp_ok($killed, '>', 10, 'it was killed often enough');
    is(saved($s), 1, 'after all that it can be saved');
    is(number($s), $count, 'and goes on');
    stop_process($s->{pid});
    ok(!-e "$s->{state}.new", 'nothing else is left');
}

# ---- the supervisor ---------------------------------------------------------------------

{
    my $dir = temp_dir();
    write_file("$dir/app.js", $app, 0644);
    my ($count, @wrong, $tried) = (0);
    my $end = time + 60;
    for my $p (map { my $n = $_; map { [$_, $n] } qw(rename link unlink fsync openat waitid wait4) } 1 .. 2) {
        last if time > $end;
        my ($name, $nth) = @$p;
        my $s = start_kept(dir => $dir, pool => { state_keep => 2 });
        my $up = told($s, '/up');
        push @wrong, "$name $nth: $up and neither " . ($count + 1) . " nor one more" if $up ne $count + 1;
        my $t = trace($s->{pid}, "$dir/trace", '-e', "trace=$name", '-e', "inject=$name:signal=KILL:when=$nth") or last;
        my $waits = in_background("$dir/answer", sub { saved($s) ? 'saved' : 'not' });
        my $gone = wait_for(20, sub { !alive($s->{pid}) || -e "$dir/answer" });
        my $said = alive($s->{pid}) ? (wait_for(20, sub { -e "$dir/answer" }), read_file("$dir/answer"))[1] : 'killed';
        kill_server($s);
        stop_process($t);
        waitpid($waits, 0);
        unlink "$dir/answer";
        $tried++;
        my $next = start_kept(dir => $dir, pool => { state_keep => 2 });
        my $now = number($next);
        my @may = $said eq 'saved' ? ($count + 1) : ($count, $count + 1);
        push @wrong, "$name $nth ($said): $now and not @may" if !grep { $now eq $_ } @may;
        $count = $now if $now =~ /^\d+$/;
        push @wrong, "$name $nth: cannot be saved" if !saved($next);
        kill_server($next);
    }
    is(join("\n", @wrong), '', "a supervisor that is killed while its worker saves, $tried times");
}

done_testing();
