#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use POSIX ();

# Standard input and output in every state a server may leave them.
my $conf = write_config(temp_dir() . '/c.conf',
    cgi => { root => fixture(), body_timeout => '1s', max_body => '1m' });
my %post = (REQUEST_METHOD => 'POST');

my $r = cgi(cgi_env(fixture('hello.js')), conf => $conf,
    in_child => sub { POSIX::close(0) });
is("$r->{status} $r->{body}", "200 hello\n", 'stdin closed, no body');

$r = cgi(cgi_env(fixture('count.js'), %post, CONTENT_LENGTH => 5),
    conf => $conf, in_child => sub { POSIX::close(0) });
isnt($r->{status}, 200, 'stdin closed, a body promised');
is($r->{signal}, 0, 'and no crash');

$r = cgi(cgi_env(fixture('hello.js')), conf => $conf,
    in_child => sub { POSIX::close(1) });
is($r->{raw}, '', 'stdout closed: nothing is written');
is($r->{signal}, 0, 'and no crash');
ok(!$r->{hung}, 'and it ends');

$r = cgi(cgi_env(fixture('hello.js')), conf => $conf,
    in_child => sub { POSIX::close($_) for 0 .. 2 });
is($r->{signal}, 0, 'all three closed: no crash');

$r = cgi(cgi_env(fixture('hello.js')), conf => $conf,
    in_child => sub { POSIX::close(2) });
is("$r->{status} $r->{body}", "200 hello\n", 'stderr closed');

# The reader goes away in the middle of a large reply.
pipe(my $out, my $in) or die;
close($out);
$r = cgi(cgi_env(fixture('large.js')), conf => $conf,
    in_child => sub { POSIX::dup2(fileno($in), 1) });
is($r->{signal}, 0, 'a broken pipe: no signal');
ok(!$r->{hung}, 'and it ends');

# Bodies.
$r = cgi(cgi_env(fixture('count.js'), %post, CONTENT_LENGTH => 10),
    conf => $conf, stdin => 'short');
is($r->{status}, 500, 'a short body is an error, not an end');
like($r->{body}, qr/^5 \w*Error/, 'and the stream says so');

$r = cgi(cgi_env(fixture('echo.js'), %post, CONTENT_LENGTH => 3),
    conf => $conf, stdin => 'abcdef');
is($r->json->{body}, 'abc', 'what is past CONTENT_LENGTH is not read');

$r = cgi(cgi_env(fixture('unread.js'), %post, CONTENT_LENGTH => 1048576),
    conf => $conf, stdin => 'x' x 1048576);
is("$r->{status} $r->{body}", "200 not read\n", 'a body nobody reads');

$r = cgi(cgi_env(fixture('count.js'), %post, CONTENT_LENGTH => 1048577),
    conf => $conf, stdin => 'x' x 1048577);
is($r->{status}, 413, 'a body over max_body');

$r = cgi(cgi_env(fixture('count.js'), %post, CONTENT_LENGTH => 5),
    conf => $conf, stdin => undef, seconds => 15);
ok(!$r->{hung}, 'a body that never comes ends at body_timeout');
isnt($r->{status}, 200, 'and not well');

done_testing();
