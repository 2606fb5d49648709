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
    (0, 1, 7, 8, 12, 100, 159, 160, 255, 256, 257, 319, 320, 321, 4096,
        $n >> 1, $n - 1));
refused('bytes added', ['+1', $image . "\0"], ['+4096', $image . "x" x 4096]);

my @flips;
for my $at (0 .. 255 + 64) {
    my $copy = $image;
    substr($copy, $at, 1) = chr(ord(substr $copy, $at, 1) ^ 0x20);
    push @flips, [$at, $copy];
}
refused('a byte of header or table flipped', @flips);

my @payload;
for my $k (0 .. 19) {
    my $at = 256 + 64 + int(($n - 321) * $k / 19);
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

# Right to the last checksum, but nothing that V8 ever wrote.
my $probe = "$build/tests/image/probe";
open my $junk, '>:raw', "$dir/junk" or die;
print $junk 'junk' x 10000;
close $junk;
for my $kind (1, 2, 3) {
    is system($probe, 'make', $file, $kind, '-', '-', 1, "$dir/junk"), 0,
      "an image of kind $kind is forged";
    my $forged = `$snapcgi image verify $file 2>&1`;
    is $? & 127, 0, 'no trap where V8 ends its process';
    is $? >> 8, 70, 'but a status';
    like $forged, qr/^snapcgi: [^\n]* (by signal|with status) \d+\n\z/,
      'and a sentence';
}

# Of another program or machine: both sides are named.
my %foreign = (
    'V8 1\.2\.3, this program has V8 ' => ['1.2.3', '-'],
    'on m68k with 8-byte pointers, this machine is ' => ['-', 'm68k']);
for my $says (sort keys %foreign) {
    system($probe, 'make', $file, 1, @{$foreign{$says}}, 1, "$dir/junk");
    my $text = `$snapcgi image verify $file 2>&1`;
    is $? >> 8, 65, 'a foreign image is refused';
    like $text, qr/$says/, 'and both sides are named';
}

my $folder = `$snapcgi image verify $dir 2>&1`;
like $folder, qr/not a regular file/, 'a folder is not an image';

done_testing;
