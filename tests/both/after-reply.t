#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


use Time::HiRes qw(time);

# ctx.waitUntil: the reply is complete first, the work is done all the same.
my $dir = temp_dir();
my $log = write_file("$dir/cgi.log", '');
my $conf = write_config("$dir/c.conf", cgi => { root => fixture() },
    global => { error_log => $log, log_level => 'info' });
my $env = cgi_env(fixture('waituntil.js'));
my $c = cgi($env, conf => $conf);
is($c->{body}, "replied\n", 'CGI: reply');
like(read_file($log), qr/work after the reply is done/, 'CGI: the work');

my $s = serve(global => { log_level => 'info' });
my $start = time;
my $f = fcgi($s->{socket}, $env);
my $took = time - $start;
is($f->{body}, "replied\n", 'FastCGI: reply');
cmp_ok($took, '<', 0.19, 'FastCGI: it does not wait for the work');
ok(wait_for(5, sub { read_file($s->{log}) =~ /work after the reply is done/ }),
    'FastCGI: the work');
is(fcgi($s->{socket}, cgi_env(fixture('hello.js')))->{body}, "hello\n",
    'FastCGI: the next request is served');

done_testing();
