# ServerCases.pm - what every web server, in every mode, must show a client.
package ServerCases;

use strict;
use warnings;

use Snap;
use Test::More;

# Where a server itself, not snapcgi, decides otherwise:
#   path_info: a path after the script's name reaches it
#   slashes:   %2F in a path passes
#   double:    a path with two slashes at its head finds the file
my %traits = (
    'lighttpd-cgi' => { path_info => 1, slashes => 1, double => 1 },
    'lighttpd-spawn' => { path_info => 1, slashes => 1, double => 1 },
    'lighttpd-fastcgi' => { path_info => 1, slashes => 1, double => 1 },
    'apache-cgi' => { path_info => 1, double => 1 },
    'apache-fcgid' => { path_info => 1, double => 1 },
    'apache-proxy' => { path_info => 1, double => 1 },
    'nginx' => { double => 1 },
    'nginx-keep' => { double => 1 },
);

my ($s, $t);

sub run {
    my ($kind) = @_;
    my $missing = server_missing($kind);
    plan(skip_all => $missing) if $missing;
    $t = $traits{$kind};
    $s = server($kind, pool => { max_body => '8m' });
    $t->{resident} = $kind !~ /-cgi$/;
    subtest_of($_->[0], $_->[1]) for cases();
    diag(failure_logs()) if !Test::More->builder->is_passing;
    done_testing();
}

# One flat TAP line per check, each beginning with its case.
sub subtest_of {
    my ($name, $code) = @_;
    $ServerCases::name = $name;
    eval { $code->(); 1 } or fail("$name: $@");
}

sub name { return join(': ', $ServerCases::name, @_) }

sub failure_logs {
    return join('', map { "---- $_\n" . substr(read_file($_), -3000) }
        @$s{qw(log snaplog)});
}

sub get { return http($s->{port}, 'GET', @_) }
sub post { my $target = shift; return http($s->{port}, 'POST', $target, body => @_) }

sub cases {
    return (
        ['hello' => \&hello],
        ['request line and fields' => \&request_fields],
        ['body of 1 MB' => \&large_body],
        ['body of 0 bytes' => \&empty_body],
        ['body over max_body' => \&body_too_large],
        ['unread body' => \&unread_body],
        ['HEAD' => \&head],
        ['missing script' => \&missing_script],
        ['a throwing function' => \&throwing],
        ['redirect' => \&redirect],
        ['two cookies' => \&cookies],
        ['streamed reply' => \&streamed],
        ['large reply' => \&large_reply],
        ['timer' => \&timer],
        ['statuses' => \&statuses],
        ['binary reply' => \&binary],
        ['fields a script may not set' => \&own_fields],
        ['encoded slash' => \&encoded_slash],
        ['two slashes' => \&two_slashes],
        ['Proxy field' => \&proxy_field],
        ['unicode' => \&unicode],
        ['classic form' => \&classic],
        ['one after the other' => \&many],
    );
}

sub hello {
    my $r = get('/hello.js');
    is($r->{status}, 200, name('status'));
    is($r->{body}, "hello\n", name('body'));
    like($r->header('content-type'), qr{^text/plain; ?charset=utf-8$}i,
        name('content type'));
}

sub request_fields {
    my $r = get('/echo.js?a=1&b=%20x&c=%2F', headers => [
        'X-Test', 'value one', 'Accept-Language', 'cs, en', 'Cookie', 'k=v']);
    my $got = $r->json;
    is($got->{method}, 'GET', name('method'));
    my $url = $got->{url} // '';
    is($url, "http://127.0.0.1:$s->{port}/echo.js?a=1&b=%20x&c=%2F",
        name('URL'));
    is($got->{headers}{'x-test'}, 'value one', name('own field'));
    is($got->{headers}{'accept-language'}, 'cs, en', name('list field'));
    is($got->{headers}{cookie}, 'k=v', name('cookie'));
    is($got->{headers}{host}, "127.0.0.1:$s->{port}", name('host'));
    is($got->{body}, undef, name('a GET has no body'));
    $r = get('/echo.js', headers => ['Authorization', 'Basic eDp5']);
    is($r->json->{headers}{authorization}, 'Basic eDp5',
        name('Authorization'));
}

sub large_body {
    my $body = join('', map { chr(($_ * 7 + ($_ >> 8)) & 255) } 0 .. 65535) x 16;
    my $r = post('/body.js', $body, headers => [
        'Content-Type', 'application/octet-stream']);
    is($r->{status}, 200, name('status'));
    is(length $r->{body}, length $body, name('length'));
    ok($r->{body} eq $body, name('the same bytes come back'));
}

sub empty_body {
    my $r = post('/count.js', '');
    is("$r->{status} $r->{body}", "200 0 complete\n", name());
}

sub body_too_large {
    my $r = post('/count.js', 'x' x (9 << 20));
    is($r->{status}, 413, name());
}

sub unread_body {
    my $r = post('/unread.js', 'x' x 300000);
    is("$r->{status} $r->{body}", "200 not read\n", name('reply'));
    is(get('/hello.js')->{body}, "hello\n", name('the next request'));
}

sub head {
    my $r = http($s->{port}, 'HEAD', '/hello.js');
    is($r->{status}, 200, name('status'));
    is($r->{body}, '', name('no body'));
    is(get('/hello.js')->{body}, "hello\n", name('the next request'));
}

sub missing_script {
    my $r = get('/nothere.js');
    is($r->{status}, 404, name('status'));
    unlike($r->{body}, qr/tests.fixtures/, name('no path in the page'));
}

sub throwing {
    for my $script (qw(throw reject syntax notresponse nohandler)) {
        my $r = get("/$script.js");
        is($r->{status}, 500, name($script, 'status'));
        unlike($r->{body}, qr/secret|fixtures|SyntaxError|at .*:\d/,
            name($script, 'nothing of it in the page'));
    }
    my $log = read_file($s->{snaplog}) . read_file($s->{log});
    like($log, qr/a secret of the function/, name('the message in the log'));
    like($log, qr/throw\.js:2/, name('the place in the log'));
    like($log, qr/syntax\.js:3/, name('the place of a syntax error'));
}

sub redirect {
    my $r = get('/redirect.js');
    is($r->{status}, 302, name('status'));
    is($r->header('location'), "http://127.0.0.1:$s->{port}/there?x=1",
        name('location'));
}

sub cookies {
    is_deeply([get('/cookies.js')->all('set-cookie')],
        ['a=1; Path=/', 'b=2; Path=/'], name());
}

sub streamed {
    my $r = get('/stream.js');
    is($r->{body}, "one\ntwo\nthree\n", name('body'));
    ok($r->{whole}, name('ended properly'));
    my $first = $r->{times}[0][0];
    my $last = $r->{times}[-1][0];
    cmp_ok($last - $first, '>', 0.3, name('the first piece comes early'));
}

sub large_reply {
    my $r = get('/large.js');
    is(length $r->{body}, 1000000, name('length'));
    ok($r->{whole}, name('ended properly'));
}

sub timer { is(get('/timer.js')->{body}, "waited\n", name()) }

sub statuses {
    my $r = get('/status.js?204');
    is("$r->{status}/$r->{body}", '204/', name('204 has no body'));
    $r = get('/status.js?418');
    is("$r->{status}/$r->{body}", "418/418\n", name('418 with its body'));
    $r = get('/status.js?503');
    is("$r->{status}/$r->{body}", "503/503\n", name('503 with its body'));
    is(get('/reason.js')->{status}, 299, name('a status of no standard'));
}

sub binary {
    is(get('/binary.js')->{body}, join('', map { chr } 0 .. 255), name());
}

sub own_fields {
    my $r = get('/ownheaders.js');
    is("$r->{status} $r->{body}", "200 fields\n", name('reply'));
    is($r->header('x-own'), 'mine', name('its own field'));
    is($r->header($_), undef, name($_))
        for qw(upgrade trailer status x-accel-redirect x-sendfile);
    is(get('/badheader.js')->{body}, "TypeError\n", name('a line end'));
}

sub encoded_slash {
    SKIP: {
        skip('the server does not pass it on', 1)
            if !$t->{path_info} || !$t->{slashes};
        is(get('/echo.js/a%2Fb%20c')->json->{url},
            "http://127.0.0.1:$s->{port}/echo.js/a%2Fb%20c", name());
    }
}

sub two_slashes {
    my $r = get('//evil/echo.js');
    is($r->json->{url}, "http://127.0.0.1:$s->{port}//evil/echo.js",
        name('the path does not become the host'));
}

sub proxy_field {
    my $r = get('/echo.js', headers => ['Proxy', 'http://evil.example/']);
    is($r->json->{headers}{proxy}, undef, name('is not visible'));
}

sub unicode {
    my $r = post('/unicode.js?q=%C5%BE%F0%9F%90%8E', "t\xc4\x9blo");
    my $got = $r->json;
    is($got->{text}, "\x{17e}lu\x{165}ou\x{10d}k\x{fd} \x{1f40e} \x{2014} ",
        name('text'));
    is($got->{query}, "\x{17e}\x{1f40e}", name('query'));
    is($got->{body}, "t\x{11b}lo", name('body'));
}

sub classic {
    is(get('/classic.js')->{body}, "classic GET\n", name('addEventListener'));
    is(get('/function.js')->{body}, "function GET\n", name('a plain function'));
}

sub many {
    my $n = $t->{resident} ? 40 : 5;
    my $good = grep { get('/hello.js')->{body} eq "hello\n" } 1 .. $n;
    is($good, $n, name());
}

1;
