#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Codec;
use Test::More;

# Two codecs that are not this house's: Debian's libnet-fastcgi-perl and
# libfcgi-client-perl.
my $missing = codec_missing();
plan(skip_all => "$missing: libnet-fastcgi-perl and libfcgi-client-perl")
    if defined $missing;

my $s = serve();
my $hello = cgi_env(fixture('hello.js'));
my $body = join('', map { chr($_ % 256) } 1 .. 100000);
my $post = cgi_env(fixture('body.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => length $body);
my $throw = cgi_env(fixture('throw.js'));
my $echo = cgi_env(fixture('echo.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 3, HTTP_X_LONG => 'v' x 300);

# Net::FastCGI.
my $r = codec($s->{socket}, $hello, '');
is("$r->{status} $r->{body}", "200 hello\n", 'GET');
is("$r->{app} $r->{protocol}", '0 0', 'FCGI_REQUEST_COMPLETE');
is(join(' ', @{$r->{types}}),
    'FCGI_STDOUT FCGI_STDOUT FCGI_END_REQUEST',
    'its records: the reply, the end of the stream, the end');
is($r->{err}, '', 'nothing on FCGI_STDERR');

$r = codec($s->{socket}, $post, $body);
is($r->{status}, 200, 'POST');
ok($r->{body} eq $body, 'its body comes back');
is("$r->{app} $r->{protocol}", '0 0', 'FCGI_REQUEST_COMPLETE');

$r = codec($s->{socket}, $echo, 'abc');
is($r->json->{body}, 'abc', 'a small body');
is($r->json->{headers}{'x-long'}, 'v' x 300, 'a value of 300 bytes');

$r = codec($s->{socket}, $throw, '');
is($r->{status}, 500, 'a function that throws');
like($r->{err}, qr/\AError: a secret of the function.*\n\z|\A\z/s,
    'FCGI_STDERR is whole lines, if there is any');
is($r->{protocol}, 0, 'FCGI_REQUEST_COMPLETE all the same');

for my $id (1, 7, 255, 256, 65535) {
    $r = codec($s->{socket}, $hello, '', id => $id);
    is("$r->{id} $r->{body}", "$id hello\n", "request id $id");
}

# One behind the other on a kept connection, sent together.
my @replies = eval {
    codec_replies(codec_send($s->{socket}, [1, 1, $hello, ''],
        [1, 1, $echo, 'abc'], [2, 0, $hello, '']), 3);
};
is($@, '', 'three requests, sent together: all is records');
is(join(' ', map { $_->{id} } @replies), '1 1 2', 'three replies in order');
is($replies[0] && $replies[0]{body}, "hello\n", 'the first');
is($replies[1] && $replies[1]->json->{body}, 'abc', 'the second');
is($replies[2] && $replies[2]{body}, "hello\n", 'the third');

# FCGI::Client.
$r = codec_client($s->{socket}, $hello, '');
is("$r->{status} $r->{body} $r->{app}", "200 hello\n 0", 'FCGI::Client: GET');
$r = codec_client($s->{socket}, $post, $body);
ok($r->{body} eq $body, 'FCGI::Client: POST');
$r = codec_client($s->{socket}, $throw, '');
is("$r->{status} $r->{app}", '500 0', 'FCGI::Client: a function that throws');

# By TCP as well.
my $port = free_port();
my $t = serve(pool => { listen => "127.0.0.1:$port" });
is(codec("127.0.0.1:$port", $hello, '')->{body}, "hello\n",
    'Net::FastCGI by TCP');
is(codec_client("127.0.0.1:$port", $hello, '')->{body}, "hello\n",
    'FCGI::Client by TCP');

done_testing();
