#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Time::HiRes qw(time);

# The size and number of parameters: what is within the limits is served, what
# is over them is a 431 and the connection ends; what is no parameter, a 400.
my $s = serve(pool => { header_timeout => '30s' });
my $echo = cgi_env(fixture('echo.js'));
my $hello = cgi_env(fixture('hello.js'));
my @list = map { $_ => $echo->{$_} } sort keys %$echo;

# keep: asked for in every case, and granted in none that is refused.
sub ask {
    my ($params) = @_;
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put(Snap::Fcgi::request_bytes($params, '', keep => 1));
    my $r = $c->reply(60);
    $r->{closed} = $r->{status} == 200 ? 0 : $c->closes(60);
    $c->hang_up;
    return $r;
}

sub still_serves {
    my ($name) = @_;
    is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
        "$name: the next request is served");
    BAIL_OUT("snapcgi is gone after: $name") if !alive($s->{pid});
}

sub refused {
    my ($name, $status, @more) = @_;
    my $start = time;
    my $r = ask([@list, @more]);
    ok(!$r->{hung}, "$name: ends");
    is($r->{status}, $status, "$name: $status");
    ok($r->{closed}, "$name: the connection is closed");
    still_serves($name);
}

sub taken {
    my ($name, $field, $want, @more) = @_;
    my $r = ask([@list, @more]);
    is($r->{status}, 200, "$name: 200");
    ok(($r->json->{headers}{$field} // '') eq $want, "$name: and it is all there");
    still_serves($name);
}

for my $kb (1, 8, 32, 60) {
    taken("a field of $kb KB", 'x-big', 'v' x ($kb << 10),
        HTTP_X_BIG => 'v' x ($kb << 10));
}
for my $size ([64, '64 KB'], [65, '65 KB'], [1 << 10, '1 MB'], [10 << 10, '10 MB']) {
    refused("a field of $size->[1]", 431, HTTP_X_BIG => 'v' x ($size->[0] << 10));
}
refused('a name of 64 KB', 431, 'HTTP_' . 'X' x 65536 => 'v');
refused('64 KB of a variable nobody knows', 431, OTHER => 'v' x 65536);

taken('900 parameters', 'x-900', 'v', map { ("HTTP_X_$_" => 'v') } 1 .. 900);
refused('1001 parameters', 431, map { ("HTTP_X_$_" => 'v') } 1 .. 1001);
refused('10000 parameters', 431, map { ("HTTP_X_$_" => 'v') } 1 .. 10000);
refused('10000 parameters of one name', 431, map { (HTTP_X => 'v') } 1 .. 10000);

# An endless list is not waited for.
{
    my $c = Snap::Fcgi->new($s->{socket});
    my $piece = Snap::Fcgi::record(4, 1,
        Snap::Fcgi::pairs([map { ("HTTP_X$_" => 'v' x 1000) } 1 .. 30]));
    $c->put(Snap::Fcgi::begin(keep => 1));
    my $sent = 0;
    $sent++ while $sent < 2000 && $c->put($piece);
    cmp_ok($sent, '<', 2000, 'parameters without an end: cut short');
    my $r = $c->reply(60);
    is($r->{status}, 431, 'parameters without an end: 431');
    still_serves('parameters without an end');
}

# Malformed ones.
refused('a name of no length', 400, '' => 'v');
refused('a name and a value of no length', 400, '' => '');
refused('a NUL in a value', 400, HTTP_X => "a\0b");
refused('a NUL in a name', 400, "HTTP_X\0Y" => 'v');
refused('a "=" in a name', 400, 'HTTP_X=Y' => 'v');

# Bytes of no encoding are bytes: each a character of its own, as in Fetch.
my $r = ask([@list, HTTP_X_BYTES => join('', map { chr } 0x80 .. 0xff)]);
is($r->{status}, 200, 'bytes that are no UTF-8: 200');
is($r->json->{headers}{'x-bytes'}, join('', map { chr } 0x80 .. 0xff),
    'each is one character');
$r = ask([@list, "HTTP_X\xff" => 'v']);
is($r->{status}, 200, 'a name that is no token: 200');
is(join(' ', grep { /\xff|^x/i } keys %{$r->json->{headers}}), '',
    'and the function does not see it');
still_serves('bytes');

done_testing();
