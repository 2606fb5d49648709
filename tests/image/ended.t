#!/usr/bin/perl
# An application that is ended at the moment its code begins to run: V8 must
# never be told then (engine_evaluate()), or it ends the process.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

my $build = $ENV{SNAPCGI_BUILD} // '.';
my $times = 600;
my $app = write_file(temp_dir() . '/app.js', "export default { fetch() {} };\n");

my $said = `$build/tests/image/probe end $build/api.image $app $times 2>&1`;
is($?, 0, 'the process lives on');
like($said, qr/^ended \d+ not \d+\n\z/, 'each was ended, or loaded') or diag($said);
my ($ended, $not) = $said =~ /(\d+)/g;
is(($ended // 0) + ($not // 0), $times, 'as often as it was tried');

done_testing();
