#!/usr/bin/perl
# A damaged or foreign image is refused with one sentence, never with a trap.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

my $build = $ENV{SNAPCGI_BUILD} // '.';
my $snapcgi = $ENV{SNAPCGI} // "$build/snapcgi";
my $dir = tempdir(CLEANUP => 1);
my $file = "$dir/x.img";

open my $in, '<:raw', "$build/api.image" or die "api.image: $!";
my $image = do { local $/; <$in> };
close $in;

sub verify {
    my ($bytes) = @_;
    open my $out, '>:raw', $file or die;
    print $out $bytes;
    close $out;
    my $said = `$snapcgi image verify $file 2>&1`;
    return ($? & 127, $? >> 8, $said);
}

my ($signal, $status, $said) = verify($image);
is "$signal $status", '0 0', 'the image as built is accepted' or diag $said;

# How many of these inputs are refused by one line and status 65?
sub refused {
    my ($what, @inputs) = @_;
    my @bad;
    for my $one (@inputs) {
        my ($at, $bytes) = @$one;
        my ($sig, $code, $text) = verify($bytes);
        my $lines = () = $text =~ /\n/g;
        push @bad, "$at: signal $sig, status $code: $text"
          if $sig || $code != 65 || $lines != 1;
    }
    is scalar @bad, 0, "$what: " . scalar(@inputs) . ' cases, one sentence each'
      or diag join '', @bad[0 .. ($#bad > 4 ? 4 : $#bad)];
}

my $n = length $image;
refused('cut short', map { [$_, substr $image, 0, $_] }
    (0, 1, 7, 8, 12, 100, 159, 160, 255, 256, 257, 4096, $n >> 1, $n - 1));
refused('bytes added', ['+1', $image . "\0"], ['+4096', $image . "x" x 4096]);

my @flips;
for my $at (0 .. 255) {
    my $copy = $image;
    substr($copy, $at, 1) = chr(ord(substr $copy, $at, 1) ^ 0x20);
    push @flips, [$at, $copy];
}
refused('a header byte flipped', @flips);

my @payload;
for my $k (0 .. 19) {
    my $at = 256 + int(($n - 257) * $k / 19);
    my $copy = $image;
    substr($copy, $at, 1) = chr(ord(substr $copy, $at, 1) ^ 1);
    push @payload, [$at, $copy];
}
refused('a payload byte flipped', @payload);

($signal, $status, $said) = verify('not an image at all' x 40);
like $said, qr/not a snapcgi image/, 'a file of another kind is named so';

my $missing = `$snapcgi image verify $dir/none.img 2>&1`;
like $missing, qr/none\.img: No such file/, 'a missing file is named';
is $? >> 8, 66, 'and has the status for missing input';

my $folder = `$snapcgi image verify $dir 2>&1`;
like $folder, qr/not a regular file/, 'a folder is not an image';

done_testing;
