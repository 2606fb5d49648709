#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# Each fuzzer for a few seconds ($SNAPCGI_FUZZ_SECONDS), from its seeds.
my $seconds = $ENV{SNAPCGI_FUZZ_SECONDS} // 5;
my $build = $ENV{SNAPCGI_BUILD} // '.';
my @names = map { m{/fuzz_(\w+)\.c$} } sort glob(source('tests/fuzz/*.c'));
alarm(240 + @names * ($seconds + 10));

delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
my $said = `make -s -C '$build' fuzz 2>&1`;
plan skip_all => $1 if $said =~ /^(no clang with libFuzzer.*)$/m;
is($?, 0, 'the fuzzers are built') or diag($said);

for my $name (@names) {
    my $dir = temp_dir();
    my $dict = source("tests/fuzz/$name.dict");
    my @command = ("$build/tests/fuzz/fuzz_$name",
        "-max_total_time=$seconds", '-timeout=10', '-rss_limit_mb=2048',
        "-artifact_prefix=$dir/", -e $dict ? "-dict=$dict" : (),
        $dir, source("tests/fuzz/seeds/$name"));
    my $said = `@command 2>&1`;
    is($?, 0, "$name for $seconds s") or diag($said);
}

done_testing();
