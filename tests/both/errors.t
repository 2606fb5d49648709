#!/usr/bin/perl
# What a reply and the log say of errors that nobody caught.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Both;
use Snap;
use Test::More;

both_start();

sub ask {
    my ($way, $status, $body) = @_;
    both($way, 'errors.js', { QUERY_STRING => $way }, '', sub {
        my ($r, $by) = @_;
        is($r->{status}, $status, "$by: $way has the status $status");
        like($r->{body}, $body, "$by: $way, the body");
    });
}

my $fine = qr/^fine$/;
my $page = qr/^500 Internal Server Error\n/;
ask('handler', 500, $page);
ask('rejects', 500, $page);
ask('timer', 200, $fine);
ask('rejection', 200, $fine);
ask('reported', 200, $fine);
ask('listener', 200, $fine);
ask('message', 200, $fine);
ask('heard', 200, qr/\AUncaught Error: kept from the log 1\nkept from the log 2\z/);
ask('stuck', 500, $page);
ask('waits', 200, qr/^101 round trips$/);

my @logged = (
    ['what the handler throws', qr/RangeError: thrown by the handler\n.*errors\.js:8:/],
    ['what its promise is rejected with', qr/TypeError: rejected by the handler\n/],
    ['what a timer throws', qr/ Uncaught Error: thrown by a timer\n.*errors\.js:11:/],
    ['a rejection', qr/ Uncaught \(in promise\) Error: left unhandled\n/],
    ['reportError', qr/ Uncaught Error: reported by reportError\n/],
    ['an error that was heard only', qr/ Uncaught Error: heard, and not canceled\n/],
    ['an error of the error listener', qr/ Uncaught Error: thrown by the error listener\n/],
    ['an error of a message listener', qr/ Uncaught Error: thrown by a message\n/],
    ['a promise for a message nobody sends', qr/never settle|nothing is pending|can never/i],
);

my @by = qw(CGI FastCGI);
for my $log (both_log()) {
    my $by = shift @by;
    like($log, $_->[1], "$by: the log has $_->[0]") for @logged;
    unlike($log, qr/kept from the log/, "$by: what a listener cancels is not logged");
    unlike($log, qr/snapcgi:\S+ is not/, "$by: no trouble of our own");
    my $n = () = $log =~ /thrown by the error listener/g;
    is($n, 1, "$by: it is logged once");
}

done_testing();
