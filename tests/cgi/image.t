#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# An image that is not this program's is refused in one line and done
# without; V8 never sees it.
my $dir = temp_dir();
my $conf = write_config("$dir/c.conf", cgi => { root => fixture() });
my $env = cgi_env(fixture('hello.js'));

my $r = run_program(['image', 'build', '--api', '-o', "$dir/api.img"]);
plan(skip_all => "image build: $r->{err}") if $r->{exit};
my $image = read_file("$dir/api.img");
cmp_ok(length $image, '>', 100000, 'image build --api writes an image');
cmp_ok(length $image, '<', 1 << 20, 'under 1 MB');

$r = run_program(['image', 'verify', "$dir/api.img"]);
is($r->{exit}, 0, 'image verify');

sub with_image {
    my ($bytes) = @_;
    write_file("$dir/test.img", $bytes);
    return cgi({ %$env, SNAPCGI_IMAGE => "$dir/test.img" }, conf => $conf);
}

$r = with_image($image);
is("$r->{status} $r->{body}", "200 hello\n", 'a good one serves');
is($r->{err}, '', 'and says nothing');

my $n = length $image;
for my $at (0, 1, 8, 16, 64, 128, 200, 4096, int($n / 3), int($n / 2), $n - 1) {
    my $bad = $image;
    substr($bad, $at, 1) ^= "\x10";
    $r = with_image($bad);
    is($r->{signal}, 0, "a bit changed at $at: no trap");
    like($r->{status}, qr/^(200|500)$/, "a bit changed at $at: a reply");
    my @lines = grep { /\S/ } split(/\n/, $r->{err});
    cmp_ok(scalar @lines, '<=', 1, "a bit changed at $at: at most one line");
}
for my $keep (0, 1, 7, 8, 100, 255, 4096, $n - 1) {
    $r = with_image(substr($image, 0, $keep));
    is($r->{signal}, 0, "cut to $keep bytes: no trap");
    like($r->{err}, qr/image/i, "cut to $keep bytes: a word about it");
}

done_testing();
