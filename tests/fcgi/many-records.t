#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# A request in 65535 records, and records of 65535 bytes with the most padding.
my $s = serve(pool => { header_timeout => '60s', body_timeout => '60s',
    request_timeout => '60s' });
my $n = 65535;
my $count = cgi_env(fixture('count.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => $n);

sub answer {
    my ($bytes) = @_;
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put($bytes);
    return $c->reply(60);
}

sub rec { return Snap::Fcgi::record(@_) }

my $head = Snap::Fcgi::begin() . Snap::Fcgi::stream(4, 1, Snap::Fcgi::pairs($count));
my $r = answer($head . rec(5, 1, 'x') x $n . rec(5, 1, ''));
is($r->{body}, "$n complete\n", "a body in $n records");
$r = answer($head . rec(5, 1, 'x', 255) x 5000 . rec(5, 1, 'x' x ($n - 5000), 255)
    . rec(5, 1, '', 255));
is($r->{body}, "$n complete\n", 'records with padding of 255');
$r = answer($head . rec(9, 0, '') x 500 . rec(5, 1, 'x' x $n) . rec(5, 1, ''));
is($r->{body}, "$n complete\n", '500 management records in between');
$r = answer($head . rec(5, 9, '') x $n . rec(5, 1, 'x' x $n) . rec(5, 1, ''));
is($r->{body}, "$n complete\n", "$n records of another request in between");
ok(alive($s->{pid}), 'no crash');
is(fcgi($s->{socket}, cgi_env(fixture('hello.js')))->{body}, "hello\n",
    'the next request is served');

# Parameters in as many records as they have bytes, each pair across records.
my $echo = cgi_env(fixture('echo.js'), HTTP_X_LONG => 'v' x 5000);
my $pairs = Snap::Fcgi::pairs($echo);
$r = answer(Snap::Fcgi::begin() . join('', map { rec(4, 1, $_) } split(//, $pairs))
    . rec(4, 1, '') . rec(5, 1, ''));
is($r->json->{headers}{'x-long'}, 'v' x 5000, 'parameters in records of one byte');

done_testing();
