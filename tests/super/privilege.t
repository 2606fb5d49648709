#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Fcntl qw(F_SETFD);
use HTTP;
use Super;

# What a worker may still do, as an administrator sees it in /proc.
plan(skip_all => 'this needs root') if $> != 0;
my @nobody = getpwnam('nobody');
plan(skip_all => 'there is no user nobody') if !@nobody;
my ($uid, $gid) = @nobody[2, 3];
my $dir = temp_dir();
mkdir("$dir/app") or die;
my $hello = write_file("$dir/app/hello.js", read_file(fixture('hello.js')),
    0644);
my $env = cgi_env($hello);

# The line NAME: of a file of /proc, its words with one blank between.
sub line {
    my ($pid, $name, $file) = @_;
    my ($rest) = read_file("/proc/$pid/" . ($file // 'status'))
        =~ /^\Q$name\E:?\s+(.*?)\s*$/m;
    return join(' ', split(' ', $rest // ''));
}

sub started {
    my (%pool) = @_;
    return serve(pool => { root => "$dir/app", pm => 'static',
        max_children => 2, %pool }, global => delete $pool{global} // {});
}

# ---- user -------------------------------------------------------------------

open(my $stray, '<', '/etc/passwd') or die;
fcntl($stray, F_SETFD, 0) or die;
# A sanitizer needs all of the address space.
my $as = sanitized() ? '0' : '512g';
my $s = started(user => 'nobody', umask => '0027', rlimit_files => 512,
    rlimit_as => $as, chdir => "$dir/app");
close($stray);
is(fcgi($s->{socket}, $env)->{body}, "hello\n", 'user = nobody: it serves');
my @workers = settled_workers($s);
is(scalar @workers, 2, 'by two workers');
for my $pid (@workers) {
    is(line($pid, 'Uid'), "$uid $uid $uid $uid", 'the user, for good');
    is(line($pid, 'Gid'), "$gid $gid $gid $gid", 'its group');
    is(line($pid, 'Groups'), "$gid", "root's groups are gone");
    is(line($pid, $_), '0000000000000000', "$_ is empty")
        for qw(CapEff CapPrm CapInh CapAmb);
    is(line($pid, 'NoNewPrivs'), 1, 'no new privileges');
    is(line($pid, 'Umask'), '0027', 'umask');
    is(line($pid, 'Max open files', 'limits'), '512 512 files',
        'rlimit_files');
    is(line($pid, 'Max core file size', 'limits'), '0 0 bytes',
        'no core files');
    like(line($pid, 'Max address space', 'limits'),
        $as ? qr/^549755813888 / : qr/^unlimited /, 'rlimit_as');
    is(readlink("/proc/$pid/cwd"), "$dir/app", 'chdir');
    is((stat "/proc/$pid/mem")[4], 0, 'its memory is closed to the user');
    my @open = map { readlink($_) // () } glob("/proc/$pid/fd/*");
    ok(!grep({ $_ eq '/etc/passwd' } @open),
        'what was left open is closed');
}
is(line($s->{pid}, 'Uid'), '0 0 0 0', 'the supervisor stays root');
unlike(read_file($s->{log}), qr/runs as root|not started by root/,
    'and nothing is warned of');
write_file("$dir/app/secret.js", read_file($hello), 0600);
unlike(fcgi($s->{socket}, cgi_env("$dir/app/secret.js"))->{body}, qr/hello/,
    'a file only root can read is not served');

# The kernel forgets the signal at a parent's end when the user changes.
kill('KILL', $s->{pid});
ok(wait_for(30, sub { !grep { !gone($_) } @workers }),
    'workers end with a killed supervisor');
stop_process($s->{pid});

$s = started(user => 'nobody', group => 12, groups => '7 9',
    rlimit_core => '1m');
my ($pid) = settled_workers($s);
is(line($pid, 'Gid'), '12 12 12 12', 'group');
is(line($pid, 'Groups'), '7 9', 'groups');
is((stat "/proc/$pid/mem")[4], $uid, 'with rlimit_core it can be dumped');
stop_process($s->{pid});

# ---- root -------------------------------------------------------------------

$s = started();
($pid) = settled_workers($s);
like(read_file($s->{log}), qr/pool www runs as root, .*set user = NAME in \[pool www\]/,
    'without user it is root, and this is said');
is(() = read_file($s->{log}) =~ /runs as root/g, 1, 'once');
is(line($pid, 'CapEff'), '0000000000000002',
    'of the powers of root it has that over files');
is(fcgi($s->{socket}, cgi_env("$dir/app/secret.js"))->{body}, "hello\n",
    'which it needs');
stop_process($s->{pid});
$s = started(user => 'root');
unlike(read_file($s->{log}), qr/runs as root/, 'user = root is meant');
stop_process($s->{pid});

# ---- environment ------------------------------------------------------------

my $zone = write_file("$dir/app/zone.js", 'export default () => '
    . 'new Response(String(new Date(0).getTimezoneOffset()));', 0644);
{
    local $ENV{TZ} = 'Asia/Tokyo';
    $s = started(user => 'nobody');
    is(fcgi($s->{socket}, cgi_env($zone))->{body}, '-540', 'TZ is kept');
    stop_process($s->{pid});
    $s = started(user => 'nobody', keep_env => 'LANG');
    isnt(fcgi($s->{socket}, cgi_env($zone))->{body}, '-540',
        'but not if keep_env does not name it');
    stop_process($s->{pid});
}

# ---- chroot -----------------------------------------------------------------

my $libraries = write_file("$dir/app/libraries.js", <<'JS', 0644);
export default async request => {
    const hash = await crypto.subtle.digest("SHA-256", new Uint8Array(1));
    const port = new URL(request.url).searchParams.get("port");
    const reply = await fetch(`http://127.0.0.1:${port}/`);
    return new Response(`${hash.byteLength} ${await reply.text()}`);
};
JS
my $origin = http_server({ '/' => sub { http_reply('200 OK', [], "far\n") } });
$s = started(user => 'nobody', chroot => $dir, chdir => '/app',
    root => '/app', fetch_allow => 'all');
is(fcgi($s->{socket}, cgi_env('/app/hello.js'))->{body}, "hello\n",
    'chroot: paths are inside');
for my $pid (settled_workers($s)) {
    is(readlink("/proc/$pid/root"), $dir, 'its root');
    is(readlink("/proc/$pid/cwd"), "$dir/app", 'its folder, inside');
}
isnt(fcgi($s->{socket}, cgi_env($hello))->{status}, 200,
    'paths outside are no paths');
is(fcgi($s->{socket}, cgi_env('/app/libraries.js',
    QUERY_STRING => "port=$origin->{port}"))->{body}, "32 far\n",
    'libraries outside can be used');
stop_process($s->{pid});

# ---- mistakes ---------------------------------------------------------------

my $conf = "$dir/mistake.conf";
for my $case (
    [{ user => 'no-such-user' }, qr/there is no user no-such-user/],
    [{ group => 'no-such-group' }, qr/there is no group no-such-group/],
    [{ groups => '0 no-such' }, qr/there is no group no-such/],
    [{ user => 54321 }, qr/set group/],
    [{ chroot => "$dir/gone" }, qr{chroot = \Q$dir\E/gone}],
    [{ chdir => $hello }, qr/no folder/],
) {
    my ($settings, $said) = @$case;
    my ($key) = keys %$settings;
    write_config($conf, pool => { listen => "$dir/never.sock",
        root => "$dir/app", %$settings });
    my $r = run_program(['serve', '-c', $conf], seconds => 20);
    is($r->{exit}, 78, "$key = $settings->{$key}: exit 78");
    like($r->{out} . $r->{err}, $said, 'and it is said');
}

# ---- not root ---------------------------------------------------------------

my $lower = write_file("$dir/lower", <<"SH", 0755);
#!$^X
use POSIX;
\$) = "$gid $gid";
POSIX::setgid($gid);
POSIX::setuid($uid);
exec { '${\program()}' } '${\program()}', \@ARGV;
die "exec: \$!";
SH
SKIP: {
    my $open = system($lower, '--version') == 0;
    skip('the program is closed to nobody', 6) if !$open;
    chmod(0777, my $own = temp_dir());
    $s = serve(dir => $own, program => $lower, pool => {
        root => "$dir/app", user => 'root', groups => '7', chroot => $dir,
        pm => 'static', max_children => 1 });
    is(fcgi($s->{socket}, $env)->{body}, "hello\n", 'not root: it serves');
    my @lines = grep { /not started by root/ }
        split(/\n/, read_file($s->{log}));
    is(scalar @lines, 1, 'what it cannot do is said once');
    like($lines[0] // '', qr/without user, groups, chroot/, 'by name');
    ($pid) = settled_workers($s);
    is(line($pid, 'NoNewPrivs'), 1, 'the rest is done');
    stop_process($s->{pid});

    chmod(0777, $own = temp_dir());
    $s = serve(dir => $own, program => $lower, pool => {
        root => "$dir/app", user => 'nobody' });
    is(fcgi($s->{socket}, $env)->{body}, "hello\n", 'its own user');
    unlike(read_file($s->{log}), qr/not started by root/,
        'nothing is said of it');
    stop_process($s->{pid});
}

done_testing();
