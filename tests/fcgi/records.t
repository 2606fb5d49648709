#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# What a well-behaved server never sends. After each: no crash, no hang, and
# the next request is served.
my $s = serve(pool => { header_timeout => '1s', body_timeout => '1s' });
my $hello = cgi_env(fixture('hello.js'));
my $good = Snap::Fcgi::request_bytes($hello, '');
my $count = cgi_env(fixture('count.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 10);

sub still_serves {
    my ($name) = @_;
    my $r = eval { fcgi($s->{socket}, $hello) };
    is($r && $r->{body}, "hello\n", "$name: the next request is served");
    BAIL_OUT("snapcgi is gone after: $name") if !alive($s->{pid});
}

sub raw {
    my ($bytes, %o) = @_;
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put($bytes);
    $c->half_close if $o{half_close};
    my $r = $c->reply($o{seconds} // 10);
    $c->hang_up;
    return $r;
}

# Every place at which a request can be cut.
my ($served, $hung) = (0, 0);
for my $n (0 .. length($good) - 1) {
    my $r = raw(substr($good, 0, $n), half_close => 1);
    $hung++ if $r->{hung};
    $served++ if $r->{ended} && $r->{status} == 200;
}
is($hung, 0, 'cut at each byte: the connection ends each time');
# A cut in the last, empty STDIN record leaves a GET complete in all it says.
cmp_ok($served, '<=', 16, 'cut at each byte: nothing incomplete is served');
still_serves('cut at each byte');

# Cut and left open: the time-out ends it.
my $r = raw(substr($good, 0, 40));
ok(!$r->{hung}, 'half a request and silence: ended at header_timeout');
$r = raw('');
ok(!$r->{hung}, 'a silent connection: ended at header_timeout');

# A parameter list cut at a pair is not a shorter list.
{
    my $pairs = Snap::Fcgi::pairs([map { $_ => $hello->{$_} } sort keys %$hello]);
    my $c = Snap::Fcgi::begin() . Snap::Fcgi::record(4, 1, $pairs);
    $r = raw($c, half_close => 1);
    ok(!$r->{ended} || $r->{status} != 200, 'PARAMS without an end: not served');
    $r = raw($c . Snap::Fcgi::record(2, 1, ''));
    ok(!$r->{ended} || $r->{status} != 200, 'an abort within PARAMS: not served');
    still_serves('PARAMS without an end');
}

# One byte at a time.
{
    my $c = Snap::Fcgi->new($s->{socket});
    my $whole = Snap::Fcgi::request_bytes($count, '0123456789');
    $c->put($_) for split(//, $whole);
    is($c->reply->{body}, "10 complete\n", 'a byte at a time');
}

# Records split and padded in odd ways.
for my $piece (1, 3, 7, 127, 128, 255) {
    $r = raw(Snap::Fcgi::request_bytes($count, '0123456789', piece => $piece));
    is($r->{body}, "10 complete\n", "records of $piece bytes");
}
for my $pad (1, 7, 255) {
    $r = raw(Snap::Fcgi::begin()
        . Snap::Fcgi::record(4, 1, Snap::Fcgi::pairs($count), $pad)
        . Snap::Fcgi::record(4, 1, '', $pad)
        . Snap::Fcgi::record(5, 1, '0123456789', $pad)
        . Snap::Fcgi::record(5, 1, '', $pad));
    is($r->{body}, "10 complete\n", "padding of $pad");
}
{
    my $big = 'y' x 65535;
    my %env = (%$count, CONTENT_LENGTH => 65535 * 3);
    $r = raw(Snap::Fcgi::request_bytes(\%env, $big x 3, piece => 65535));
    is($r->{body}, 65535 * 3 . " complete\n", 'records of 65535 bytes');
}

# Bodies that do not keep their promise.
$r = raw(Snap::Fcgi::request_bytes($count, '01234'));
like($r->{body}, qr/^5 \w*Error/, 'a short body is an error, not an end');
$r = raw(Snap::Fcgi::request_bytes({ %$count }, '0123456789' x 5));
is($r->{body}, "10 complete\n", 'what is past CONTENT_LENGTH is ignored');
{
    my $start = Snap::Fcgi::begin()
        . Snap::Fcgi::stream(4, 1, Snap::Fcgi::pairs($count))
        . Snap::Fcgi::record(5, 1, '01234');
    $r = raw($start . Snap::Fcgi::record(2, 1, ''));
    ok(!$r->{ended} || $r->{body} !~ /complete/, 'an abort within the body');
    $r = raw($start);
    ok(!$r->{hung}, 'half a body and silence: ended at body_timeout');
    isnt($r->{status}, 200, 'and not well');
    still_serves('an abort within the body');
}

# Other roles, versions, types and orders.
for my $role (0, 2, 3, 9, 65535) {
    $r = raw(Snap::Fcgi::request_bytes($hello, '', role => $role),
        half_close => 1);
    unlike($r->{body}, qr/hello/, "role $role: not served");
    ok(!$r->{hung}, "role $role: the connection ends");
}
still_serves('roles');
for my $bytes (
    ['version 0', "\0" . substr($good, 1)], ['version 2', "\2" . substr($good, 1)],
    ['no FastCGI', "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ['STDIN first', Snap::Fcgi::record(5, 1, 'abc') . $good],
    ['PARAMS first', Snap::Fcgi::record(4, 1, 'abc')],
    ['an unknown type', Snap::Fcgi::record(77, 0, 'abc') . $good],
    ['a short BEGIN', Snap::Fcgi::record(1, 1, 'abc') . $good],
    ['BEGIN twice', Snap::Fcgi::begin() . $good],
    ['another id', Snap::Fcgi::begin() . Snap::Fcgi::record(4, 9, '') . $good],
    ['END_REQUEST', Snap::Fcgi::record(3, 1, "\0" x 8) . $good],
    ['zeros', "\0" x 4096], ['ones', "\xff" x 4096],
) {
    $r = raw($bytes->[1], half_close => 1);
    ok(!$r->{hung}, "$bytes->[0]: the connection ends");
    still_serves($bytes->[0]);
}

# Lengths that lie.
for my $pairs (
    ["a name of 2^31-1", pack('NN', 0xffffffff, 0) . 'x'],
    ["both of 2^31-2", pack('NN', 0xfffffffe, 0xfffffffe) . 'x'],
    ["a value past the end", pack('CC', 1, 200) . 'x'],
    ["a name without a value", pack('C', 5)],
) {
    $r = raw(Snap::Fcgi::begin() . Snap::Fcgi::record(4, 1, $pairs->[1])
        . Snap::Fcgi::record(4, 1, '') . Snap::Fcgi::record(5, 1, ''),
        half_close => 1);
    isnt($r->{status}, 200, "$pairs->[0]: not served");
    ok(!$r->{hung}, "$pairs->[0]: the connection ends");
    still_serves($pairs->[0]);
}

# Too many, too large, twice.
sub refused {
    my ($name, $params, $want) = @_;
    my $r = raw(Snap::Fcgi::request_bytes($params, ''));
    like($r->{status}, $want, "$name: $r->{status}");
    still_serves($name);
}
my @list = map { $_ => $hello->{$_} } sort keys %$hello;
refused('10000 parameters', [@list, map { ("HTTP_X$_" => 'v') } 1 .. 10000],
    qr/^(431|0)$/);
refused('a parameter of 10 MB', [@list, HTTP_X => 'v' x (10 << 20)],
    qr/^(431|0)$/);
refused('SCRIPT_FILENAME twice', [@list, SCRIPT_FILENAME => '/etc/passwd'],
    qr/^(400|0)$/);
refused('REMOTE_USER twice', [@list, REMOTE_USER => 'a', REMOTE_USER => 'b'],
    qr/^(400|0)$/);
refused('a NUL in a value', [@list, HTTP_X => "a\0b"], qr/^(400|0)$/);
refused('a NUL in the script', [@list[0, 1], SCRIPT_FILENAME =>
    fixture('hello.js') . "\0.js"], qr/^(40[0-4]|0)$/);
refused('a name with "="', [@list, 'A=B' => 'c'], qr/^(200|400|0)$/);
refused('an empty name', [@list, '' => 'c'], qr/^(200|400|0)$/);

# Two HTTP_ fields of one name are one field (nginx before 1.23).
my $echo = cgi_env(fixture('echo.js'));
my @two = map { $_ => $echo->{$_} } sort keys %$echo;
$r = raw(Snap::Fcgi::request_bytes([@two, HTTP_COOKIE => 'a=1',
    HTTP_COOKIE => 'b=2', HTTP_X => 'one', HTTP_X => 'two'], ''));
is($r->json->{headers}{cookie}, 'a=1; b=2', 'two HTTP_COOKIE: joined by "; "');
is($r->json->{headers}{x}, 'one, two', 'two of another: joined by ", "');

done_testing();
