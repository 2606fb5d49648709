#!/usr/bin/perl
# A form as a browser sends it: request.formData() by CGI and by FastCGI.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Both;
use Snap;
use Test::More;

my $boundary = '----WebKitFormBoundaryePkpFF7tjBAqx29L';
my $type = "multipart/form-data; boundary=$boundary";

both_start();

sub part {
    my ($head, $content) = @_;
    return "--$boundary\r\nContent-Disposition: form-data; $head\r\n\r\n$content\r\n";
}

sub sent {
    my ($name, $body, $status, $expected, %vars) = @_;
    both($name, 'form.js', { REQUEST_METHOD => 'POST', CONTENT_TYPE => $type, %vars },
        $body, sub {
            my ($r, $by) = @_;
            is($r->{status}, $status, "$name: $by status");
            is($r->{body}, $expected, "$name: $by");
        });
}

sub sum {
    my ($sum) = (0);
    $sum = ($sum * 31 + $_) & 0xffffffff for unpack('C*', $_[0]);
    return $sum;
}

sent('fields', part('name="a"', 'one') . part('name="b%22"', "\xe2\x82\xac\r\n2")
    . "--$boundary--\r\n", 200, "a: one\nb\": \xe2\x82\xac\r\n2\n");

# Over several reads, with what looks like a boundary in it.
my $file = join('', map { chr($_ * 7 % 251) } 0 .. 99_999)
    . "\r\n--" . substr($boundary, 0, -1) . "\r\n" x 1000;
sent('a file', part('name="a"', '1')
    . part("name=\"f\"; filename=\"x \xc3\xa9.bin\"\r\nContent-Type: image/png", $file)
    . part("name=\"none\"; filename=\"\"\r\nContent-Type: application/octet-stream", '')
    . "--$boundary--\r\n", 200,
    "a: 1\nf: x \xc3\xa9.bin image/png " . length($file) . ' ' . sum($file)
    . "\nnone:  application/octet-stream 0 0\n");

sent('a form that was cut', part('name="a"', '1'), 400,
    "TypeError: formData: the body ends before its last boundary\n");
sent('urlencoded', 'a=1&b=%E2%82%AC+2', 200, "a: 1\nb: \xe2\x82\xac 2\n",
    CONTENT_TYPE => 'application/x-www-form-urlencoded');
sent('no form', 'a=1', 400, 'TypeError: formData: the body\'s Content-Type is '
    . "\"text/plain\", not a form's\n", CONTENT_TYPE => 'text/plain');

# The form of the examples takes both.
for (['urlencoded', 'name=A%26B&word=x', 'application/x-www-form-urlencoded'],
    ['multipart', part('name="name"', 'A&B') . part('name="word"', 'x')
        . "--$boundary--\r\n", $type]) {
    my ($name, $body, $as) = @$_;
    my $env = cgi_env(source('examples/form.js'),
        REQUEST_METHOD => 'POST', CONTENT_TYPE => $as, CONTENT_LENGTH => length $body);
    my $conf = write_config(temp_dir() . "/$name.conf", cgi => { root => source('examples') });
    like(cgi($env, stdin => $body, conf => $conf)->{body},
        qr{<dt>name</dt><dd>A&#38;B</dd><dt>word</dt><dd>x</dd>}, "examples/form.js: $name");
}

done_testing();
