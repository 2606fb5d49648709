#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use IO::Socket::UNIX;
use POSIX ();
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);

# What a process inherits beside its request: time zone, locale, umask, working
# folder, limits, and descriptors that are not what they should be.
my $dir = temp_dir();
my $script = write_file("$dir/place.js", <<'JS');
export default {
    async fetch(request) {
        const d = new Date(Date.UTC(2024, 6, 1, 12));
        return new Response([(1.5).toLocaleString("en"), 1e21.toString(),
            d.toISOString(), d.getTimezoneOffset(), "\u017e".toUpperCase(),
            await request.text()].join(" ") + "\n");
    },
};
JS
my $conf = write_config("$dir/c.conf", cgi => { root => $dir });
my $env = cgi_env($script);
my $plain = cgi($env, conf => $conf)->{body};
like($plain, qr/^1\.5 1e\+21 2024-07-01T12:00:00\.000Z 0 \xc5\xbd $/,
    'UTC and no locale to begin with');

sub same {
    my ($name, %o) = @_;
    my $r = cgi({ %$env, %{$o{env} // {}} }, conf => $conf,
        in_child => $o{in_child});
    is($r->{status}, 200, "$name: status");
    is($r->{body}, $o{want} // $plain, "$name: the reply is the same");
    is($r->{signal}, 0, "$name: no crash");
}

# Locales change no number and no letter, there or not.
for my $locale (qw(cs_CZ.UTF-8 tr_TR.UTF-8 de_DE C.UTF-8 nosuch ../../etc),
    'x' x 5000) {
    same('LC_ALL=' . substr($locale, 0, 20), env => { LC_ALL => $locale,
        LANG => $locale, LC_NUMERIC => $locale });
}

# A time zone is the function's own time, or UTC when it is none; an instant is
# the same everywhere.
for my $zone ('UTC', '', ':', 'Nowhere/Atall', '../../etc/passwd', 'x' x 5000) {
    same('TZ=' . substr($zone, 0, 20), env => { TZ => $zone });
}
for my $zone (qw(Europe/Prague America/New_York Asia/Kathmandu)) {
    my $r = cgi({ %$env, TZ => $zone }, conf => $conf);
    like($r->{body}, qr/^1\.5 1e\+21 2024-07-01T12:00:00\.000Z -?\d+ /,
        "TZ=$zone: the instant is the same");
}

for my $mask (0, 022, 0777) {
    same(sprintf('umask %04o', $mask), in_child => sub { umask $mask });
}
same('a working folder that is gone', in_child => sub {
    my $gone = "$dir/gone";
    mkdir $gone;
    chdir $gone;
    rmdir $gone;
});
same('the root as working folder', in_child => sub { chdir '/' });

# Standard input a socket: a web server's end, one end of a pair, one that is
# not connected. None of them listens, so it is CGI.
my $peer = "$dir/peer.sock";
my $listener = IO::Socket::UNIX->new(Local => $peer, Listen => 8,
    Type => SOCK_STREAM) or die "listen: $!";
same('a connected socket as stdin', in_child => sub {
    my $s = IO::Socket::UNIX->new(Peer => $peer, Type => SOCK_STREAM);
    POSIX::dup2(fileno($s), 0);
});
same('a socket of a pair as stdin', in_child => sub {
    socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC);
    POSIX::dup2(fileno($a), 0);
});
same('a socket without a peer as stdin', in_child => sub {
    socket(my $s, AF_UNIX, SOCK_STREAM, 0);
    POSIX::dup2(fileno($s), 0);
});
{
    my $post = cgi_env($script, REQUEST_METHOD => 'POST', CONTENT_LENGTH => 5);
    my $r = cgi($post, conf => $conf, in_child => sub {
        socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC);
        syswrite($b, 'hello');
        POSIX::dup2(fileno($a), 0);
    });
    like($r->{body}, qr/ hello$/, 'a body by a socket');
}
for my $path ($dir, '/dev/null', '/dev/zero') {
    same("$path as stdin", in_child => sub {
        POSIX::dup2(POSIX::open($path, POSIX::O_RDONLY()), 0);
    });
}

# Descriptors 0 to 2 in every state; nothing that is opened becomes one of
# them, so the log is not in the reply.
for my $mask (0 .. 7) {
    my @closed = grep { $mask & 1 << $_ } 0 .. 2;
    my $r = cgi($env, conf => $conf,
        in_child => sub { POSIX::close($_) for @closed });
    is($r->{signal}, 0, "closed: @closed: no crash");
    ok(!$r->{hung}, "closed: @closed: it ends");
    is($r->{body}, $mask & 2 ? '' : $plain, "closed: @closed: the reply, or nothing");
}

# The same for a server: closed, it serves on, and the log has its place.
for my $closed ([0], [1], [2], [0, 1, 2]) {
    my $sub = temp_dir();
    my $c = write_config("$sub/c.conf", global => { error_log => "$sub/log" },
        pool => { listen => "$sub/s", 'listen.mode' => '0666', root => $dir });
    my $shell = 'exec "$0" "$@" ' . join(' ', map { "$_>&-" } @$closed);
    my $pid = start(['/bin/sh', '-c', $shell, program(), 'serve', '-c', $c],
        env => { TZ => 'Nowhere/Atall', LC_ALL => 'nosuch' });
    my $ready = wait_socket("$sub/s", $pid);
    ok(ref $ready, "serve, closed: @$closed: it starts");
    close($ready) if ref $ready;
    my $r = ref $ready ? fcgi("$sub/s", $env) : {};
    is($r->{body}, $plain, "serve, closed: @$closed: a request");
    is(stop_process($pid), 0, "serve, closed: @$closed: SIGTERM: exit 0");
}

done_testing();
