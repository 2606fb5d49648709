#!/usr/bin/perl
# What engines of one process keep of compiled texts: code.c.
use strict;
use warnings;
use Test::More;

my $build = $ENV{SNAPCGI_BUILD} // '.';

for my $mode (qw(oneshot resident)) {
    my @lines = `$build/tests/image/code $mode $build/api.image 2>&1`;
    is($?, 0, "$mode: it ran to its end");
    my $n = 0;
    for (@lines) {
        ok(!$1, "$mode: $2") && $n++ if /^(not )?ok \d+ - (.*)$/;
        diag($_) if /^#|^Bail/;
    }
    ok($n > 0, "$mode: with results");
}

done_testing();
