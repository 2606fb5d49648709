#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Both;
use HTTP;
use Snap;
use Test::More;

use Compress::Zlib;
use Digest::MD5 qw(md5_hex);

# fetch() over real sockets: what goes out, what comes in, and what is no
# reply. By CGI and by FastCGI.
my $large = join('', map { "line $_\n" } 1 .. 400000);

sub say_raw {
    my (@bytes) = @_;
    return sub {
        my ($r, $c) = @_;
        print $c $_ and select(undef, undef, undef, 0.02) for @bytes;
        return undef;
    };
}

sub say_whole {
    my ($status, $fields, $body) = @_;
    return sub { http_reply($status, $fields, $body) };
}

sub more_after {
    my ($first, $later) = @_;
    return sub {
        my ($r, $c) = @_;
        print $c $first;
        select(undef, undef, undef, 0.1);
        return $later;
    };
}

sub never {
    my ($r, $c) = @_;
    sysread($c, my $end, 1); # until the other side hangs up
    return undef;
}

my $h = http_server({
    '/get' => say_whole('200 Fine', ['X-One: 1', 'Set-Cookie: a=1',
        'Set-Cookie: b=2', "X-Name: \t caf\xe9 \t"], 'hello'),
    '/echo' => sub { my ($r) = @_; http_reply('200 OK', [],
        "$r->{method} $r->{target}\n" . ($r->{fields} =~ s/\r//gr)
        . "\n$r->{body}") },
    '/count' => sub { http_reply('200 OK', [], length $_[0]{body}) },
    '/large' => say_whole('200 OK', [], $large),
    '/none' => say_raw("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"),
    '/same' => say_raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    '/hints' => say_raw("HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    '/chunks' => say_raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n3\r\none\r\n", "4;x=y\r\n two\r\n", "0\r\nX-Trailer: t\r\n\r\n"),
    '/close' => say_raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 'to ',
        'the end'),
    '/noreason' => say_raw("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    '/folded' => say_raw("HTTP/1.1 200 OK\r\nX-A: one\r\nX-B:two\r\n"
        . "Content-Length: 1\r\n\r\nx"),
    '/gzip' => say_whole('200 OK', ['Content-Encoding: gzip'],
        Compress::Zlib::memGzip('zipped')),
    '/brotli' => say_whole('200 OK', ['Content-Encoding: br'], pack('H*',
        '1b1700f81da9539fbb70092226572c7499c6f616fa8403ec07')),
    '/deflate' => say_whole('200 OK', ['Content-Encoding: deflate'],
        Compress::Zlib::compress('deflated')),
    '/odd' => say_whole('200 OK', ['Content-Encoding: odd'], 'as it is'),
    '/badgzip' => say_whole('200 OK', ['Content-Encoding: gzip'], 'not gzip'),
    '/redirect' => say_whole('302 Found', ['Location: /get'], 'moved'),
    '/away' => say_whole('302 Found', ['Location: http://127.0.0.2:1024/'], ''),
    '/early' => sub {
        my ($r, $c) = @_;
        print $c "HTTP/1.1 413 Too Large\r\nContent-Length: 7\r\n"
            . "Connection: close\r\n\r\ntoo big";
        # It is polite and lets the reply arrive before it hangs up.
        select(undef, undef, undef, 0.3);
        return undef;
    },
    '/endless' => sub {
        my ($r, $c) = @_;
        print $c "HTTP/1.1 200 OK\r\n\r\n";
        while (print $c 'x' x 65536) { }
        return undef;
    },
    '/never' => \&never,
    # and go on, on a connection that is kept, with what is no reply
    '/no/204' => more_after("HTTP/1.1 204 None\r\n\r\n", 'a body'),
    '/no/304' => more_after("HTTP/1.1 304 Same\r\nContent-Length: 6\r\n\r\n",
        'a body'),
    '/no/200' => more_after("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"),
    '/short' => say_raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    '/shortchunk' => say_raw("HTTP/1.1 200 OK\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
    '/nochunk' => say_raw("HTTP/1.1 200 OK\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    '/silent' => sub { return undef },
    '/old' => say_raw("just text\r\n"),
    '/status' => say_raw("HTTP/1.1 abc OK\r\n\r\n"),
    '/lengths' => say_raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    '/nul' => say_raw("HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n"),
    '/cr' => say_raw("HTTP/1.1 200 OK\r\nX-A: a\rb\r\n\r\n"),
    '/head' => say_raw("HTTP/1.1 200 OK\r\n" . ('X: ' . 'y' x 4000 . "\r\n") x 50
        . "\r\n"),
    '/longline' => say_raw("HTTP/1.1 200 OK\r\nX: " . 'y' x 200000 . "\r\n\r\n"),
});
my $s = both_start(fetch_allow => 'public 127.0.0.1', request_timeout => '10s');
my @proxy = (http_proxy => 'http://127.0.0.1:9/', all_proxy => 'http://127.0.0.1:9/');

# try_case(name, case, path, what the body must be like)
sub try_case {
    my ($name, $case, $path, $like) = @_;
    my $query = "port=$h->{port}&case=$case" . (defined $path ? "&path=$path" : '');
    both($name, 'fetch.js', { QUERY_STRING => $query, @proxy }, '', sub {
        my ($r, $by) = @_;
        is($r->{status}, 200, "$name: status");
        ref $like ? like($r->{body}, $like, "$name: $by")
            : is($r->{body}, $like, "$name: $by");
    });
}

# ---- what goes out -----------------------------------------------------------

my $host = "Host: 127.0.0.1:$h->{port}";
try_case('a request has fields of its own', 'text', '/echo',
    "GET /echo\n$host\nAccept-Encoding: gzip, deflate, br\nAccept: */*\n"
    . "Accept-Language: *\nUser-Agent: snapcgi\n\n");
try_case('a text', 'post', undef, qr{\APOST[ ]/echo\n(?!.*^Expect)(?=.*^X-Empty:$)
    (?=.*^X-One:[ ]1$)(?=.*^content-type:[ ]text/plain;charset=UTF-8$)
    (?=.*^Content-Length:[ ]4$).*\n\ntext\z}xmsi);
try_case('a POST without a body', 'nothing', undef,
    qr{\APOST (?!.*^Content-Type)(?=.*^Content-Length: 0$).*\n\n\z}msi);
try_case('bytes have no type', 'untyped', undef,
    qr{\APATCH (?!.*^Content-Type)(?=.*^Content-Length: 5$).*\n\nbytes\z}msi);
try_case('a large body', 'large', undef, '3000000');
try_case('a stream is sent in chunks', 'stream', undef,
    qr{\APUT[ ](?!.*^Expect)(?!.*^Content-Length)
    (?=.*^Transfer-Encoding:[ ]chunked$).*\n\none[ ]two[ ]three\z}xmsi);
try_case('a large stream', 'streamed', undef, '6553600');
try_case('a server that answers before the body is sent', 'early', undef,
    '413 too big');

# ---- what comes in -----------------------------------------------------------

try_case('a reply', 'get', undef, "200 Fine\ncontent-length: 5\n"
    . "set-cookie: a=1\nset-cookie: b=2\nx-name: caf\xc3\xa9\nx-one: 1\n\nhello");
try_case('HEAD has no body', 'head', '/get', qr{\A200 Fine\n.*\n\n\z}s);
try_case('204 has no body', 'show', '/none', "204 No Content\nx-a: b\n\n");
try_case('304 has no body', 'show', '/same', qr{\A304 Not Modified\n.*\n\n\z}s);
try_case('replies before the one that counts', 'show', '/hints',
    "200 OK\ncontent-length: 2\n\nok");
try_case('chunks', 'show', '/chunks',
    "200 OK\ntransfer-encoding: chunked\n\none two");
try_case('a body up to the end of the connection', 'text', '/close',
    'to the end');
try_case('a status without a reason', 'show', '/noreason', qr{\A200 \n});
try_case('gzip', 'text', '/gzip', 'zipped');
try_case('brotli', 'text', '/brotli', 'brotli, ' x 3);
try_case('deflate', 'text', '/deflate', 'deflated');
try_case('an encoding that is not known', 'show', '/odd',
    qr{\A200 OK\ncontent-encoding: odd\n.*\n\nas it is\z}s);
try_case('an encoding that the script asked for', 'raw', '/gzip',
    qr{\A\x1f(?!.*zipped)}s);
try_case('a redirect', 'show', '/redirect', qr{\A200 Fine\n});
try_case('a large reply', 'length', '/large', length $large);
try_case('a part of an endless reply', 'part', undef, 'enough');
try_case('replies that nobody reads', 'unread', undef, join(' ', (200) x 10));
try_case('an abort', 'aborted', undef, qr/\AAbortError: /);

both('a reply passed on', 'fetch.js',
    { QUERY_STRING => "port=$h->{port}&case=proxy&path=/large" }, '', sub {
        my ($r, $by) = @_;
        is(md5_hex($r->{body}), md5_hex($large), "a reply passed on: $by");
    });

# ---- many --------------------------------------------------------------------

# Connections made since the log had that many lines.
sub connections {
    my ($before) = @_;
    my @lines = map { /^(\d+) / ? $1 : () } http_log($h);
    my %known = map { $_ => 1 } @lines[0 .. $before - 1];
    my %new = map { $known{$_} ? () : ($_ => 1) } @lines;
    return scalar keys %new;
}

for my $case (['chain', '100', 1], ['many', join(' ', (200) x 20), 6]) {
    my ($name, $body, $most) = @$case;
    my $env = cgi_env(fixture('fetch.js'),
        QUERY_STRING => "port=$h->{port}&case=$name");
    my $before = () = http_log($h);
    is(fcgi($s->{socket}, $env)->{body}, $body, "$name: replies");
    cmp_ok(connections($before), '<=', $most, "$name: connections");
    $before = () = http_log($h);
    fcgi($s->{socket}, $env) for 1 .. 3;
    is(connections($before), 0, "$name: the next requests use them again")
        if $name eq 'many';
}

for my $status (204, 304, 200) {
    try_case("$status with a second reply", 'twice', "/no/$status",
        "$status  hello");
}

# ---- what is no reply --------------------------------------------------------

my $at = qr/\ATypeError: fetch failed: 127\.0\.0\.1:$h->{port}: /;
for my $case (
    ['/short', 'the reply ended too early'],
    ['/shortchunk', 'the reply ended too early'],
    ['/nochunk', 'the reply ended too early'],
    ['/silent', 'the connection was closed without a reply'],
    ['/old', 'the reply is not HTTP'],
    ['/status', 'the reply is not HTTP|the reply is malformed'],
    ['/lengths', 'the reply is malformed'],
    ['/nul', 'the reply is malformed|.*'],
    ['/cr', 'the reply is malformed'],
    ['/head', 'the reply\'s head is larger than \d+ bytes'],
    ['/longline', 'the reply\'s head is larger than \d+ bytes|a line of .*'],
    ['/badgzip', 'the reply\'s encoding is broken'],
) {
    try_case("$case->[0] is no reply", 'text', $case->[0], qr/$at(?:$case->[1])\z/);
}
try_case('nobody listens', 'other', 'x', qr/Invalid URL|URL/);
my $closed = free_port();
my @others = (
    ["http://127.0.0.1:$closed/?secret", qr/no connection: Connection refused\z/],
    ['http://nowhere.invalid/', qr/the name cannot be resolved\z/],
    ['http://10.1.2.3/', qr/the address 10\.1\.2\.3 is not in fetch_allow and is not public\z/],
    ['http://[::1]:8000/', qr/the address ::1 is not in fetch_allow/],
    ['http://127.0.0.2:1024/', qr/the address 127\.0\.0\.2 is not in fetch_allow/],
    ['ftp://127.0.0.1/', qr/\ATypeError: /], ['file:///etc/passwd', qr/\ATypeError: /],
);
for my $case (@others) {
    my ($url, $like) = @$case;
    try_case($url =~ s/\d{4,}/PORT/r, 'other', $url, $like);
}
try_case('a redirect to an address that is not allowed', 'text', '/away',
    qr/the address 127\.0\.0\.2 is not in fetch_allow/);
unlike(join('', both_log()), qr/secret/, 'no query is in the log');

# ---- beside the request --------------------------------------------------------

{
    my $dir = temp_dir();
    my $script = write_file("$dir/load.js", "const text = await "
        . "(await fetch('$h->{url}/get')).text();\n"
        . "export default { fetch: () => new Response(`loaded \${text}`) };\n");
    my $l = serve(pool => { root => $dir, fetch_allow => '127.0.0.1' });
    my $conf = write_config("$dir/c.conf",
        cgi => { fetch_allow => '127.0.0.1' });
    my $env = cgi_env($script);
    is(cgi($env, conf => $conf)->{body}, 'loaded hello', 'CGI: while it loads');
    is(fcgi($l->{socket}, $env)->{body}, 'loaded hello',
        "FastCGI: while it loads, $_") for 1 .. 3;
}

try_case('waitUntil', 'later', '/get?later', 'replied');
ok(wait_for(5, sub { (grep { /GET \/get\?later/ } http_log($h)) == 2 }),
    'waitUntil: the work is done');

for my $reset (qw(none context isolate)) {
    my $l = serve(pool => { reset => $reset, fetch_allow => '127.0.0.1' });
    my $ask = sub { fcgi($l->{socket}, cgi_env(fixture('fetch.js'),
        QUERY_STRING => "port=$h->{port}&case=$_[0]&path=$_[1]"))->{body} };
    is($ask->('left', "/never?$reset"), 'replied', "$reset: one is left behind");
    ok(wait_for(5, sub { grep { /end \/never\?$reset/ } http_log($h) }),
        "$reset: it ends with the request");
    is($ask->('text', '/get'), 'hello', "$reset: and the next request can fetch")
        for 1 .. 2;
}

# The client goes: nothing is waited for, and the other server is let go.
{
    my $c = Snap::Fcgi->new($s->{socket});
    $c->request(cgi_env(fixture('fetch.js'),
        QUERY_STRING => "port=$h->{port}&case=text&path=/never?gone"), '');
    ok(wait_for(5, sub { grep { /GET \/never\?gone/ } http_log($h) }),
        'a fetch is under way');
    $c->hang_up;
    ok(wait_for(5, sub { grep { /end \/never\?gone/ } http_log($h) }),
        'it ends when the client goes');
    is(fcgi($s->{socket}, cgi_env(fixture('hello.js')))->{body}, "hello\n",
        'and the next request is served');
}

done_testing();
