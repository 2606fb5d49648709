#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP qw(decode_json);
use Snap;
use Test::More;

# Keys and signatures of images, at the command line.
my $build = $ENV{SNAPCGI_BUILD} // '.';
my $dir = temp_dir();
my $image = write_file("$dir/x.img", read_file("$build/api.image"), 0640);

sub image { return run_program(['image', @_]) }

my $r = image('keygen', "$dir/one", '--json');
plan(skip_all => 'no OpenSSL 3 here') if "$r->{out}$r->{err}" =~ /is needed/;
is($r->{exit}, 0, 'keygen') or diag($r->{err});
my $one = decode_json($r->{out});
is($one->{private}, "$dir/one.key", 'names the private key');
is($one->{public}, "$dir/one.pub", 'and the public one');
like($one->{key}, qr/^[0-9a-f]{16}$/, 'and how to tell it from others');
is((stat "$dir/one.key")[2] & 07777, 0600, 'the private key is private');
like(read_file("$dir/one.key"), qr/^-----BEGIN PRIVATE KEY-----/, 'in PEM');
like(read_file("$dir/one.pub"), qr/^-----BEGIN PUBLIC KEY-----/, 'both');

my $before = read_file("$dir/one.key");
$r = image('keygen', "$dir/one");
is($r->{exit}, 73, 'a second keygen of that name fails');
like($r->{err}, qr/one\.key is there already/, 'and says why');
is(read_file("$dir/one.key"), $before, 'and the key is as it was');
unlink "$dir/one.key";
$r = image('keygen', "$dir/one");
is($r->{exit}, 73, 'a public key alone is not written over, either');
ok(!-e "$dir/one.key", 'and no half of a pair is left');
write_file("$dir/one.key", $before, 0600);

# Another one, made by the tool of OpenSSL.
my $two = 'none';
SKIP: {
    skip('no openssl program', 1) if !find_program('openssl');
    system('openssl', 'genpkey', '-algorithm', 'ed25519', '-out',
        "$dir/two.key");
    chmod 0600, "$dir/two.key";
    $r = image('sign', $image, '--key', "$dir/two.key", '--json');
    is($r->{exit}, 0, 'a key of openssl(1) signs') or diag($r->{err});
    $two = decode_json($r->{out})->{key};
}

$r = image('sign', $image, '--key', "$dir/one.key");
is($r->{exit}, 0, 'sign') or diag($r->{err});
like($r->{out}, qr/signed by \Q$one->{key}\E$/, 'says by which key');
is((stat $image)[2] & 07777, 0640, 'the mode of the file stays');
is_deeply([sort map { s{.*/}{}r } glob("$dir/x*")], ['x.img'],
    'nothing is left beside it');

$r = image('verify', $image);
is($r->{exit}, 0, 'a signed image is one') or diag($r->{err});
like($r->{out}, qr/signed by \Q$one->{key}\E$/, 'and shows its key');
$r = image('verify', $image, '--require-signature', "$dir/one.pub");
is($r->{exit}, 0, 'it is accepted by its key') or diag($r->{err});
$r = image('inspect', $image);
like($r->{out}, qr/^signed +yes, by the key \Q$one->{key}\E$/m,
    'inspect shows it');

image('keygen', "$dir/three");
$r = image('verify', $image, '--require-signature', "$dir/three.pub");
is($r->{exit}, 65, 'and not by another');
like($r->{err}, qr/^snapcgi: [^\n]*signed by the key \Q$one->{key}\E, and must be by [0-9a-f]{16}[^\n]*\n$/,
    'both are named');
$r = image('verify', "$build/api.image", '--require-signature',
    "$dir/one.pub", '--json');
is($r->{exit}, 65, 'an image without signature is refused');
like(decode_json($r->{out})->{error}, qr/is not signed/, 'in JSON, too');
is($r->{err}, '', 'and only there');

# Every byte of the table's entries and of the signature, and samples of the
# rest: no forger who only flips gets through.
my $good = read_file($image);
my $n = length $good;
my @bad;
for my $at ((map { $_ * 3 } 0 .. 127), $n - 96 .. $n - 1,
    map { 384 + int(($n - 481) * $_ / 9) } 0 .. 9) {
    my $copy = $good;
    substr($copy, $at, 1) ^= "\x10";
    write_file("$dir/bad.img", $copy);
    $r = image('verify', "$dir/bad.img", '--require-signature',
        "$dir/one.pub");
    my $lines = () = $r->{err} =~ /\n/g;
    push @bad, "$at: $r->{exit} $r->{err}" if $r->{exit} != 65 || $lines != 1;
}
is_deeply(\@bad, [], 'a flipped byte is found, in one sentence each');

for my $case (["$dir/none.key", 66, qr/none\.key: No such file/],
    ["$dir/one.pub", 65, qr/may read|not a private/],
    [$image, 65, qr/may read|not a private|not a key/]) {
    $r = image('sign', $image, '--key', $case->[0]);
    is($r->{exit}, $case->[1], 'what is no private key signs nothing');
    like($r->{err}, $case->[2], 'and it is said');
}
chmod 0644, "$dir/one.key";
$r = image('sign', $image, '--key', "$dir/one.key");
is($r->{exit}, 65, 'nor a key that all may read');
like($r->{err}, qr/chmod 600/, 'what to do is said');
is(read_file($image), $good, 'and the image is as it was');

write_file("$dir/cut.img", substr($good, 0, $n - 1));
chmod 0600, "$dir/one.key";
$r = image('sign', "$dir/cut.img", '--key', "$dir/one.key");
is($r->{exit}, 65, 'a damaged image is not signed');
like($r->{err}, qr/cut short/, 'and it is said');

symlink 'x.img', "$dir/link.img" or die;
$r = image('sign', "$dir/link.img", '--key', "$dir/three.key");
is($r->{exit}, 0, 'by a link, the file is signed');
ok(-l "$dir/link.img", 'and the link stays one');
$r = image('verify', $image, '--require-signature', "$dir/three.pub");
is($r->{exit}, 0, 'by the new key alone') or diag($r->{err});

done_testing();
