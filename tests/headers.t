#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/tap";
use Snap;
use Test::More;

# Every header is complete by itself, as C17; the engine's door as C++ too.
my $cc = $ENV{CC} || 'cc';
my $cxx = $ENV{CXX} || 'c++';
my $src = source('src');
my $dir = temp_dir();

sub compiles {
    my ($compiler, $suffix, $header, @flags) = @_;
    my $file = write_file("$dir/alone$suffix",
        qq{#include "$header"\n#include "$header"\n});
    my @command = (split(' ', $compiler), @flags, '-fsyntax-only', '-Wall',
        '-Wextra', '-Werror', '-D_GNU_SOURCE', "-I$src", $file);
    open(my $p, '-|', "@command 2>&1") or die "$compiler: $!";
    local $/;
    my $said = <$p>;
    my $good = close($p);
    return ($good, $said);
}

for my $path (sort map { glob("$src/$_/*.h") } qw(base cgi engine bind serve)) {
    my ($header) = $path =~ m{^\Q$src\E/(.*)$};
    my ($good, $said) = compiles($cc, '.c', $header, '-std=gnu17');
    ok($good, $header) or diag($said);
}
for my $header ('engine/engine.h', 'engine/native.h') {
    my ($good, $said) = compiles($cxx, '.cc', $header, '-std=c++17');
    ok($good, "$header as C++") or diag($said);
}

done_testing();
