#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Both;
use Test::More;

use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);

# The function's file: missing, not a file, not to be read, out of the root,
# changed between requests and while they are served. A 404, 403 or 500, and
# nobody waits for anything.
my $dir = temp_dir();
my $root = "$dir/root";
mkdir $root;
chmod 0755, $root;
my $hello = read_file(fixture('hello.js'));
my $served = both_start(root => $root);
my $env = cgi_env("$root/hello.js");
write_file("$root/hello.js", $hello);

sub status {
    my ($name, $path, $want) = @_;
    both($name, $path, {}, '', sub {
        my ($r, $by) = @_;
        like($r->{status}, qr/^$want$/, "$by: $name: $r->{status}");
        unlike($r->{body}, qr/\Q$dir\E/, "$by: $name: no path in the page");
    });
    is(fcgi($served->{socket}, $env)->{body}, "hello\n",
        "$name: the next request is served");
}

status('a file', "$root/hello.js", 200);
status('no such file', "$root/nothere.js", 404);
status('no such folder', "$root/no/where.js", 404);
status('a file as a folder', "$root/hello.js/x.js", 404);
mkdir "$root/folder.js";
status('a folder', "$root/folder.js", 403);
POSIX::mkfifo("$root/fifo.js", 0644) or die "mkfifo: $!";
status('a FIFO', "$root/fifo.js", 403);
{
    my $s = IO::Socket::UNIX->new(Local => "$root/socket.js", Listen => 1,
        Type => SOCK_STREAM) or die "socket: $!";
    status('a socket', "$root/socket.js", 403);
}
write_file("$dir/outside.js", $hello);
symlink('../outside.js', "$root/out.js");
status('a link out of the root', "$root/out.js", '40[34]');
symlink('nothere.js', "$root/dangling.js");
status('a link to nothing', "$root/dangling.js", 404);
symlink('circle.js', "$root/circle.js");
status('a link to itself', "$root/circle.js", '40[34]');
symlink('hello.js', "$root/inside.js");
status('a link within the root', "$root/inside.js", 200);
symlink('/dev/zero', "$root/zero.js");
status('a link to a device', "$root/zero.js", '40[34]');
status('a way out of the root', "$root/../outside.js", '40[34]');
status('a name of 300 bytes', "$root/" . 'x' x 300 . '.js', '40[04]');
status('a path of 5000 bytes', "$root/" . 'x/' x 2500 . 'x.js', '4\d\d');
write_file("$root/empty.js", '');
status('an empty file', "$root/empty.js", 500);
write_file("$root/zeros.js", "\0" x 10000);
status('a file of zeros', "$root/zeros.js", 500);
write_file("$root/bytes.js", join('', map { chr } 0 .. 255));
status('a file of all bytes', "$root/bytes.js", 500);
SKIP: {
    skip('root may read anything', 1) if $< == 0;
    write_file("$root/closed.js", $hello, 0);
    status('an unreadable file', "$root/closed.js", 403);
    mkdir "$root/closed";
    write_file("$root/closed/x.js", $hello);
    chmod 0, "$root/closed";
    status('a file in a closed folder', "$root/closed/x.js", 403);
    chmod 0755, "$root/closed";
}

# Changed between requests: in place, by rename, into something else and back.
sub text { return "export default { fetch: () => new Response('$_[0]') };\n" }

# What is served once it is served; the file is looked at now and then.
sub becomes {
    my ($name, $test) = @_;
    my $last;
    my $so = wait_for(30, sub {
        $last = fcgi($served->{socket}, cgi_env("$root/live.js"));
        return $test->($last);
    });
    ok($so, "$name: FastCGI") or diag("$last->{status} $last->{body}");
    my $r = cgi(cgi_env("$root/live.js"), conf =>
        write_config("$dir/live.conf", cgi => { root => $root }));
    ok($test->($r), "$name: CGI") or diag("$r->{status} $r->{body}");
}
sub body_is { my ($want) = @_; return sub { $_[0]{body} eq $want } }
sub status_is { my ($want) = @_; return sub { $_[0]{status} == $want } }

write_file("$root/live.js", text('one'));
becomes('a new file', body_is('one'));
write_file("$root/live.js", text('two and more'));
becomes('written over', body_is('two and more'));
write_file("$root/live.new", text('three'));
rename("$root/live.new", "$root/live.js");
becomes('renamed over', body_is('three'));
unlink "$root/live.js";
becomes('removed', status_is(404));
mkdir "$root/live.js";
becomes('a folder in its place', status_is(403));
rmdir "$root/live.js";
write_file("$root/live.js", 'export default {');
becomes('cut in the middle', status_is(500));
write_file("$root/live.js", text('four'));
becomes('whole again', body_is('four'));

# Changed while it is read: each reply is of what was there, which may be half
# of each where it was written in its place, or a fault that says so.
my $writer = fork() // die "fork: $!";
if (!$writer) {
    my @text = map { text($_ x 20000) } qw(a b);
    for my $i (1 .. 100000) {
        if ($i % 3) {
            open(my $f, '+<', "$root/live.js") or next;
            print $f $text[$i % 2];
            truncate($f, tell($f));
            close($f);
        } else {
            write_file("$root/live.tmp", $text[$i % 2]);
            rename("$root/live.tmp", "$root/live.js");
        }
    }
    POSIX::_exit(0);
}
my ($odd, $hung) = (0, 0);
my $live = write_config("$dir/live.conf", cgi => { root => $root });
for my $i (1 .. 100) {
    my $one = cgi_env("$root/live.js");
    my $r = $i % 4 ? fcgi($served->{socket}, $one) : cgi($one, conf => $live);
    $hung++ if $r->{hung};
    $odd++ if $r->{signal} || $r->{body} !~
        /\A(?:four|[ab]{20000}|(?:404|403|500) .*)\z/s;
}
kill('KILL', $writer);
waitpid($writer, 0);
is($hung, 0, 'changed while read: nobody waits');
is($odd, 0, 'changed while read: what was there, or a fault');
write_file("$root/live.js", text('five'));
becomes('left in peace', body_is('five'));
ok(alive($served->{pid}), 'no crash');

done_testing();
