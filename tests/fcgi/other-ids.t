#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# A connection has one request at a time: another BEGIN is answered that it
# cannot be (FCGI_CANT_MPX_CONN), records of other ids are ignored, and the
# request they came into is served whole.
my $s = serve(pool => { header_timeout => '30s', body_timeout => '30s' });
my $count = cgi_env(fixture('count.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 10);
my $hello = cgi_env(fixture('hello.js'));
my $forged = cgi_env(fixture('echo.js'), REMOTE_USER => 'forged');

sub rec { return Snap::Fcgi::record(@_) }

sub records {
    my ($bytes, $id) = @_;
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put($bytes);
    my ($out, @ends) = ('');
    while (my $r = $c->next_record(60)) {
        $out .= $r->[2] if $r->[0] == 6 && $r->[1] == $id;
        push @ends, "$r->[1]:" . unpack('x4C', $r->[2]) if $r->[0] == 3;
        last if $r->[0] == 3 && $r->[1] == $id;
    }
    return ($out, "@ends");
}

my $pairs = Snap::Fcgi::pairs($count);
my @parts = (Snap::Fcgi::begin(), rec(4, 1, substr($pairs, 0, 9)),
    rec(4, 1, substr($pairs, 9)), rec(4, 1, ''), rec(5, 1, '01234'),
    rec(5, 1, '56789'), rec(5, 1, ''));

# A whole request of another id inside, at each place.
for my $at (1 .. $#parts) {
    my @with = @parts;
    splice(@with, $at, 0, Snap::Fcgi::request_bytes($forged, 'xyz', id => 9));
    my ($out, $ends) = records(join('', @with), 1);
    like($out, qr/\r\n\r\n10 complete\n\z/, "another BEGIN at $at: the first is served");
    is($ends, '9:1 1:0', "another BEGIN at $at: CANT_MPX_CONN, then complete");
}

# Records of other ids, of each type that has one.
for my $type (2 .. 8) {
    my ($out, $ends) = records(join('', map { ($_, rec($type, 9, 'abcdefgh')) } @parts), 1);
    like($out, qr/\r\n\r\n10 complete\n\z/, "type $type of another id: ignored");
    is($ends, '1:0', "type $type of another id: no answer to it");
}

# Its own BEGIN again is no request at all.
for my $at (1 .. 4) {
    my @with = @parts;
    splice(@with, $at, 0, Snap::Fcgi::begin());
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put(join('', @with));
    my $r = $c->reply(60);
    ok(!$r->{hung}, "BEGIN twice, at $at: the connection ends");
    unlike($r->{body}, qr/complete/, "BEGIN twice, at $at: not served");
    is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
        "BEGIN twice, at $at: the next request is served");
    BAIL_OUT('snapcgi is gone') if !alive($s->{pid});
}

# Request id 0 is management's.
my $c = Snap::Fcgi->new($s->{socket});
$c->put(Snap::Fcgi::request_bytes($hello, '', id => 0));
$c->half_close;
my $r = $c->reply(60);
ok(!$r->{hung}, 'request id 0: the connection ends');
unlike($r->{body}, qr/hello/, 'request id 0: not served');

# What a reply's id says is the request's.
for my $id (1, 2, 256, 65535) {
    my ($out, $ends) = records(Snap::Fcgi::request_bytes($hello, '', id => $id), $id);
    like($out, qr/hello\n\z/, "request id $id: its reply has it");
    is($ends, "$id:0", "request id $id: so has its end");
}

done_testing();
