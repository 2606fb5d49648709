# SoakClient.pm - a client of bench/soak: requests of many kinds one after the
# other, over HTTP connections that are kept or straight over FastCGI, each
# reply compared with what it must be. A line of a file for each request:
#
#     ID KIND FRONT STATUS good|bad|left WHY
#
# "left" are those whose client went away, as it was meant to.
package SoakClient;

use strict;
use warnings;

use Errno qw(EINTR);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOL_SOCKET SO_RCVTIMEO SO_SNDTIMEO);
use Time::HiRes qw(sleep time);

use Snap ();

my $patience = 60; # seconds without a byte
my $noise = join '', map { chr(int rand 256) } 1 .. 4096;
$noise x= 100;

# ---- kinds -----------------------------------------------------------------

# weight: of 10,000; leave: [least bytes of the reply, seconds] before the
# client goes away, or 'upload' in the middle of its body.
my %kinds = (
    hello => { weight => 2800, path => '/hello.js', good => \&is_hello },
    'hello, kept realm' => { weight => 2000, path => '/app/hello',
        good => \&is_hello },
    'hello, on demand' => { weight => 100, path => '/od/hello',
        good => \&is_hello },
    'kept state' => { weight => 500, path => '/kept/', good => \&is_counted },
    HEAD => { weight => 200, method => 'HEAD', path => '/hello.js',
        good => sub { $_[0] eq '' } },
    JSON => { weight => 900, method => 'POST',
        path => sub { ('/json.js', '/app/json')[rand 2] }, body => \&json,
        good => \&is_json },
    upload => { weight => 500, method => 'POST', path => '/upload.js',
        body => sub { substr $noise, rand 4096, rand 300_000 },
        good => sub { $_[0] eq length($_[1]) . ' ' . unpack('%32C*', $_[1])
                . "\n" } },
    echo => { weight => 200, method => 'POST', path => '/echo.js',
        body => sub { substr $noise, rand 4096, 1 + rand 70_000 },
        good => sub { $_[0] eq $_[1] } },
    stream => { weight => 500, path => '/stream.js',
        good => sub { $_[0] eq join '', map { "piece $_\n" } 0 .. 4 } },
    'large reply' => { weight => 200, path => '/large.js',
        good => sub { $_[0] eq 'x' x 1_000_000 } },
    fetch => { weight => 400, path => '/fetch.js',
        good => sub { $_[0] eq "fetched 3000\n" } },
    console => { weight => 500, path => '/log.js',
        good => sub { $_[0] eq "logged\n" } },
    'error 500' => { weight => 500, path => '/throw.js', status => 500,
        good => sub { $_[0] !~ /secret/ } },
    'error 404' => { weight => 300, path => '/app/none', status => 404,
        good => sub { $_[0] eq "none\n" } },
    'time-out, waiting' => { weight => 2, path => '/wait.js', status => 504 },
    'time-out, computing' => { weight => 2, path => '/loop.js',
        status => 504 },
    'left in its upload' => { weight => 150, method => 'POST',
        path => '/upload.js', body => sub { substr $noise, 0, 100_000 },
        leave => 'upload' },
    'left before the reply' => { weight => 100, path => '/sleep.js',
        leave => [0, 0.03] },
    'left in the reply' => { weight => 146, path => '/large.js',
        leave => [40_000, 0.001] },
);

# What a reload must not disturb, and nothing that slows it down.
my @quick = ('hello', 'hello, kept realm', 'kept state', 'JSON', 'stream');

sub kind_names { return sort keys %kinds }
sub is_left { return defined $kinds{$_[0]}{leave} }

sub json {
    my ($id) = @_;
    return qq({"id":"$id","list":[) . join(',', 1 .. 200) . ']}';
}

sub is_json {
    my ($got, $body) = @_;
    my ($id) = $body =~ /"id":"([^"]+)"/;
    return $got eq qq({"id":"$id","count":200,"sum":20100});
}

# Code and configuration at least as new as the last reload that was over
# before the request was sent.
sub is_hello {
    my ($got, undef, $floor) = @_;
    my ($code, $conf) = $got =~ /\Ahello (\d+) (\d+)\n\z/ or return 0;
    my ($least_code, $least_conf) = split ' ', $floor;
    return $code >= $least_code && $conf >= $least_conf;
}

# Nothing that was counted is forgotten.
my $counted = 0;

sub is_counted {
    my ($count) = $_[0] =~ /\Akept (\d+)\n\z/ or return 0;
    my $more = $count > $counted;
    $counted = $count;
    return $more;
}

# ---- HTTP ------------------------------------------------------------------

sub dial {
    my ($c) = @_;
    my $s = $c->{peer} =~ m{^/}
        ? IO::Socket::UNIX->new(Peer => $c->{peer})
        : IO::Socket::INET->new(PeerAddr => "127.0.0.1:$c->{peer}");
    die "connect: $!\n" if !$s;
    setsockopt($s, SOL_SOCKET, $_, pack('l!l!', $patience, 0))
        for SO_RCVTIMEO, SO_SNDTIMEO;
    @$c{qw(socket in fresh)} = ($s, '', 1);
}

sub hang_up {
    my ($c) = @_;
    close($c->{socket}) if $c->{socket};
    $c->{socket} = undef;
}

sub put {
    my ($c, $bytes) = @_;
    my $at = 0;
    while ($at < length $bytes) {
        my $n = syswrite($c->{socket}, $bytes, 65536, $at);
        next if !defined $n && $!{EINTR};
        die "write: $!\n" if !$n;
        $at += $n;
    }
}

sub more {
    my ($c) = @_;
    while (1) {
        my $n = sysread($c->{socket}, $c->{in}, 65536, length $c->{in});
        next if !defined $n && $!{EINTR};
        return 1 if $n;
        die $!{EAGAIN} ? "no byte for $patience s\n" : "read: $!\n"
            if !defined $n;
        return 0;
    }
}

sub need {
    my ($c) = @_;
    more($c) or die "closed\n";
}

sub take_bytes {
    my ($c, $n) = @_;
    need($c) while length $c->{in} < $n;
    return substr $c->{in}, 0, $n, '';
}

sub take_line {
    my ($c) = @_;
    my $at;
    need($c) while ($at = index $c->{in}, "\r\n") < 0;
    return substr substr($c->{in}, 0, $at + 2, ''), 0, -2;
}

sub take_chunks {
    my ($c, $r) = @_;
    while (1) {
        my $n = hex take_line($c);
        $r->{body} .= take_bytes($c, $n);
        take_line($c);
        return if $n == 0;
    }
}

# Fills $r, so that what came before a failure is known.
sub take_reply {
    my ($c, $r, $method) = @_;
    ($r->{status}) = take_line($c) =~ m{^HTTP/1\.[01] (\d{3})}
        or die "no status line\n";
    my %field;
    while ((my $line = take_line($c)) ne '') {
        $field{lc $1} = $2 if $line =~ /^([^:]+):\s*(.*)$/;
    }
    my $length = $field{'content-length'};
    $r->{close} = ($field{connection} // '') =~ /close/i;
    if ($method eq 'HEAD' || $r->{status} == 204 || $r->{status} == 304) {
        return;
    } elsif (($field{'transfer-encoding'} // '') =~ /chunked/i) {
        take_chunks($c, $r);
    } elsif (defined $length) {
        need($c) while length $c->{in} < $length;
        $r->{body} = take_bytes($c, $length);
    } else {
        1 while more($c);
        @$r{qw(body close)} = ($c->{in}, 1);
    }
}

sub http {
    my ($c, $r, $id, $method, $path, $body) = @_;
    dial($c) if !$c->{socket};
    my $head = "$method $path HTTP/1.1\r\nHost: localhost\r\n"
        . "X-Request-Id: $id\r\n";
    $head .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
    put($c, "$head\r\n" . ($body // ''));
    take_reply($c, $r, $method);
    hang_up($c) if $r->{close};
}

# Sends a request and goes away.
sub leave {
    my ($c, $id, $k, $method, $path, $body) = @_;
    hang_up($c);
    dial($c);
    my $head = "$method $path HTTP/1.1\r\nHost: localhost\r\n"
        . "X-Request-Id: $id\r\n";
    $head .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
    if ($k->{leave} eq 'upload') {
        put($c, "$head\r\n" . substr $body, 0, length($body) / 2);
    } else {
        put($c, "$head\r\n" . ($body // ''));
        my ($bytes, $seconds) = @{$k->{leave}};
        need($c) while length $c->{in} < $bytes;
        sleep rand $seconds;
    }
    hang_up($c);
}

# ---- FastCGI ---------------------------------------------------------------

sub fastcgi {
    my ($c, $r, $id, $method, $path, $body) = @_;
    my ($pool) = $path =~ m{^/(app|od|kept)/};
    local $c->{peer} = $c->{sockets}{$pool // 'www'};
    dial($c);
    put($c, Snap::Fcgi::request_bytes(Snap::cgi_env("$c->{root}$path",
        SCRIPT_NAME => $path, REQUEST_METHOD => $method,
        HTTP_X_REQUEST_ID => $id, CONTENT_LENGTH => length($body // '')),
        $body // ''));
    my ($out, $type) = ('', 0);
    while ($type != 3) {
        my ($n, $pad);
        (undef, $type, undef, $n, $pad) = unpack 'CCnnC', take_bytes($c, 8);
        my $content = take_bytes($c, $n + $pad);
        $out .= substr $content, 0, $n if $type == 6;
    }
    hang_up($c);
    my ($head, $text) = split /\r\n\r\n/, $out, 2;
    @$r{qw(status body)} = ($head // '') =~ /^Status: (\d{3})/m
        ? ($1, $text // '') : (undef, $out);
}

# ---- one client ------------------------------------------------------------

sub choose {
    my ($names) = @_;
    my $at = rand $names->[-1][0];
    for my $one (@$names) {
        return $one->[1] if $at < $one->[0];
    }
}

# The names with the sum of the weights so far.
sub ladder {
    my $sum = 0;
    return [map { [$sum += $kinds{$_}{weight}, $_] } @_];
}

# One request; gives status, verdict and why.
sub one {
    my ($c, $id, $k) = @_;
    my $path = ref $k->{path} ? $k->{path}->() : $k->{path};
    my @what = ($k->{method} // 'GET', $path,
        $k->{body} ? $k->{body}->($id) : undef);
    if (defined $k->{leave}) {
        eval { leave($c, $id, $k, @what); 1 } or hang_up($c);
        return ('-', 'left', '');
    }
    my $floor = Snap::read_file($c->{floor});
    my %r = (body => '');
    my $begun = time;
    my $done = eval {
        $c->{sockets} ? fastcgi($c, \%r, $id, @what)
            : http($c, \%r, $id, @what);
        1;
    };
    my $why = $done ? '' : $@ =~ s/\s+$//r;
    hang_up($c) if !$done;
    my $status = $r{status} // '-';
    if ($done && $status ne ($k->{status} // 200)) {
        $why = 'not that status';
    } elsif ($done && $k->{good} && !$k->{good}->($r{body}, $what[2], $floor)) {
        $why = 'not that body (floor ' . ($floor =~ s/\s+$//r) . '): '
            . length($r{body}) . ' bytes, '
            . (substr($r{body}, 0, 60) =~ s/[^ -~]/./gr);
    }
    return ($status, 'good', '') if $why eq '';
    return ($status, 'bad',
        sprintf('%s; %s, %.3f to %.3f', $why, $path, $begun, time));
}

# run(%o): in a process of its own.
#   number, front (a name); peer (a port), or sockets ({pool => path}) and root
#   requests, until (a moment, or 0), quick; floor, out (files); beat (a pipe)
sub run {
    my (%o) = @_;
    my $c = {%o};
    srand 4711 + $o{number};
    my $names = ladder($o{quick} ? @quick : kind_names());
    open(my $out, '>', $o{out}) or die "$o{out}: $!";
    for my $n (1 .. $o{requests}) {
        last if $o{until} && time > $o{until};
        my $id = "c$o{number}-$n";
        my $kind = choose($names);
        my ($status, $verdict, $why) = one($c, $id, $kinds{$kind});
        print $out join("\t", $id, $kind, $o{front}, $status, $verdict, $why),
            "\n";
        syswrite $o{beat}, '.' if $n % 10 == 0;
    }
    close($out) or die "$o{out}: $!";
}

1;
