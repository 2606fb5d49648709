#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Time::HiRes qw(time);

# What a function may not take more of: time, heap, buffers, stack. It is
# ended, its client gets an answer, and the next request is served.
my %settings = (root => fixture(), request_timeout => '1s',
    heap_limit => '32m', buffer_limit => '32m');
my $conf = write_config(temp_dir() . '/c.conf', cgi => \%settings);
my $s = serve(pool => \%settings);

my @cases = (
    ['loop', '', 504], ['microtasks', '', 504], ['never', '', 500],
    ['loadloop', '', 504], ['hog', 'heap', 500], ['hog', 'buffers', 500],
    ['deep', '', 500],
);
for my $case (@cases) {
    my ($script, $query, $status) = @$case;
    my $env = cgi_env(fixture("$script.js"), QUERY_STRING => $query);
    for my $by (qw(CGI FastCGI)) {
        my $name = join(' ', $by, $script, $query || ());
        my $start = time;
        my $r = $by eq 'CGI' ? cgi($env, conf => $conf)
            : fcgi($s->{socket}, $env);
        ok(!$r->{hung}, "$name: ends");
        is($r->{status}, $status, "$name: status");
        cmp_ok(time - $start, '<', 6, "$name: soon");
        next if $by eq 'CGI';
        my $again = wait_for(5, sub {
            my $next = eval { fcgi($s->{socket}, cgi_env(fixture('hello.js'))) };
            return $next && $next->{body} eq "hello\n";
        });
        ok($again, "$name: the next request is served");
        if (!alive($s->{pid})) {
            # Out of memory may take the process, once it has answered; who
            # starts another is not this test's business.
            $s = serve(pool => \%settings);
        }
    }
}

# waitUntil is bounded too, and does not hold the worker for longer.
my $dir = temp_dir();
my $wait = write_file("$dir/wait.js", 'export default { fetch(r, e, ctx) { '
    . 'ctx.waitUntil(new Promise(() => {})); return new Response("x"); } };');
my $w = serve(pool => { root => $dir, wait_until_timeout => '1s' });
is(fcgi($w->{socket}, cgi_env($wait))->{body}, 'x', 'waitUntil: reply');
is(fcgi($w->{socket}, cgi_env($wait), seconds => 5)->{body}, 'x',
    'waitUntil: the next request within wait_until_timeout');

done_testing();
