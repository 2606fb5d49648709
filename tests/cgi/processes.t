#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# What must differ from process to process, and what must not be seen.
my $conf = write_config(temp_dir() . '/c.conf', cgi => { root => fixture() });
my $env = cgi_env(fixture('random.js'));
my (%seen, $repeated);
my $runs = 20;
for (1 .. $runs) {
    my @v = split(' ', cgi($env, conf => $conf)->{body});
    is(scalar @v, 4, "run $_ has its numbers");
    $repeated ||= $seen{$_}++ for @v;
}
ok(!$repeated, 'Math.random and crypto differ between processes');

# The environment of the process is not the function's.
my $r = cgi({ %{cgi_env(fixture('env.js'))}, SECRET => 'x', PATH => '/bin' },
    conf => $conf);
is_deeply($r->json->{names}, [], 'nothing of the environment in env');

# A huge environment is refused, not fatal.
my %many = map { ("HTTP_X_$_" => 'v') } 1 .. 5000;
$r = cgi({ %{cgi_env(fixture('hello.js'))}, %many }, conf => $conf);
is($r->{status}, 431, '5000 fields: 431');
$r = cgi({ %{cgi_env(fixture('hello.js'))},
    map { ("HTTP_Y$_" => 'v' x 100000) } 1 .. 12 }, conf => $conf);
is($r->{status}, 431, 'a megabyte of fields: 431');

done_testing();
