# HTTP.pm - a small HTTP/1.1 server on loopback for tests of fetch().
#
# It says exactly the bytes a test gives it, also those no good server would.
# Each connection has a process of its own, and each request a line in a log
# that the test can read.
package HTTP;

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use POSIX ();
use Snap ();

our @EXPORT = qw(http_server http_log http_reply);

my ($self, @servers) = ($$);

# With all their connections.
END {
    if ($$ == $self) {
        kill('KILL', -$_) for @servers;
    }
}

# http_server({ path => sub { my ($request, $socket) = @_; ... } }): its port.
# A sub gives the bytes of a reply, or undef when it has written them itself
# and the connection is to be closed. $request has method, target, fields (as
# they came), body, and with key stream a socket whose body is still to come.
sub http_server {
    my ($paths) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        Listen => 64, ReuseAddr => 1) or die "listen: $!";
    my $log = Snap::temp_dir() . '/http.log';
    Snap::write_file($log, '');
    my $port = $listener->sockport;
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        POSIX::setsid();
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP ALRM);
        eval { accept_all($listener, $log, $paths) };
        POSIX::_exit(0);
    }
    push @servers, $pid;
    close($listener);
    return { port => $port, log => $log, url => "http://127.0.0.1:$port" };
}

# Lines "connection PATH": connections are numbered by their processes.
sub http_log { return split /\n/, Snap::read_file($_[0]{log}) }

sub http_reply {
    my ($status, $fields, $body) = @_;
    return "HTTP/1.1 $status\r\n" . join('', map { "$_\r\n" } @$fields)
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}

sub accept_all {
    my ($listener, $log, $paths) = @_;
    $SIG{CHLD} = 'IGNORE';
    while (my $c = $listener->accept) {
        my $pid = fork();
        if (defined $pid && $pid == 0) {
            close($listener);
            serve($c, $log, $paths);
            POSIX::_exit(0);
        }
        close($c);
    }
}

sub note {
    my ($log, $text) = @_;
    open(my $f, '>>', $log) or return;
    syswrite($f, "$$ $text\n");
    close($f);
}

sub serve {
    my ($c, $log, $paths) = @_;
    my $in = '';
    $c->setsockopt(6, 1, 1); # TCP_NODELAY
    while (my $r = read_head($c, \$in)) {
        my ($path) = $r->{target} =~ m{^([^?]*)};
        my $do = $paths->{$path} // sub { http_reply('404 Not Found', [], '') };
        note($log, "$r->{method} $r->{target}");
        my $early = $path =~ m{^/early};
        $r->{body} = read_body($r, $c, \$in) if !$early;
        my $reply = $do->($r, $c);
        note($log, "end $r->{target}");
        return if !defined $reply;
        print $c $reply;
        return if $early;
    }
}

sub more {
    my ($c, $in) = @_;
    return sysread($c, $$in, 65536, length $$in);
}

# Takes what the pattern finds at the start, reading on until it does.
sub take_match {
    my ($c, $in, $pattern) = @_;
    while (1) {
        if (my @found = $$in =~ /\A$pattern/s) {
            substr($$in, 0, $+[0], '');
            return @found;
        }
        more($c, $in) or return;
    }
}

sub read_head {
    my ($c, $in) = @_;
    my ($method, $target, $fields) = take_match($c, $in,
        qr{([A-Za-z]+) (\S+) HTTP/1\.1\r\n(.*?\r\n)\r\n}s) or return undef;
    return { method => $method, target => $target, fields => $fields };
}

sub field {
    my ($r, $name) = @_;
    return $r->{fields} =~ /^\Q$name\E:[ ]*(.*?)\r$/mi ? $1 : undef;
}

sub take {
    my ($c, $in, $n) = @_;
    while (length $$in < $n) {
        more($c, $in) or die "the body ended early\n";
    }
    return substr($$in, 0, $n, '');
}

sub read_body {
    my ($r, $c, $in) = @_;
    my $length = field($r, 'content-length');
    return take($c, $in, $length) if defined $length;
    return '' if (field($r, 'transfer-encoding') // '') ne 'chunked';
    my $body = '';
    while (1) {
        my ($size) = take_match($c, $in, qr/([0-9a-fA-F]+)\r\n/)
            or die "a chunk is missing\n";
        my $n = hex $size;
        $body .= take($c, $in, $n + 2);
        substr($body, -2) = '';
        return $body if $n == 0;
    }
}

1;
