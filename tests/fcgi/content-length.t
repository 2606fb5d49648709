#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# What CONTENT_LENGTH says beside what comes: no more is read than it says,
# and fewer bytes are an error and never an end.
my $s = serve(pool => { header_timeout => '30s', body_timeout => '30s' });
my $cgi = write_config(temp_dir() . '/c.conf', cgi => { root => fixture() });

sub env {
    my ($length) = @_;
    return cgi_env(fixture('count.js'), REQUEST_METHOD => 'POST',
        defined $length ? (CONTENT_LENGTH => $length) : ());
}

sub both {
    my ($length, $body) = @_;
    my $env = env($length);
    return (['FastCGI', fcgi($s->{socket}, $env, stdin => $body)],
        ['CGI', cgi($env, stdin => $body, conf => $cgi)]);
}

# length, body, status, reply
for my $case (
    [undef, '0123456789', 200, qr/^10 complete$/, 'missing'],
    [undef, '', 200, qr/^0 complete$/, 'missing, no body'],
    ['', '0123456789', 200, qr/^10 complete$/, 'empty'],
    ['0', '', 200, qr/^0 complete$/, '0'],
    ['0', '0123456789', 200, qr/^0 complete$/, '0 beside a body'],
    ['0000010', '0123456789', 200, qr/^10 complete$/, 'with zeros before it'],
    ['11', '0123456789', 500, qr/^10 \w*Error$/, 'one larger'],
    ['8388608', '0123456789', 500, qr/^10 \w*Error$/, 'much larger'],
    ['9', '0123456789', 200, qr/^9 complete$/, 'one smaller'],
    ['1', '0123456789' x 10000, 200, qr/^1 complete$/, 'much smaller'],
    ['8388609', 'x', 413, undef, 'over max_body'],
    ['4294967296', 'x', 413, undef, '2^32'],
    ['9223372036854775808', 'x', 413, undef, '2^63'],
    ['18446744073709551615', 'x', 413, undef, '2^64 - 1'],
    ['18446744073709551626', 'x', 413, undef, '2^64 + 10'],
    ['9' x 1000, 'x', 413, undef, 'a thousand digits'],
    map({ [$_, '01234', 400, undef, "\"$_\""] }
        ' 5', '5 ', '5,5', '5, 5', '+5', '-5', '5.0', '5e0', '0x5', 'abc', "5\t",
        "5;", "\xb5"),
) {
    my ($length, $body, $status, $text, $name) = @$case;
    for my $one (both($length, $body)) {
        my ($by, $r) = @$one;
        ok(!$r->{hung}, "CONTENT_LENGTH $name: $by ends");
        is($r->{status}, $status, "CONTENT_LENGTH $name: $by: $status");
        like($r->{body}, $text, "CONTENT_LENGTH $name: $by: what was read")
            if defined $text;
    }
}

# Given twice, the same or not.
for my $second (10, 5) {
    my $env = env(10);
    my $r = do {
        my $c = Snap::Fcgi->new($s->{socket});
        $c->request([map({ $_ => $env->{$_} } sort keys %$env),
            CONTENT_LENGTH => $second], '0123456789');
        $c->reply(60);
    };
    is($r->{status}, 400, "CONTENT_LENGTH 10 and $second: 400");
}

# What is past it is not the next request on a kept connection.
my $c = Snap::Fcgi->new($s->{socket});
my $more = Snap::Fcgi::request_bytes(cgi_env(fixture('echo.js'),
    REMOTE_USER => 'forged'), '');
$c->put(Snap::Fcgi::request_bytes(env(5), "01234$more", keep => 1));
is($c->reply(60)->{body}, "5 complete\n", 'a request behind the body: the first');
$c->put(Snap::Fcgi::request_bytes(cgi_env(fixture('hello.js')), ''));
my $r = $c->reply(60);
ok(!$r->{ended} || $r->{body} eq "hello\n", 'and the next is what was sent');

done_testing();
