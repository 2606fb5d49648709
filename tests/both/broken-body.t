#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# A stream that fails after the head is out cannot be mended: the peer must
# be able to see that it was cut.
my $conf = write_config(temp_dir() . '/c.conf', cgi => { root => fixture() });
my $env = cgi_env(fixture('streamerror.js'));
my $c = cgi($env, conf => $conf);
is($c->{status}, 200, 'CGI: the head was out');
is($c->{body}, 'x' x 10, 'CGI: so was the first piece');
is($c->{signal}, 0, 'CGI: no crash');

my $s = serve();
my $f = fcgi($s->{socket}, $env);
is($f->{body}, 'x' x 10, 'FastCGI: the first piece was out');
ok(!$f->{ended} || $f->{app} != 0, 'FastCGI: no END_REQUEST as of success');
ok(!$f->{hung}, 'FastCGI: the connection is closed');
is(fcgi($s->{socket}, cgi_env(fixture('hello.js')))->{body}, "hello\n",
    'FastCGI: the next request is served');
like(read_file($s->{log}), qr/broke in the middle/, 'the log says why');

# Nothing of it is out yet: the client is told properly.
for my $how ('', 'start', 'length') {
    my $early = cgi_env(fixture('streamfails.js'), QUERY_STRING => $how);
    is(cgi($early, conf => $conf)->{status}, 500, "CGI: failed early $how");
    my $r = fcgi($s->{socket}, $early);
    is($r->{status}, 500, "FastCGI: failed early $how");
    like($r->{body}, qr/^500 Internal Server Error\n/, 'and a page');
}
like(read_file($s->{log}), qr/broke at once/, 'the log says why');
like(read_file($s->{log}), qr/longer than its Content-Length of 3 bytes/,
    'and what was wrong with the length');

done_testing();
