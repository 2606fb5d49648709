#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# FCGI_GET_VALUES and unknown management records, alone and in numbers.
my $s = serve(pool => { header_timeout => '2s' });
my $hello = cgi_env(fixture('hello.js'));

sub values_of {
    my ($in) = @_;
    my %v;
    while (length $in) {
        my ($n, $m) = unpack('CC', $in);
        my ($name, $value) = unpack("x2 a$n a$m", $in);
        $v{$name} = $value;
        substr($in, 0, 2 + $n + $m, '');
    }
    return \%v;
}

sub ask {
    my ($pairs) = @_;
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put(Snap::Fcgi::record(9, 0, $pairs));
    my $r = $c->next_record(5);
    return ($c, $r);
}

my @names = qw(FCGI_MAX_CONNS FCGI_MAX_REQS FCGI_MPXS_CONNS);
my ($c, $r) = ask(Snap::Fcgi::pairs([map { $_ => '' } @names]));
SKIP: {
    skip('GET_VALUES alone is not answered', 4) if !$r;
    is($r->[0], 10, 'GET_VALUES is answered');
    my $v = values_of($r->[2]);
    is($v->{FCGI_MPXS_CONNS}, '0', 'no multiplexing');
    like($v->{FCGI_MAX_REQS}, qr/^\d+$/, 'FCGI_MAX_REQS');
    $c->request($hello, '');
    is($c->reply->{body}, "hello\n", 'a request on the same connection');
}

for my $n (4, 5, 8, 20, 100, 500) {
    my ($c) = ask(Snap::Fcgi::pairs([map { $names[$_ % 3] => '' } 1 .. $n]));
    $c->hang_up;
    is(fcgi($s->{socket}, $hello)->{body}, "hello\n",
        "$n names: the next request is served");
    ok(alive($s->{pid}), "$n names: no crash");
}

# With a request right behind.
my $behind = Snap::Fcgi->new($s->{socket});
$behind->put(Snap::Fcgi::record(9, 0, Snap::Fcgi::pairs([map { $_ => '' } @names]))
    . Snap::Fcgi::request_bytes($hello, ''));
is($behind->reply->{body}, "hello\n", 'a request right behind GET_VALUES');

done_testing();
