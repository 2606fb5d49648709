#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use List::Util qw(min);

# A valid request cut at each of its bytes, and then (a) closed, (b) closed for
# writing only. Whatever comes of it, the next one is served, and a function
# never takes a short body for a whole one: tests/fixtures/whole.js tells.
my $s = serve(global => { log_level => 'info' },
    pool => { header_timeout => '60s', body_timeout => '60s' });
my $hello = Snap::Fcgi::request_bytes(cgi_env(fixture('hello.js')), '');
my $body = "0123456789abcdef\r\n";

# The request, and how many of its bytes have the whole body in them. The body
# ends with CONTENT_LENGTH bytes, or else with the empty record.
sub post {
    my ($name, $has_length) = @_;
    my %env = (REQUEST_METHOD => 'POST', GATEWAY_INTERFACE => 'CGI/1.1',
        HTTP_HOST => 'localhost', SCRIPT_NAME => '/w',
        REQUEST_URI => "/w?$name", SCRIPT_FILENAME => fixture('whole.js'),
        $has_length ? (CONTENT_LENGTH => length $body)
            : (HTTP_TRANSFER_ENCODING => 'chunked'));
    my $pairs = Snap::Fcgi::pairs(\%env);
    my $bytes = Snap::Fcgi::begin()
        . Snap::Fcgi::record(4, 1, substr($pairs, 0, 50), 3)
        . Snap::Fcgi::record(4, 1, substr($pairs, 50))
        . Snap::Fcgi::record(4, 1, '')
        . Snap::Fcgi::record(5, 1, substr($body, 0, 7), 1)
        . Snap::Fcgi::record(5, 1, substr($body, 7), 5);
    my $end = length($bytes) - 5;
    $bytes .= Snap::Fcgi::record(5, 1, '');
    return ($bytes, $has_length ? $end : length $bytes);
}

sub say_hello {
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put($hello);
    return $c;
}

# Several connections at a time: the server need not wait for this test.
sub cut_everywhere {
    my ($kind, $has_length, $then) = @_;
    my ($bytes, $enough) = post("$kind-0000", $has_length);
    my @todo = 0 .. length $bytes;
    my ($hung, $early, $unanswered, $served) = (0, 0, 0, 0);
    while (my @some = splice(@todo, 0, min(24, scalar @todo))) {
        my (@cut, @next);
        for my $n (@some) {
            my ($whole) = post(sprintf('%s-%04d', $kind, $n), $has_length);
            my $c = Snap::Fcgi->new($s->{socket});
            $c->put(substr($whole, 0, $n));
            if ($then eq 'close') { $c->hang_up } else { $c->half_close }
            push @cut, [$n, $c];
            push @next, say_hello();
        }
        $unanswered += grep { $_->reply(60)->{body} ne "hello\n" } @next;
        next if $then eq 'close';
        for my $one (@cut) {
            my ($n, $c) = @$one;
            my $r = $c->reply(60);
            $hung++ if $r->{hung} || ($r->{ended} && !$c->closes(60));
            $early++ if $r->{status} == 200 && $n < $enough;
            $served++ if $r->{ended} && $r->{status} == 200;
        }
    }
    my $points = 1 + length $bytes;
    my $name = "$points places, " . ($has_length ? 'CONTENT_LENGTH' : 'no length')
        . ", then $then";
    is($unanswered, 0, "$name: the next request is always served");
    BAIL_OUT("snapcgi is gone after: $name") if !alive($s->{pid});
    if ($then ne 'close') {
        is($hung, 0, "$name: each connection ends");
        is($early, 0, "$name: no reply of success before the body is whole");
        is($served, $points - $enough, "$name: and one once it is");
    }
    return sub {
        my ($log) = @_;
        my @whole = map { /^0*(\d+)/ }
            $log =~ /\bwhole \Q$kind\E-(\d+) with /g;
        is(join(' ', grep { $_ < $enough } @whole), '',
            "$name: no function took a short body for a whole one");
        my %broken = map { $_ => 1 } $log =~ /\bbroken \Q$kind\E-(\d+) after/g;
        cmp_ok(scalar keys %broken, '>', 0, "$name: some saw it break");
        my @both = grep { $broken{sprintf('%04d', $_)} } @whole;
        is("@both", '', "$name: and none saw both");
    };
}

my @checks = (
    cut_everywhere('a', 1, 'shutdown of writing'),
    cut_everywhere('b', 0, 'shutdown of writing'),
    cut_everywhere('c', 1, 'close'),
    cut_everywhere('d', 0, 'close'),
);
my $r = fcgi($s->{socket}, cgi_env(fixture('hello.js')));
is($r->{body}, "hello\n", 'it serves on');
my $log = read_file($s->{log}) . read_file($s->{out});
$_->($log) for @checks;
unlike($log, qr/signal \d|SIG[A-Z]{3}|Sanitizer|runtime error/,
    'no process died of it');

done_testing();
