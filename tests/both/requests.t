#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Both;

both_start(max_body => '1m');

sub url_is {
    my ($want) = @_;
    return sub {
        my ($r, $by) = @_;
        is($r->json->{url}, $want, "$by: $want");
    };
}

sub status_is {
    my ($want) = @_;
    return sub { is($_[0]{status}, $want, "$_[1]: $want") };
}

# The URL, rules 1 to 4.
my $base = 'http://example.org';
both('path and query', 'echo.js', { QUERY_STRING => 'a=%41&b' }, '',
    url_is("$base/echo.js?a=%41&b"));
both('two slashes', 'echo.js', { REQUEST_URI => '//evil.example/x' }, '',
    url_is("$base//evil.example/x"));
both('an encoded slash', 'echo.js', { REQUEST_URI => '/a%2Fb' }, '',
    url_is("$base/a%2Fb"));
both('a fragment', 'echo.js', { REQUEST_URI => '/a?b#c' }, '',
    url_is("$base/a?b"));
both('the absolute form', 'echo.js',
    { REQUEST_URI => 'http://other.example/x?y' }, '', url_is("$base/x?y"));
{
    my %none = (REQUEST_URI => '', SCRIPT_NAME => '/a b', PATH_INFO => '/c?d',
        QUERY_STRING => 'q=1');
    both('no REQUEST_URI', 'echo.js', \%none, '',
        url_is("$base/a%20b/c%3Fd?q=1"));
}
both('HTTPS=on', 'echo.js', { HTTPS => 'on' }, '',
    url_is('https://example.org/echo.js'));
both('HTTPS=off', 'echo.js', { HTTPS => 'off' }, '', url_is("$base/echo.js"));
both('REQUEST_SCHEME', 'echo.js', { REQUEST_SCHEME => 'https' }, '',
    url_is('https://example.org/echo.js'));
both('a forwarded scheme is not believed', 'echo.js',
    { HTTP_X_FORWARDED_PROTO => 'https' }, '', url_is("$base/echo.js"));
both('a port in the host', 'echo.js', { HTTP_HOST => 'example.org:8080' }, '',
    url_is('http://example.org:8080/echo.js'));
both('a user in the host', 'echo.js', { HTTP_HOST => 'evil@example.org' }, '',
    status_is(400));
both('a path in the host', 'echo.js', { HTTP_HOST => 'a/b' }, '',
    status_is(400));

# Header fields, rules 5 to 8 and 14.
both('fields that stop here', 'echo.js', {
    HTTP_PROXY => 'http://evil/', HTTP_CONTENT_LENGTH => '5',
    HTTP_CONNECTION => 'x', HTTP_KEEP_ALIVE => 'x', HTTP_TE => 'x',
    HTTP_UPGRADE => 'x', HTTP_EXPECT => 'x', HTTP_TRAILER => 'x',
    HTTP_X_OWN => 'kept' }, '', sub {
    my ($r, $by) = @_;
    is(join(' ', sort keys %{$r->json->{headers}}), 'host x-own',
        "$by: only host and x-own remain");
});
both('a body with its type', 'echo.js', { REQUEST_METHOD => 'POST',
    CONTENT_TYPE => 'text/x', HTTP_CONTENT_TYPE => 'text/y' }, 'abc', sub {
    my ($r, $by) = @_;
    my $got = $r->json;
    is($got->{headers}{'content-type'}, 'text/x', "$by: CONTENT_TYPE counts");
    is($got->{headers}{'content-length'}, '3', "$by: CONTENT_LENGTH counts");
    is($got->{body}, 'abc', "$by: body");
});
both('bytes of a field are Latin-1', 'echo.js', { HTTP_X_B => "\xe9" }, '',
    sub { is($_[0]->json->{headers}{'x-b'}, "\x{e9}", "$_[1]: one character") });
both('HTTP_AUTHORIZATION', 'echo.js', { HTTP_AUTHORIZATION => 'Basic eA==' },
    '', sub {
    is($_[0]->json->{headers}{authorization}, 'Basic eA==', "$_[1]: passes");
});

# Bodies, rules 9 to 12.
both('an empty CONTENT_LENGTH', 'count.js', { CONTENT_LENGTH => '' }, '',
    sub { is($_[0]{body}, "0 complete\n", "$_[1]: no body") });
for my $bad ('abc', '-1', '+5', '5,5', ' 5', '1e3', '0x10',
    '99999999999999999999') {
    both("CONTENT_LENGTH $bad", 'count.js', { REQUEST_METHOD => 'POST',
        CONTENT_LENGTH => $bad }, 'hello', sub {
        my ($r, $by) = @_;
        like($r->{status}, qr/^4(00|13)$/, "$by: refused ($r->{status})");
    });
}
both('a body over max_body', 'count.js', { REQUEST_METHOD => 'POST' },
    'x' x 1048577, status_is(413));
both('a body of max_body', 'count.js', { REQUEST_METHOD => 'POST' },
    'x' x 1048576, sub { is($_[0]{body}, "1048576 complete\n", $_[1]) });
both('a body of unknown length', 'count.js', { REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 'none', HTTP_TRANSFER_ENCODING => 'chunked' },
    'y' x 70000, sub { is($_[0]{body}, "70000 complete\n", $_[1]) });
both('too long a body of unknown length', 'count.js', {
    REQUEST_METHOD => 'POST', CONTENT_LENGTH => 'none',
    HTTP_TRANSFER_ENCODING => 'chunked' }, 'y' x 1100000,
    sub { like($_[0]{status}, qr/^(413|500)$/, "$_[1]: $_[0]{status}") });
both('another transfer coding', 'count.js', { REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 'none', HTTP_TRANSFER_ENCODING => 'gzip, chunked' },
    'xx', status_is(501));
both('a GET with a body', 'echo.js', {}, 'ignored', sub {
    my ($r, $by) = @_;
    is($r->{status}, 200, "$by: status");
    is($r->json->{body}, undef, "$by: the Request has none");
});

# Methods, rule 13.
both('lower case', 'echo.js', { REQUEST_METHOD => 'post' }, 'a',
    sub { is($_[0]->json->{method}, 'POST', "$_[1]: as Fetch has it") });
both('another method', 'echo.js', { REQUEST_METHOD => 'PROPFIND' }, '',
    sub { is($_[0]->json->{method}, 'PROPFIND', $_[1]) });
both("method $_", 'echo.js', { REQUEST_METHOD => $_ }, '',
    sub {
        is($_[0]{status}, 405, "$_[1]: status");
        like($_[0]->header('allow'), qr/^GET, HEAD, POST, /, "$_[1]: Allow");
    })
    for qw(TRACE CONNECT TRACK);
both('a method that is no token', 'echo.js', { REQUEST_METHOD => 'A B' }, '',
    status_is(400));

# The script, rule 16.
both('no such script', 'nothere.js', {}, '', status_is(404));
both('a script of another suffix', 'modules/data.json', {}, '',
    sub { like($_[0]{status}, qr/^40[34]$/, "$_[1]: $_[0]{status}") });
both('a folder', 'modules', {}, '',
    sub { like($_[0]{status}, qr/^40[34]$/, "$_[1]: $_[0]{status}") });
both('out of the root', fixture('../../examples/hello.js'), {}, '',
    sub { like($_[0]{status}, qr/^40[34]$/, "$_[1]: $_[0]{status}") });
both('a question mark in the name', fixture('hello.js?x'), {}, '',
    sub { like($_[0]{status}, qr/^40[0-4]$/, "$_[1]: $_[0]{status}") });
both('what mod_proxy_fcgi writes', 'proxy:fcgi://localhost/'
    . fixture('hello.js'), { SCRIPT_NAME => '/hello.js' }, '',
    sub { is($_[0]{body}, "hello\n", "$_[1]: is understood") });
both('no script at all', '', {}, '',
    sub { like($_[0]{status}, qr/^(40[034]|500)$/, "$_[1]: $_[0]{status}") });
{
    my $dir = temp_dir();
    symlink(fixture('hello.js'), "$dir/link.js");
    both('a link from outside', "$dir/link.js", {}, '',
        sub { is($_[0]{status}, 200, "$_[1]: what it names is in the root") });
}

# A root that holds links out of it.
{
    my $dir = temp_dir();
    write_file("$dir/in.js", read_file(fixture('hello.js')));
    symlink(fixture('hello.js'), "$dir/out.js");
    write_file("$dir/imports.js", "import './out.js';\n"
        . "export default { fetch: () => new Response('x') };\n");
    both_start(root => $dir);
    both('a script in the root', "$dir/in.js", {}, '', status_is(200));
    both('a link out of the root', "$dir/out.js", {}, '',
        sub { like($_[0]{status}, qr/^40[34]$/, "$_[1]: $_[0]{status}") });
    both('an import by such a link', "$dir/imports.js", {}, '',
        status_is(500));
    SKIP: {
        skip('root may read anything', 1) if $< == 0;
        write_file("$dir/closed.js", '', 0);
        both('an unreadable script', "$dir/closed.js", {}, '', status_is(403));
    }
}

done_testing();
