#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP qw(decode_json);
use Snap;
use Test::More;

# inspect and diff, as text and as JSON.
my $build = $ENV{SNAPCGI_BUILD} // '.';
my $probe = "$build/tests/image/probe";
my $dir = temp_dir();

sub image { return run_program(['image', @_]) }

sub json {
    my $r = image(@_, '--json');
    my $lines = () = $r->{out} =~ /\n/g;
    is($lines, 1, "$_[0] --json: one line");
    is($r->{err}, '', 'and nothing besides');
    return (decode_json($r->{out}), $r->{exit});
}

# An application's image with these files and objects.
sub make {
    my ($name, $sources, $census, @more) = @_;
    write_file("$dir/snapshot", 'not one' x 100);
    write_file("$dir/sources", $sources);
    write_file("$dir/census", $census);
    is(system($probe, 'make', "$dir/$name", 2, @more ? @more : ('-', '-'), 1,
        "$dir/snapshot", 2, "$dir/sources", 3, "$dir/census"), 0, "make $name");
    return "$dir/$name";
}

write_file("$dir/app.js", 'export default 1;');
my ($size, $mtime) = (stat "$dir/app.js")[7, 9];
my $hash = '00112233445566778899aabbccddeeff' x 2;
utime $mtime, $mtime, "$dir/app.js" or die; # no nanoseconds
my $sources = "main $dir/app.js\n$hash $size $mtime.000000000 module $dir/app.js\n";
my $census = '{"objects":[{"name":"Map","count":3,"bytes":1234},'
    . '{"name":"Evil\u001b[31m\"","count":1,"bytes":9}],'
    . '"holders":[{"name":"routes","where":"/srv/app.js","line":12,"bytes":45678}],'
    . '"total":{"count":4,"bytes":1243}}';
my $a = make('a.img', $sources, $census);

my ($j, $exit) = json('inspect', $a);
is($exit, 0, 'inspect');
is($j->{kind}, 'application', 'the kind');
is($j->{base}, '00000000000000ba', 'what it was made from');
is($j->{created}, 1795224000, 'when');
is($j->{clock}, 2500000000, 'its clock');
ok($j->{whole}, 'it is whole');
ok($j->{fits}, 'it fits this program');
ok($j->{current}, 'its source is as it was');
is($j->{signed_by}, undef, 'nobody signed it');
is_deeply([map { $_->{name} } @{$j->{sections}}],
    [qw(snapshot sources census)], 'the sections');
is_deeply([grep { $_->{offset} % 64 } @{$j->{sections}}], [],
    'each at a multiple of 64');
is($j->{bytes}, -s $a, 'the length');
is($j->{evaluated}, "main $dir/app.js", 'how it was evaluated');
is_deeply($j->{sources}, [{ path => "$dir/app.js", type => 'module',
    bytes => $size, sha256 => $hash }], 'the source file');
is_deeply($j->{objects}[0], { name => 'Map', count => 3, bytes => 1234 },
    'objects');
is($j->{objects}[1]{name}, "Evil\e[31m\"", 'any name they have');
is_deeply($j->{holders}, [{ name => 'routes', where => '/srv/app.js',
    line => 12, bytes => 45678 }], 'who holds most');

my $text = image('inspect', $a)->{out};
for my $line (qr/^kind +application$/m, qr/^created +2026-11-21T\S+Z$/m,
    qr/^clock +2\.500 s$/m, qr/^fits +yes$/m, qr/^current +yes$/m,
    qr/^signed +no$/m, qr/^snapshot +\d+ +700  -$/m,
    qr/^\Q$hash\E +$size module \Q$dir\E\/app\.js$/m,
    qr/^ +3 +1234  Map$/m, qr/^ +45678  routes, \/srv\/app\.js:12$/m) {
    like($text, $line, "as text: $line");
}
unlike($text, qr/\e/, 'no terminal obeys a name');

write_file("$dir/app.js", 'export default 10;');
($j) = json('inspect', $a);
ok(!$j->{current}, 'a file that changed is told');
like($j->{not_current}, qr/app\.js has changed/, 'by its name');

# Another program's image can be looked at.
my $f = make('f.img', $sources, $census, '1.2.3', 'm68k');
($j, $exit) = json('inspect', $f);
is($exit, 0, 'inspect an image of another machine');
ok(!$j->{fits}, 'it does not fit');
like($j->{not_fits}, qr/made on m68k.*this machine is/, 'and why');

# ---- diff --------------------------------------------------------------------

($j, $exit) = json('diff', $a, $a);
is($exit, 0, 'an image is the same as itself');
ok($j->{same}, 'in words');
is_deeply([@$j{qw(header sections sources objects)}], [[], [], [], []],
    'and in every part');
is(image('diff', $a, $a)->{out}, '', 'as text there is nothing to say');

my $b = make('b.img', ($sources =~ s/^00/ff/mr) . "$hash 1 2.000000000 json /new.json\n",
    $census =~ s/"count":3/"count":5/r);
($j, $exit) = json('diff', $a, $b);
is($exit, 1, 'images that differ');
ok(!$j->{same}, 'are told');
is_deeply([map { $_->{name} } @{$j->{sections}}], [qw(sources census)],
    'which sections');
is_deeply($j->{sources}, [
    { name => "$dir/app.js", a => 'changed', b => 'changed' },
    { name => '/new.json', a => undef, b => 'added' }], 'which files');
is_deeply($j->{objects}, [{ name => 'Map', a => '3', b => '5' }],
    'which objects');
$text = image('diff', $b, $a)->{out};
like($text, qr/^sources\n  \Q$dir\E\/app\.js: changed \/ changed\n  \/new\.json: removed \/ -\n/m,
    'as text, the other way round');
like($text, qr/^objects\n  Map: 5 \/ 3\n/m, 'and objects');

# ---- what is wrong -----------------------------------------------------------

for my $bad (['sources', $sources . 'x', $census, qr/line 3 of .*source files/],
    ['census', $sources, '{"objects":[', qr/census cannot be read at byte/]) {
    my $file = make('bad.img', @$bad[1, 2]);
    ($j, $exit) = json('inspect', $file);
    is($exit, 65, "a bad list of $bad->[0] is damage");
    ok(!$j->{whole}, 'that is told');
    like($j->{not_whole}, $bad->[3], 'in a sentence');
    ($j, $exit) = json('diff', $a, $file);
    cmp_ok($exit, '>', 1, 'and trouble to diff');
    like($j->{error}, $bad->[3], 'which says the same');
}
my $copy = read_file($a);
substr($copy, -10, 1) ^= "\x01"; # in the census
write_file("$dir/bad.img", $copy);
($j, $exit) = json('inspect', "$dir/bad.img");
is($exit, 65, 'a flipped byte in a section is damage');
like($j->{not_whole}, qr/checksum of its section census/, 'and where');
is(scalar @{$j->{sources}}, 1, 'the rest is shown');

for my $case ([66, 'inspect', "$dir/none.img"], [65, 'inspect', "$dir/app.js"],
    [66, 'diff', $a, "$dir/none.img"], [65, 'verify', "$dir/app.js"]) {
    my ($status, @words) = @$case;
    ($j, $exit) = json(@words);
    is($exit, $status, "@words: status $status");
    is(join(' ', keys %$j), 'error', 'an object with an error');
}

for my $words ([], ['inspect'], ['diff', $a], ['inspect', $a, $a],
    ['inspect', '--key'], ['frobnicate'], ['build', '--api', '--bundle'],
    ['keygen', '-x']) {
    my $r = image(@$words);
    is($r->{exit}, 64, "image @$words: usage");
    like($r->{err}, qr/^usage: snapcgi image build /, 'is shown');
}

my $help = image('--help');
is($help->{exit}, 0, 'image --help is no mistake');
like($help->{out}, qr/^usage: snapcgi image build /, 'and shows it, too');
my $page = read_file(source('man/snapcgi-image.1'));
for my $verb ($help->{out} =~ /snapcgi image (\w+)/g) {
    like($page, qr/^\.It Cm \Q$verb\E/m, "the page has $verb");
}
for my $option ($help->{out} =~ / -(-[a-z-]+)/g) {
    like($page, qr/^\.(Op )?Fl \Q$option\E\b/m, "and $option");
}

done_testing();
