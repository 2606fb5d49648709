#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use POSIX ();
use Test::More;

# By CGI: the image beside a script, or the one that is configured, is used when
# it is current, whole, and nobody else's; otherwise the source is, and the log
# says why in one sentence. What the top level draws tells which it was.
my ($version) = run_program(['--version'])->{out} =~ /^V8 (\d+)/m;
my $build = $ENV{SNAPCGI_BUILD} // '.';
my $probe = "$build/tests/image/probe";
my $dir = temp_dir();
my $app = "$dir/app.js";
my $img = "$dir/app.img";
my $value = "";
my $conf = conf();

# The configuration, with these keys of [cgi].
sub conf {
    return write_config("$dir/c.conf", global => { error_log => 'stderr', log_level => 'info' },
        cgi => { root => $dir, @_ });
}

sub get { return cgi(cgi_env($_[0] // $app), conf => $conf, @_[1 .. $#_]) }

my $text = <<'JS';
const drawn = `drawn ${Math.random()}`;
addEventListener("fetch", (event) => event.respondWith(new Response(drawn)));
JS

# A script and its image, both new; gives what the image has drawn.
sub fresh {
    system('rm', '-rf', $img);
    write_file($app, $text, 0644);
    my $r = run_program(['image', 'build', $app]);
    die "image build: $r->{err}" if $r->{exit};
    return ($value = get()->{body});
}


sub uses_image {
    my ($what, @get) = @_;
    my $r = get(@get);
    is("$r->{status} $r->{body}", "200 $value", "$what: the image is used");
    unlike($r->{err}, qr/ (warn|error) |the source/, "$what: and nothing is said");
    return;
}

# The sentence is one line of the log.
sub uses_source {
    my ($what, $why, @get) = @_;
    my $r = get(@get);
    is($r->{status}, 200, "$what: a reply");
    is($r->{signal}, 0, "$what: no signal");
    like($r->{body}, qr/^(drawn 0\.|changed)/, "$what: the right one");
    isnt($r->{body}, $value, "$what: of the source");
    my @lines = grep { !/ GET http/ } split /\n/, $r->{err};
    is(scalar @lines, $why ? 1 : 0, "$what: one sentence") or diag($r->{err});
    like($lines[0], $why, "$what: which says why") if $why;
    return;
}

like(fresh(), qr/^drawn/, 'a script with an image beside it');
uses_image('it');

my $small = $text;

# ---- not of these sources ---------------------------------------------------------

my $not = qr/ info .*the source is used, not the image \Q$img\E: /;
utime 1, 1, $app or die;
uses_source('touched', qr/$not\Q$app\E was written to since the image was made$/);
fresh();
write_file($app, $text . '// more');
uses_source('changed', qr/$not\Q$app\E has changed since the image was made: it has \d+ bytes and had \d+$/);
fresh();
uses_image('made anew');
rename $img, "$dir/other.img";
write_file("$dir/other.js", $text);
uses_source('of another script', qr/ warn .*is used, not the image: \Q$dir\E\/other\.img is an image of \Q$app\E, not of \Q$dir\E\/other\.js$/,
    "$dir/other.js");
uses_source('none beside it', undef);
fresh();
mkdir "$dir/moved" or die;
system('cp', '-p', $app, $img, "$dir/moved") == 0 or die;
uses_source('moved', qr/is an image of \Q$app\E, not of \Q$dir\E\/moved\/app\.js$/, "$dir/moved/app.js");
symlink $app, "$dir/link.js" or die;
uses_image('a link to the script', "$dir/link.js");

# What it imports counts as well.
SKIP: {
    skip 'V8 cannot keep modules, and esbuild is not installed', 1
        if $version < 12 && !find_program('esbuild');
    my $one = $text;
    $text = q{import { word } from "./lib.js"; const drawn = `drawn ${Math.random()}`;}
        . q{ export default { fetch() { return new Response(drawn); } };};
    my $lib = q{export const word = 'x';};
    for my $case (['touched', sub { utime 1, 1, "$dir/lib.js" }, qr/was written to/],
        ['changed', sub { write_file("$dir/lib.js", "$lib ") }, qr/has changed since/],
        ['a link to another', sub {
            unlink "$dir/lib.js";
            write_file("$dir/lib2.js", "$lib//");
            symlink 'lib2.js', "$dir/lib.js" }, qr/has changed since/]) {
        my ($what, $do, $why) = @$case;
        unlink "$dir/lib.js";
        write_file("$dir/lib.js", $lib);
        fresh();
        uses_image("a module ($what)");
        $do->();
        uses_source("its import $what", qr/$not\Q$dir\E\/lib\.js $why/);
    }
    unlink "$dir/lib.js";
    write_file("$dir/lib.js", $lib);
    fresh();
    unlink "$dir/lib.js";
    my $r = get();
    is($r->{status}, 500, 'its import gone: so is the application');
    like($r->{err}, qr/$not.*\Q$dir\E\/lib\.js, of which the system now says: No such file/,
        'and the log says why');
    $text = $one;
}

# ---- not whole, or not for this program --------------------------------------------

fresh();
my $good = read_file($img);
my $warn = qr/ warn .*the source is used, not the image: \Q$img\E.*\S$/;
my $n = length $good;
for my $keep (0, 1, 7, 100, 255, 256, 400, int($n / 2), $n - 1) {
    write_file($img, substr($good, 0, $keep));
    uses_source("cut to $keep bytes", $warn);
}
for my $at (0, 8, 20, 64, 130, 200, 260, 4096, int($n / 2)) {
    my $bad = $good;
    substr($bad, $at, 1) ^= "\x10";
    write_file($img, $bad);
    uses_source("a bit flipped at $at", $warn);
}
write_file($img, "$good\0");
uses_source('a byte longer', $warn);
write_file($img, 'x' x $n);
uses_source('something else', $warn);
is(run_program(['image', 'build', '--api', '-o', $img])->{exit}, 0, 'an image of the API');
uses_source('one of the API', qr/ is an image of kind API$/);
SKIP: {
    skip 'the program tests/image/probe is not built', 1 if !-x $probe;
    write_file("$dir/part", 'x' x 1000);
    is(system($probe, 'make', $img, 2, '1.2.3', '-', 1, "$dir/part", 2, "$dir/part"), 0, 'one of another V8');
    uses_source('one of another V8', qr/made with V8 1\.2\.3, this program has V8 $version\./);
    is(system($probe, 'make', $img, 2, '-', 'm68k', 1, "$dir/part", 2, "$dir/part"), 0, 'of another machine');
    uses_source('one of another machine', qr/m68k/);
    is(system($probe, 'make', $img, 2, '-', '-', 1, "$dir/part", 2, "$dir/part"), 0, 'without its sources');
    uses_source('one without a list of sources', qr/source files/);
}

# ---- what is no file of ours -----------------------------------------------------------

unlink $img;
mkdir $img or die;
uses_source('a directory', $warn);
rmdir $img or die;
POSIX::mkfifo($img, 0644) or die;
uses_source('a FIFO', $warn);
unlink $img;
symlink 'nowhere', $img or die;
uses_source('a link to nowhere', undef);
unlink $img;

write_file($img, $good, 0644);
uses_image('restored');
for my $mode (0664, 0646, 0666) {
    chmod $mode, $img;
    my $octal = sprintf '%04o', $mode;
    uses_source("of mode $octal", qr/\Q$img\E may be written by others than its owner \(mode $octal\): .*image_key$/);
}
chmod 0644, $img;
rename $img, "$dir/elsewhere";
symlink 'elsewhere', $img or die;
uses_image('a link to one');
unlink $img;
rename "$dir/elsewhere", $img;
SKIP: {
    skip 'only root can give a file away', 1 if $< != 0;
    chown 12345, -1, $img or die;
    uses_source("somebody else's", qr/\Q$img\E belongs to user 12345, neither to root nor to user 0, who is to run it: .*image_key$/);
    chown 0, 0, $img or die;
    my @as = (in_child => sub { $) = '12345 12345'; $( = 12345; $> = $< = 12345 });
    skip 'another user cannot run the program', 1
        if get($app, @as)->{status} != 200;
    uses_image("root's, run by another user", $app, @as);
    chmod 0600, $img;
    uses_source('one that may not be read', qr/the source is used, not the image.*\Q$img\E: Permission denied$/, $app, @as);
    chmod 0644, $img;
}

# ---- the setting ----------------------------------------------------------------------------

fresh();
$conf = conf(image => 'off');
uses_source('image = off', undef);
rename $img, "$dir/named";
write_file($img, 'not to be looked at');
$conf = conf(image => "$dir/named");
uses_image('image = FILE');
chmod 0666, "$dir/named";
uses_image('image = FILE: who may write it is the matter of who named it');
chown 12345, -1, "$dir/named" if $< == 0;
uses_image('image = FILE: so is whose it is');
utime 1, 1, $app;
uses_image('image = FILE: the source is not looked at');
write_file($app, 'changed');
uses_image('nor what is in it');
write_file($app, $text);
write_file("$dir/other.js", $text);
uses_source('image = FILE, another script', qr/ warn .*is an image of \Q$app\E, not of/, "$dir/other.js");
unlink "$dir/named";
uses_source('image = FILE, not there', qr/ error .*the image \Q$dir\E\/named is not used, the source is: No such file or directory$/);
write_file("$dir/named", 'x');
uses_source('image = FILE, something else', qr/ warn .*the source is used, not the image: \Q$dir\E\/named/);

# ---- the cache -------------------------------------------------------------------------------

unlink $img;
{
    my %auto = (image => 'auto', image_cache => "$dir/cache");
    my $s = serve(pool => { app => $app, %auto });
    my $made = Snap::wait_for(60, sub { read_file($s->{log}) =~ /the image (\S+) of \S+ was made/ ? $1 : 0 });
    ok($made, 'a pool makes an image in the cache');
    stop_process($s->{pid});
    $conf = conf();
    uses_source('image = beside: the cache is not looked into', undef);
    $conf = conf(%auto);
    ($value) = get()->{body};
    uses_image('image = auto');
    my $before = $value;
    fresh();
    isnt($value, $before, 'image = auto: one beside the script comes first');
    uses_image('that');
    unlink $img;
    $value = $before;
    write_file($app, $text);
    utime 1, 1, $app;
    uses_source('one in the cache of before', qr/ info .*the source is used, not the image \Q$made\E: .* was written to since/);
    is(scalar(glob "$dir/cache/*"), $made, 'CGI makes none');
}

# ---- written to in its place, while requests come -----------------------------------

# As cp does, and no tool of ours: V8 meets other bytes than were checked, or none.
$text = <<'JS';
const many = Array.from({ length: 20000 }, (_, i) => ({ i, text: `number ${i}` }));
addEventListener("fetch", (event) => event.respondWith(event.request.text().then(
    (body) => new Response(`${many.length} ${many[19999].text} ${body}`))));
JS
fresh();
my @builds = (read_file($img));
$text = "// another\n$text";
fresh();
push @builds, read_file($img), substr($builds[0], 0, 300_000);
my $writer = fork() // die "fork: $!";
if (!$writer) {
    for (my $i = 0; ; $i++) {
        open(my $f, '>', $img) or POSIX::_exit(1);
        syswrite $f, $builds[$i % @builds];
        close $f;
    }
}
my ($sentences, %other) = 0;
for my $n (1 .. 100) {
    my $r = cgi(cgi_env($app, REQUEST_METHOD => 'POST', CONTENT_LENGTH => 5), conf => $conf,
        stdin => 'hello');
    $other{"$r->{signal} $r->{status} $r->{body}"}++
        if $r->{signal} || $r->{body} ne '20000 number 19999 hello';
    $sentences += () = $r->{err} =~ / warn .*: \Q$img\E was written to while it was read; put .* by mv, not by cp$/mg;
}
kill 'KILL', $writer;
waitpid $writer, 0;
is(join("\n", map { "$other{$_} x $_" } sort keys %other), '', 'written to in its place: each request gets its reply');
note("$sentences of 100 began anew");
write_file("$img.next", $builds[1]);
rename "$img.next", $img;
unlike(get()->{err}, qr/ warn /, 'and then it is used as before');

# ---- signatures --------------------------------------------------------------------------------

$text = $small;
fresh();
for my $name (qw(mine other)) {
    is(run_program(['image', 'keygen', "$dir/$name"])->{exit}, 0, 'a key');
}
$conf = conf(image_key => "$dir/mine.pub");
uses_source('image_key, not signed', qr/the image is not signed, and must be by the key [0-9a-f]{16} \(\Q$dir\E\/mine\.pub\)$/);
is(run_program(['image', 'sign', $img, '--key', "$dir/other.key"])->{exit}, 0, 'signed by another');
uses_source('image_key, signed by another', qr/the image is signed by the key [0-9a-f]{16}, and must be by [0-9a-f]{16} /);
is(run_program(['image', 'sign', $img, '--key', "$dir/mine.key"])->{exit}, 0, 'signed');
uses_image('image_key, signed by it');
chmod 0666, $img;
chown 12345, -1, $img if $< == 0;
uses_image("then it may be anybody's");
$good = read_file($img);
for my $at (24, 300, int(length($good) / 2), length($good) - 40) {
    my $bad = $good;
    substr($bad, $at, 1) ^= "\x01";
    write_file($img, $bad);
    uses_source("signed, and a bit flipped at $at", $warn);
}
write_file($img, $good);
uses_image('as it was');
unlink "$dir/mine.pub";
uses_source('image_key is not there', qr/ warn .*\Q$dir\E\/mine\.pub: No such file/);
$conf = conf(image => $img, image_key => "$dir/other.pub");
uses_source('image = FILE must be signed, too', qr/signed by the key/);

done_testing();
