#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Both;
use Test::More;

# Line ends, NUL, folds, colons and blanks in the name or the value of a field,
# in the reason, and statuses that are none: an error in JavaScript, and
# nothing of it on the wire.
both_start();

sub throws {
    my ($kind, $want) = @_;
    both($kind, 'badheaders.js', { QUERY_STRING => $kind }, '', sub {
        my ($r, $by) = @_;
        is("$r->{status} $r->{body}", "200 $want\n", "$by: $kind is a $want");
        unlike($r->{raw}, qr/forged/i, "$by: $kind: nothing of it is sent");
        unlike($r->{head}, qr/\0|(?<!\r)\n|\r(?!\n)/, "$by: $kind: a sound head");
    });
}

for my $way (qw(init pairs append set)) {
    throws("value-$_-$way", 'TypeError') for qw(cr lf crlf nul fold tabfold wide);
    throws("name-$_-$way", 'TypeError')
        for qw(empty colon space tab crlf nul lf wide paren at);
}
throws("reason-$_", 'TypeError') for qw(cr lf crlf nul fold wide);
throws("status-$_", 'RangeError') for qw(zero low informational high thousand
    word negative nan);
throws("redirect-$_", 'RangeError') for qw(zero low thousand word);

# 101 may be made, by Fetch, and never sent: no CGI reply is a 1xx.
both('status-switching', 'badheaders.js', { QUERY_STRING => 'status-switching' },
    '', sub {
    my ($r, $by) = @_;
    like("$r->{status} $r->{body}", qr/^(?:500 .*|200 RangeError\n)$/s,
        "$by: a status of 101 is not sent");
    unlike($r->{raw}, qr/^Status: 1/m, "$by: in no form");
});
# As an unsigned short, 65736 would be 200.
both('status-wraps', 'badheaders.js', { QUERY_STRING => 'status-wraps' }, '',
    sub { like($_[0]{body}, qr/^(?:RangeError\n|)$/, "$_[1]: a status of 65736") });

done_testing();
