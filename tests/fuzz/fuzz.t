#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# Each fuzzer from its seeds, two at a time, for $SNAPCGI_FUZZ_SECONDS: 5, and
# 30 where a machine of continuous integration sets CI.
my $seconds = $ENV{SNAPCGI_FUZZ_SECONDS} // (($ENV{CI} // '') eq 'true' ? 30 : 5);
my $at_once = 2;
my $build = $ENV{SNAPCGI_BUILD} // '.';
my @names = map { m{/fuzz_(\w+)\.c$} } sort glob(source('tests/fuzz/*.c'));
alarm(600 + @names * ($seconds + 60));

delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
my $said = `make -s -C '$build' fuzz 2>&1`;
plan skip_all => $1 if $said =~ /^(no clang with libFuzzer.*)$/m;
is($?, 0, 'the fuzzers are built') or diag($said);

sub run {
    my ($name) = @_;
    my $dir = temp_dir();
    mkdir "$dir/corpus";
    my $dict = source("tests/fuzz/$name.dict");
    my $pid = start(["$build/tests/fuzz/fuzz_$name",
        "-max_total_time=$seconds", '-timeout=60', '-rss_limit_mb=2048',
        "-artifact_prefix=$dir/", -e $dict ? "-dict=$dict" : (),
        "$dir/corpus", source("tests/fuzz/seeds/$name")], out => "$dir/log");
    return { name => $name, pid => $pid, dir => $dir };
}

# What it says, and the input it stopped at.
sub finish {
    my ($one) = @_;
    is($Snap::last_status, 0, "$one->{name} for $seconds s") and return;
    diag(read_file("$one->{dir}/log"));
    for my $path (grep { !/corpus$|log$/ } glob("$one->{dir}/*")) {
        diag("$path: " . unpack('H*', read_file($path)));
    }
}

my @running;
while (@names || @running) {
    push @running, run(shift @names) while @names && @running < $at_once;
    my @still;
    for my $one (@running) {
        if (alive($one->{pid})) { push @still, $one } else { finish($one) }
    }
    select(undef, undef, undef, 0.05) if @still == @running;
    @running = @still;
}

done_testing();
