#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# A function that is itself an executable CGI script.
my $dir = temp_dir();
my $conf = write_config("$dir/c.conf", cgi => { root => $dir });
my $line = '#!' . program() . "\n";
plan(skip_all => 'the path of the program is too long for #!')
    if length $line > 250;

my $script = write_file("$dir/app.js", $line
    . read_file(fixture('echo.js')), 0755);
my $r = cgi(cgi_env($script, QUERY_STRING => 'a=1'), conf => $conf,
    command => [$script]);
is($r->{status}, 200, 'status');
is($r->json->{url}, 'http://example.org/app.js?a=1', 'reply');

$r = cgi(cgi_env($script), conf => $conf, command => [$script, '--version']);
is($r->{status}, 200, 'arguments are ignored');

# As Apache's ScriptAlias calls it: without the suffix of a function.
my $plain = write_file("$dir/app.cgi", $line
    . read_file(fixture('hello.js')), 0755);
my $ext = write_config("$dir/e.conf",
    cgi => { root => $dir, extensions => '.js .cgi' });
$r = cgi(cgi_env($plain), conf => $ext, command => [$plain]);
is("$r->{status} $r->{body}", "200 hello\n", 'another suffix, configured');

my $bad = write_file("$dir/bad.js", $line . "export default {\n  x y\n};\n",
    0755);
$r = cgi(cgi_env($bad), conf => $conf, command => [$bad]);
is($r->{status}, 500, 'a mistake is a 500');
like($r->{err}, qr/bad\.js:3/, 'and its line counts the first one');

done_testing();
