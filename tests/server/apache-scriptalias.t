#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# Executable functions (#!) in a ScriptAlias folder, as any CGI script.
my $missing = server_missing('apache-cgi');
plan(skip_all => $missing) if $missing;
my $root = temp_dir();
mkdir "$root/$_" for qw(htdocs cgi-bin);
my $line = '#!' . program() . "\n";
plan(skip_all => 'the path of the program is too long for #!')
    if length $line > 250;
write_file("$root/cgi-bin/echo.js", $line . read_file(fixture('echo.js')), 0755);
my $s = server('apache-cgi', root => "$root/htdocs",
    pool => { root => $root },
    more => "ScriptAlias /cgi-bin/ \"$root/cgi-bin/\"\n"
        . "<Directory \"$root/cgi-bin\">\nRequire all granted\n"
        . "</Directory>\n");

my $r = http($s->{port}, 'POST', '/cgi-bin/echo.js/more%20path?q=1',
    body => 'abc', headers => ['Content-Type', 'text/plain']);
is($r->{status}, 200, 'status');
is($r->json->{url},
    "http://127.0.0.1:$s->{port}/cgi-bin/echo.js/more%20path?q=1", 'URL');
is($r->json->{body}, 'abc', 'body');
$r = http($s->{port}, 'GET', '/cgi-bin/echo.js?--version');
is($r->{status}, 200, 'a query without "=" becomes arguments: ignored');
is(http($s->{port}, 'GET', '/.snapcgi/echo.js')->{status}, 403,
    'the program itself is not to be had by URL');
diag(read_file($s->{log}), read_file($s->{snaplog}))
    if !Test::More->builder->is_passing;

done_testing();
