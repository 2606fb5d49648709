# Codec.pm - FastCGI by Net::FastCGI and FCGI::Client, which know nothing of
# this house: what Snap.pm's own client believes of the protocol is not
# believed here.
package Codec;

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Snap;
use Socket qw(SOCK_STREAM);
use IO::Select;
use Time::HiRes qw(time);

our @EXPORT = qw(codec_missing codec codec_send codec_replies codec_client);

# The first module that is not installed; undef when all are.
sub codec_missing {
    for my $module (qw(Net::FastCGI::Protocol Net::FastCGI::Constant
            FCGI::Client::Connection)) {
        eval "require $module; 1" or return "no $module";
    }
    return undef;
}

sub socket_to {
    my ($peer) = @_;
    my $s = $peer =~ m{^/}
        ? IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $peer)
        : IO::Socket::INET->new(PeerAddr => $peer, Timeout => 5);
    return $s // die "connect to $peer: $!";
}

# codec_send($socket or peer, [id, keep, \%params, stdin], ...): requests, one
# behind the other. Gives the socket.
sub codec_send {
    my ($to, @requests) = @_;
    my $s = ref $to ? $to : socket_to($to);
    my $bytes = '';
    for my $one (@requests) {
        my ($id, $keep, $params, $stdin) = @$one;
        $bytes .= Net::FastCGI::Protocol::build_begin_request($id, 1,
            $keep ? 1 : 0, $params, $stdin);
    }
    $s->print($bytes);
    $s->flush;
    return $s;
}

# All records up to so many END_REQUESTs, each reply as a Snap::Reply with id,
# err, app, protocol and the types of its records; dies on what is no record.
sub codec_replies {
    my ($s, $count, $seconds) = @_;
    my $end = time + ($seconds // 30);
    my ($in, @done, %open) = ('');
    while (@done < $count) {
        my $n = length $in < 8 ? 8
            : Net::FastCGI::Protocol::get_record_length($in);
        if (length $in < $n) {
            my $can = IO::Select->new($s)->can_read($end - time);
            die "no END_REQUEST in time\n" if !$can;
            sysread($s, $in, 65536, length $in)
                or die "closed within a reply\n";
            next;
        }
        my ($type, $id, $content) =
            Net::FastCGI::Protocol::parse_record(substr($in, 0, $n, ''));
        my $name = Net::FastCGI::Protocol::get_type_name($type);
        my $one = $open{$id} //= { id => $id, types => [] };
        push @{$one->{types}}, $name;
        if ($name eq 'FCGI_END_REQUEST') {
            @$one{qw(app protocol)} =
                Net::FastCGI::Protocol::parse_end_request_body($content);
            push @done, delete $open{$id};
        } else {
            $one->{$name} .= $content;
        }
    }
    die "bytes behind the last END_REQUEST\n" if $in ne '';
    return map { finish($_) } @done;
}

sub finish {
    my ($one) = @_;
    my $reply = Snap::Reply->from_cgi($one->{FCGI_STDOUT} // '');
    $reply->{$_} = $one->{$_} for qw(id app protocol types);
    $reply->{err} = $one->{FCGI_STDERR} // '';
    return $reply;
}

# One request by Net::FastCGI, on a connection of its own.
sub codec {
    my ($peer, $params, $stdin, %o) = @_;
    my $s = codec_send($peer, [$o{id} // 1, 0, $params, $stdin]);
    my ($reply) = codec_replies($s, 1, $o{seconds});
    return $reply;
}

# One request by FCGI::Client: Snap::Reply with err and app.
sub codec_client {
    my ($peer, $params, $stdin) = @_;
    my $s = socket_to($peer);
    my $client = FCGI::Client::Connection->new(sock => $s, timeout => 30);
    # It counts down the time of the whole test in seconds of its own.
    my $left = alarm(0);
    my ($out, $err, $app) = $client->request({ %$params }, $stdin);
    alarm($left);
    my $reply = Snap::Reply->from_cgi($out // '');
    @$reply{qw(err app)} = ($err // '', $app);
    return $reply;
}

1;
