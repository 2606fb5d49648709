#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Fcntl qw(:flock);
use File::Copy qw(copy);
use Snap;
use Super;
use Test::More;

# The folder that `image = auto` keeps images in: what nobody needs goes from it
# after a while, and nothing else does.
my $app = 'addEventListener("fetch", (e) => e.respondWith(new Response("here")));' . "\n";
my $dir = temp_dir();
my $cache = "$dir/cache";
chmod 0755, $dir;

sub release { my ($n) = @_; mkdir "$dir/$n"; return write_file("$dir/$n/app.js", "// $n\n$app", 0644) }
sub old { my $then = time - 8 * 24 * 3600; utime($then, $then, $_) || diag("$_: $!") for @_; return }
sub names { return join ' ', sort map { s/.*\///r } glob "$cache/*" }
sub target { return readlink("$cache/$_[0].app") // 'none' }

# The makers have looked at the folder.
sub settled { my ($s) = @_; return wait_for(60, sub { !grep { /image of/ } values %{children($s->{pid})} }) }

# Reloads; true when the makers have looked at all of the folder by then.
sub tidied {
    my ($s) = @_;
    my $mark = "$cache/00000000-0000000000000000.img.new";
    write_file($mark, '');
    old($mark);
    return ctl($s, 'reload')->{exit} == 0 && wait_for(60, sub { !-e $mark }) && settled($s);
}

release($_) for 1, 2;
symlink '1', "$dir/current";
my $s = serve(dir => $dir, global => { control => "$dir/control.sock", log_level => 'info' },
    pool => { pm => 'static', max_children => 1, app => "$dir/current/app.js", image => 'auto', image_cache => $cache });
my $made = qr/ the image (\S+) of \S+ was made/;
my ($first) = (log_has($s, $made, 60) // '') =~ $made;
my $one = ($first // '') =~ s/.*\///r;
like($one, qr/^[0-9a-f]{8}-[0-9a-f]{16}\.img$/, 'an image is in the cache');
is(target($one), "$dir/1/app.js", 'and a link beside it says of what');
settled($s);

# ---- the next release, elsewhere -----------------------------------------------------

unlink "$dir/current";
symlink '2', "$dir/current";
is(ctl($s, 'reload')->{exit}, 0, 'a reload with the next release');
ok(wait_for(60, sub { log_like($s, $made) == 2 }), 'has an image of it made');
settled($s);
my ($two) = grep { !/\Q$one/ && /\.img$/ } split / /, names();
is(target($two), "$dir/2/app.js", 'with its link');
old("$cache/$one");
ok(tidied($s), 'a reload');
ok(-e "$cache/$one", 'leaves the one before, which nobody has used for long: its release is there');
unlink "$dir/1/app.js";
utime time, time, "$cache/$one";
ok(tidied($s), 'a reload without that release');
ok(-e "$cache/$one", 'leaves it while it was used not long ago');
old("$cache/$one");
my $then = time - 8 * 24 * 3600;
utime time, $then, "$cache/$one";
ok(tidied($s), 'a reload');
ok(-e "$cache/$one", 'or opened');
old("$cache/$one");
ok(tidied($s), 'a reload');
ok(!-e "$cache/$one" && !-l "$cache/$one.app", 'then it goes, with its link');
ok(log_has($s, qr/ info .*\Q$cache\/$one\E is removed: nobody has used it for 7 days, and its application \Q$dir\E\/1\/app\.js is gone$/),
    'the log says so') or diag(read_file($s->{log}));
settled($s);
is(names(), "$two $two.app", 'what is left is in use');

# ---- another program's, and what is not ours -------------------------------------------

my ($program, $rest) = $two =~ /^(\w{8})-(\w{16})/;
my $other = $program eq 'ffffffff' ? 'eeeeeeee' : 'ffffffff';
my %goes = map { $_ => 1 } "$other-$rest.img", "$other-0123456789abcdef.img", "$program-0123456789abcdef.img.new",
    "$program-0123456789abcdef.img";
my @stays = ("$other-fedcba9876543210.img.new", "$program-fedcba9876543210.img", 'notes.txt', "$rest.img",
    "$other-$rest.img.gz", "$other-\U$rest.img", "x$other-$rest.img", "$other-${rest}0.img", "$other-0000000000000000.img");
copy("$cache/$two", "$cache/$_") for keys %goes, @stays;
symlink "$dir/2/app.js", "$cache/$_.app" for "$other-$rest.img", "$program-0123456789abcdef.img";
mkdir "$cache/$other-1111111111111111.img";
symlink 'notes.txt', "$cache/$other-2222222222222222.img";
old(map { "$cache/$_" } keys %goes, @stays, $two, "$other-1111111111111111.img");
system('touch', '-h', '-d', '8 days ago', "$cache/$other-2222222222222222.img");
utime time, time, "$cache/$other-0000000000000000.img"; # used just now
my $theirs = "$other-3333333333333333.img";
copy("$cache/$two", "$cache/$theirs");
chown 12345, -1, "$cache/$theirs" if $< == 0;
utime $then, $then, "$cache/$theirs";
$goes{$theirs} = 1 if $< != 0;
open my $held, '+<', "$cache/$other-fedcba9876543210.img.new" or die;
flock $held, LOCK_EX or die; # by a maker that lives
ok(tidied($s), 'a reload');
is(join(' ', grep { -e "$cache/$_" } sort keys %goes), '', 'what another build has made goes, and what was never finished');
ok(!-l "$cache/$other-$rest.img.app", 'with the link');
is(join(' ', grep { !-e "$cache/$_" } @stays), '', 'nothing else does');
ok(-d "$cache/$other-1111111111111111.img", 'no folder');
ok(-l "$cache/$other-2222222222222222.img", 'no link');
SKIP: {
    skip 'only root can give files away', 1 if $< != 0;
    ok(-e "$cache/$theirs", "nor somebody else's file");
}
ok(log_has($s, qr/ info .*\Q$other-$rest.img\E is removed: .*another build of snapcgi has made it$/), 'the log has the build');
ok(log_has($s, qr/ info .*\Q$program-0123456789abcdef.img\E is removed: .*app\.js is used with other settings$/),
    'what was made for other settings');
ok(log_has($s, qr/ info .*\Q$program-0123456789abcdef.img.new\E is removed: .*it was never finished$/), 'and the rest');
is(fcgi($s->{socket}, cgi_env('/a'))->{body}, 'here', 'the pool serves');
is(scalar(log_like($s, $made)), 2, 'from the image it had');
is(join('', log_like($s, qr/ (?:error|crit) /)), '', 'without an error');
is(stop_process($s->{pid}), 0, 'and ends');

# ---- in a chroot ------------------------------------------------------------------------

SKIP: {
    skip 'only root can have another root', 3 if $< != 0;
    mkdir "$dir/root";
    mkdir "$dir/root/srv";
    write_file("$dir/root/srv/app.js", $app, 0644);
    $cache = "$dir/cache2";
    my $in = "$dir/server";
    mkdir $in;
    my $t = serve(dir => $in, global => { control => "$in/control.sock", log_level => 'info' },
        pool => { pm => 'static', max_children => 1, user => 'nobody', chroot => "$dir/root", app => '/srv/app.js',
            image => 'auto', image_cache => $cache });
    my ($image) = ((log_has($t, $made, 60) // '') =~ $made) or skip 'no image: ' . read_file($t->{log}), 3;
    settled($t);
    is(target($image =~ s/.*\///r), "$dir/root/srv/app.js", 'chroot: the link has the path outside');
    old($image);
    ok(tidied($t), 'chroot: a reload');
    ok(-e $image, 'chroot: the application is there, and so is the image');
}

done_testing();
