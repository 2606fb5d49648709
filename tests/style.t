#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/tap";
use Snap;
use Test::More;

# The tools that judge form: shellcheck, mandoc, clang-format.
sub run {
    my (@command) = @_;
    my $pid = open(my $p, '-|') // die "fork: $!";
    if (!$pid) {
        open(STDERR, '>&', \*STDOUT);
        exec { $command[0] } @command or exit 127;
    }
    local $/;
    my $said = <$p> // '';
    return (close($p) ? 1 : 0, $said);
}

sub judged {
    my ($tool, $files, @options) = @_;
    my $top = source();
    SKIP: {
        skip("$tool is not installed", 1) if !find_program($tool);
        # Another version of clang-format sets some lines otherwise.
        skip('the sources are formatted by clang-format 14', 1)
            if $tool eq 'clang-format'
            && (run($tool, '--version'))[1] !~ /version 14\./;
        for my $file (@$files) {
            my ($good, $said) = run($tool, @options, $file);
            ok($good, "$tool: " . $file =~ s{^\Q$top\E/?}{}r) or diag($said);
        }
    }
}

my @scripts = grep { -f } glob(source('contrib/*.sh')), glob(source(
    'contrib/*/*.sh')), source('.ci/run');
judged('shellcheck', \@scripts, '-x', '-P', source('contrib'));
judged('mandoc', [glob(source('man/*.[1-8]'))], '-Tlint', '-Wwarning');
judged('clang-format', [sort map { glob(source("src/$_")) }
    qw(*.c *.h */*.c */*.h */*.cc */*.hh)], '--dry-run', '-Werror');

# Sizes: a function's are left to the reader.
for my $file (sort map { glob(source($_)) } qw(src/*.c src/*/*.c src/*/*.cc
    js/*.js)) {
    my $lines = () = read_file($file) =~ /\n/g;
    cmp_ok($lines, '<=', 700, $file =~ s{.*/((src|js)/.*)}{$1}r
        . ' is not over 700 lines');
}

done_testing();
