#!/usr/bin/perl
# Hash seeds, random numbers and clocks are never those of the image's build.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

my $build = $ENV{SNAPCGI_BUILD} // '.';
my $probe = "$build/tests/image/probe";
my $snapcgi = $ENV{SNAPCGI} // "$build/snapcgi";
my $dir = tempdir(CLEANUP => 1);
my $image = "$build/api.image";
my $runs = 24;

open my $app, '>', "$dir/app.js" or die;
print $app <<'JS';
const bytes = crypto.getRandomValues(new Uint32Array(1));
console.error(`random ${Math.random()}`);
console.error(`crypto ${bytes[0]}`);
console.error(`uuid ${crypto.randomUUID()}`);
console.error(`origin ${performance.timeOrigin}`);
export default { fetch() {} };
JS
close $app;

sub probe {
    my ($mode, $with) = @_;
    my %seen;
    for (my $i = 0; $i < $runs; $i++) {
        my $out = `$probe $mode $with $dir/app.js 2>&1`;
        push @{ $seen{$1} }, $2
          while $out =~ /\b(hash|random|crypto|uuid|origin) (\S+)$/mg;
        diag $out if $?;
    }
    return \%seen;
}

sub distinct {
    my %set = map { $_ => 1 } @{ $_[0] // [] };
    return scalar keys %set;
}

my ($version) = `$snapcgi --version` =~ /^V8 (\d+)/m;
my $resident = probe('resident', $image);
is distinct($resident->{hash}), $runs,
  'each resident process has a hash seed of its own';

my $oneshot = probe('oneshot', $image);
SKIP: {
    skip 'this V8 renews the seed at every start', 1 if $version < 12;
    is distinct($oneshot->{hash}), 1,
      'one-shot processes share the seed of their image';
}

my @seeds;
for my $i (1 .. 4) {
    system("$snapcgi image build --api -o $dir/$i.img >/dev/null") == 0
      or diag "image build $i failed";
    my $out = `$probe oneshot $dir/$i.img $dir/app.js 2>/dev/null`;
    push @seeds, $1 if $out =~ /^hash (\d+)/;
}
is distinct(\@seeds), 4, 'each image built carries a seed of its own';

for my $what (qw(random crypto uuid)) {
    is distinct($oneshot->{$what}), 2 * $runs,
      "$what differs between one-shot processes and between contexts";
    is distinct($resident->{$what}), 2 * $runs,
      "$what differs between resident processes and between contexts";
}
cmp_ok distinct($oneshot->{origin}), '>=', $runs,
  'performance.timeOrigin is of the process, not of the image';

done_testing;
