#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# FCGI_GET_VALUES, 1 to 100 names of it and 1 to 100 records of it: answered
# alone, once for each record, and the connection goes on. A question of over
# 1024 bytes is nobody's who knows three names: the connection ends.
my $s = serve(pool => { header_timeout => '30s' });
my $hello = cgi_env(fixture('hello.js'));
my @names = qw(FCGI_MAX_CONNS FCGI_MAX_REQS FCGI_MPXS_CONNS);

sub values_of {
    my ($in) = @_;
    my %v;
    while (length $in) {
        my ($n, $m) = unpack('CC', $in);
        my ($name, $value) = unpack("x2 a$n a$m", $in);
        return { twice => $name } if exists $v{$name};
        $v{$name} = $value;
        substr($in, 0, 2 + $n + $m, '');
    }
    return \%v;
}

sub query { return Snap::Fcgi::record(9, 0, Snap::Fcgi::pairs([map { $_ => '' } @_])) }

sub goes_on {
    my ($c, $name) = @_;
    $c->request($hello, '');
    is($c->reply(60)->{body}, "hello\n", "$name: a request on the same connection");
    ok(alive($s->{pid}), "$name: no crash");
}

for my $n (1 .. 100) {
    my $c = Snap::Fcgi->new($s->{socket});
    my @asked = map { $names[$_ % 3] } 1 .. $n;
    my $query = query(@asked);
    $c->put($query);
    if (length($query) > 8 + 1024) {
        ok($c->closes(30), "$n names: the connection ends");
        is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
            "$n names: the next request is served");
        ok(alive($s->{pid}), "$n names: no crash");
        next;
    }
    my $r = $c->next_record(20) // [0, 0, ''];
    my %want = map { $_ => 1 } @asked;
    is("$r->[0] $r->[1] " . join(' ', sort keys %{values_of($r->[2])}),
        '10 0 ' . join(' ', sort keys %want), "$n names: each answered once");
    goes_on($c, "$n names") if $n % 10 == 0 || $n < 6;
}

for my $n (1, 2, 10, 100) {
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put(query(@names) x $n);
    my @types = map { ($c->next_record(20) // [0])->[0] } 1 .. $n;
    is(join(' ', @types), join(' ', (10) x $n), "$n records: $n answers");
    goes_on($c, "$n records");
}

# Names nobody knows, no name at all, a byte at a time, and what is malformed.
my $c = Snap::Fcgi->new($s->{socket});
$c->put(query('NO_SUCH_NAME', 'FCGI_MAX_REQS', ''));
my $r = $c->next_record(20) // [0, 0, ''];
is_deeply([sort keys %{values_of($r->[2])}], ['FCGI_MAX_REQS'],
    'only known names are answered');
$c->put(query());
$r = $c->next_record(20) // [0, 0, 'none'];
is("$r->[0] $r->[2]", '10 ', 'no name: an empty answer');
$c->put($_) for split(//, query(@names));
$r = $c->next_record(20) // [0, 0, ''];
is(scalar keys %{values_of($r->[2])}, 3, 'a byte at a time');
goes_on($c, 'all that');

for my $bad (["\x05", 'a pair cut short'], ["\xff\xff\xff\xff\xff\xff\xff\xff", 'lengths of 2^31-1'],
    ['x' x 65535, '65535 bytes']) {
    $c = Snap::Fcgi->new($s->{socket});
    $c->put(Snap::Fcgi::record(9, 0, $bad->[0]));
    $c->half_close;
    ok($c->closes(30), "$bad->[1]: the connection ends");
    is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
        "$bad->[1]: the next request is served");
}

# One that asks and never reads is not waited for.
$c = Snap::Fcgi->new($s->{socket});
my $flood = query(@names) x 1000;
for (1 .. 200) {
    defined syswrite($c->{socket}, $flood) or !$!{EAGAIN} && last;
}
is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
    'one that asks and never reads: the next request is served');
ok(alive($s->{pid}), 'and no crash');

done_testing();
