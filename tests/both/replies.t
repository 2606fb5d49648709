#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Both;

both_start();

sub reply_is {
    my ($status, $body, %fields) = @_;
    return sub {
        my ($r, $by) = @_;
        is($r->{status}, $status, "$by: status");
        is($r->{body}, $body, "$by: body");
        is($r->header($_), $fields{$_}, "$by: $_") for sort keys %fields;
    };
}

both('text', 'hello.js', {}, '', reply_is(200, "hello\n",
    'content-length' => 6, 'content-type' => 'text/plain;charset=UTF-8'));
both('the head', 'hello.js', {}, '', sub {
    my ($r, $by) = @_;
    like($r->{raw}, qr/^Status: 200 OK\r\n/m, "$by: an explicit status");
    unlike($r->{head}, qr/(?<!\r)\n|\r(?!\n)/, "$by: CRLF throughout");
});
both('HEAD', 'hello.js', { REQUEST_METHOD => 'HEAD' }, '',
    reply_is(200, '', 'content-length' => 6));
both('a null body', 'status.js', { QUERY_STRING => '204' }, '',
    reply_is(204, ''));
both('304', 'status.js', { QUERY_STRING => '304' }, '', reply_is(304, ''));
both('a status of its own', 'reason.js', {}, '', sub {
    is("$_[0]{status} $_[0]{reason}", '299 Quite Odd', $_[1]);
});
both('a redirect', 'redirect.js', {}, '',
    reply_is(302, '', location => 'http://example.org/there?x=1'));
both('two cookies', 'cookies.js', {}, '', sub {
    is(join('|', $_[0]->all('set-cookie')), 'a=1; Path=/|b=2; Path=/', $_[1]);
});
both('fields a script may not set', 'ownheaders.js', {}, '', sub {
    my ($r, $by) = @_;
    is(join(' ', sort map { $_->[0] } @{$r->{headers}}),
        'content-length content-type status x-own', "$by: only these remain");
});
both('a line end in a field', 'badheader.js', {}, '',
    reply_is(200, "TypeError\n"));
both('bytes', 'binary.js', {}, '',
    reply_is(200, join('', map { chr } 0 .. 255)));
both('a stream', 'stream.js', {}, '', reply_is(200, "one\ntwo\nthree\n",
    'content-length' => undef));
both('a large stream', 'large.js', {}, '', sub {
    is(length $_[0]{body}, 1000000, $_[1]);
});
both('a stream from the request', 'body.js', { REQUEST_METHOD => 'POST' },
    "\0\xff" x 100000, sub {
    ok($_[0]{body} eq "\0\xff" x 100000, "$_[1]: comes back whole");
});
both("a stream whose last piece came with the one before it", 'body.js',
    { REQUEST_METHOD => 'POST' }, 'x' x 70000, sub {
    is(length $_[0]{body}, 70000, "$_[1]: comes back whole");
});
both('a timer', 'timer.js', {}, '', reply_is(200, "waited\n"));
both('a plain function', 'function.js', {}, '', reply_is(200, "function GET\n"));
both('the classic form', 'classic.js', {}, '', reply_is(200, "classic GET\n"));
both('the environment', 'env.js', {}, '', sub {
    is($_[0]->json->{process}, 'undefined', "$_[1]: no process object");
    is_deeply($_[0]->json->{names}, [], "$_[1]: nothing of the process's own");
});

for my $script (qw(throw reject syntax notresponse nohandler modules/throws
    modules/bare modules/missing modules/outside)) {
    both($script, "$script.js", {}, '', sub {
        my ($r, $by) = @_;
        is($r->{status}, 500, "$by: status");
        unlike($r->{body}, qr/secret|fixtures|Error:/,
            "$by: nothing of it in the page");
        my @id = $r->all('x-request-id');
        is(scalar @id, 1, "$by: the request's id, once");
        like($r->{body}, qr/^500 Internal Server Error\n\nRequest \Q$id[0]\E$/,
            "$by: and in the page");
    });
}
my %says = (
    'the message of an exception' => qr/Error: a secret of the function/,
    'the place of an exception' => qr/throw\.js:2:11/,
    'its stack' => qr/fetch.*throw\.js:4/,
    'a late rejection' => qr/RangeError: a late secret/,
    'the place of a syntax error' => qr/syntax\.js:3/,
    'a bare import' => qr/lodash.*bundle/i,
    'an import out of the root' => qr/package\.json/,
    'an import that is not there' => qr/nothere\.js/,
    'no Response' => qr/Response/,
);
for my $log (both_log()) {
    like($log, $says{$_}, "the log has: $_") for sort keys %says;
}

my @module = grep { $_->{status} == 200 } map {
    (both("JSON, top-level await and import() ($_)", "modules/$_.js", {}, ''))[0]
} qw(app app-assert);
ok(@module >= 1, 'one of the two notations of JSON modules works');
is($module[0]{body}, "relative 42 awaited true\n", 'all kinds of imports')
    if @module;

both('a fault of a request with an id', 'throw.js',
    { HTTP_X_REQUEST_ID => '0b5e7f10-3a5e-4f0c-9d1c-6b3c2e9f4a77' }, '', sub {
        my ($r, $by) = @_;
        is($r->header('x-request-id'), '0b5e7f10-3a5e-4f0c-9d1c-6b3c2e9f4a77',
            "$by: it is the reply's");
    });
like($_, qr/ 0b5e7f10-3a5e-4f0c-9d1c-6b3c2e9f4a77 /, 'and all of it is logged')
    for both_log();

# Errors in the page, where asked for.
both_start(show_errors => 'on', 'env[GREETING]' => 'ahoj');
both('show_errors', 'throw.js', {}, '', sub {
    my ($r, $by) = @_;
    is($r->{status}, 500, "$by: status");
    like($r->{body}, qr/a secret of the function/, "$by: message");
    like($r->{body}, qr/throw\.js:2/, "$by: place");
});
both('env', 'env.js', {}, '',
    sub { is($_[0]->json->{greeting}, 'ahoj', "$_[1]: env[GREETING]") });

done_testing();
