#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# Records without content where no stream ends: of other requests, of
# management types, of the parameters too early, in numbers.
my $s = serve(pool => { header_timeout => '30s', body_timeout => '30s' });
my $count = cgi_env(fixture('count.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 10);
my $hello = cgi_env(fixture('hello.js'));
my $pairs = Snap::Fcgi::pairs($count);

sub rec { return Snap::Fcgi::record(@_) }

sub answer {
    my ($bytes, %o) = @_;
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put($bytes);
    $c->half_close if $o{half_close};
    return $c->reply(60, 1);
}

sub still_serves {
    my ($name) = @_;
    is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
        "$name: the next request is served");
    BAIL_OUT("snapcgi is gone after: $name") if !alive($s->{pid});
}

# An empty record of another id, of every type, at every place between two
# records of a request: the body loses nothing.
my @parts = (Snap::Fcgi::begin(), rec(4, 1, substr($pairs, 0, 9)),
    rec(4, 1, substr($pairs, 9)), rec(4, 1, ''), rec(5, 1, '01234'),
    rec(5, 1, '56789'), rec(5, 1, ''));
for my $type (2 .. 8, 77) {
    my @bad;
    for my $at (1 .. $#parts) {
        my @with = @parts;
        splice(@with, $at, 0, rec($type, 9, ''));
        my $r = answer(join('', @with));
        push @bad, "at $at: $r->{body}" if $r->{body} ne "10 complete\n";
    }
    is("@bad", '', "an empty record of another id, type $type, at each place");
}
my $r = answer(join('', map { (rec(5, 9, '') x 50, $_) } @parts));
is($r->{body}, "10 complete\n", 'fifty at each place');

# The stream's own empty record is its end, and there is only one.
$r = answer(join('', @parts[0 .. 3], rec(5, 1, ''), rec(5, 1, '0123456789'),
    rec(5, 1, '')), half_close => 1);
unlike($r->{body}, qr/complete/, 'a body that begins with its end');
still_serves('a body that begins with its end');
$r = answer(join('', $parts[0], rec(4, 1, ''), @parts[1 .. $#parts]),
    half_close => 1);
ok(!$r->{hung}, 'parameters that begin with their end: the connection ends');
unlike($r->{body}, qr/complete/, 'and nothing is served');
still_serves('parameters that begin with their end');
$r = answer(join('', @parts[0 .. 3], rec(4, 1, ''), @parts[4 .. $#parts]),
    half_close => 1);
unlike($r->{body}, qr/complete/, 'parameters that end twice');
still_serves('parameters that end twice');

# Empty records alone, in numbers, with and without padding.
for my $one (['STDIN', 5, 1], ['PARAMS', 4, 1], ['type 0', 0, 0],
    ['STDIN of id 0', 5, 0], ['BEGIN', 1, 1], ['END', 3, 1]) {
    my ($name, $type, $id) = @$one;
    for my $pad (0, 255) {
        my $c = Snap::Fcgi->new($s->{socket});
        $c->put(rec($type, $id, '', $pad) x 500);
        $c->half_close;
        ok($c->closes(60), "500 empty $name, padding $pad: the connection ends");
    }
    still_serves("empty $name");
}

done_testing();
