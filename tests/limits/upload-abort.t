#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use IO::Socket::INET;

# A client that goes in the middle of its upload, behind each web server: no
# function takes what came for the whole, and the next request is served.
# Some servers ask no function before they have the whole body; Apache's
# CGI cannot tell an end from an abort, but CONTENT_LENGTH does.
alarm(900);
my @kinds = qw(lighttpd-cgi lighttpd-spawn lighttpd-fastcgi apache-cgi
    apache-fcgid apache-proxy nginx nginx-keep);
for my $kind (@kinds) {
    SKIP: {
        my $missing = server_missing($kind);
        skip("$kind: $missing", 1) if defined $missing;
        my $s = server($kind, pool => { request_timeout => '100s' });
        for my $sent (0, 1, 100000, 299999) {
            my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                PeerPort => $s->{port}) or die "connect: $!";
            $c->print("POST /whole.js?$sent HTTP/1.1\r\nHost: localhost\r\n"
                . "Content-Length: 300000\r\n\r\n" . 'x' x $sent);
            $c->flush;
            close($c);
            my $r = http($s->{port}, 'GET', '/hello.js', seconds => 60);
            is($r->{body}, "hello\n",
                "$kind, gone after $sent bytes: the next request is served");
        }
        my $r = http($s->{port}, 'POST', '/whole.js?all', body => 'x' x 100000,
            seconds => 60);
        is($r->{body}, "whole 100000\n", "$kind: a whole upload");
        my $log = read_file($s->{log}) . read_file($s->{snaplog});
        unlike($log, qr/\bwhole \d+ with/, "$kind: no part was taken for the whole");
        unlike($log, qr/Sanitizer|runtime error|signal \d/, "$kind: no crash");
        stop_process($s->{pid});
        stop_process($s->{snapcgi}) if $s->{snapcgi};
    }
}

done_testing();
