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
# Who runs out of memory has the time for it on a busy machine too.
my %settings = (root => fixture(), request_timeout => '1s',
    heap_limit => '32m', buffer_limit => '32m');
my %patient = (%settings, request_timeout => '20s');
my $conf = write_config(temp_dir() . '/c.conf', cgi => \%settings);
my $patient_conf = write_config(temp_dir() . '/p.conf', cgi => \%patient);
my $s = serve(pool => \%settings);
my $patient = serve(pool => \%patient);

my @cases = (
    ['loop', '', 504], ['microtasks', '', 504], ['never', '', 500],
    ['loadloop', '', 504], ['hog', 'heap', 500], ['hog', 'buffers', 500],
    ['deep', '', 500], ['loadhog', '', 500], ['loophog', '', 500],
    ['primes', '', 504],
    ['spinafter', '', 200], ['spinafter', 'big', 200],
);
for my $case (@cases) {
    my ($script, $query, $status) = @$case;
    my $env = cgi_env(fixture("$script.js"), QUERY_STRING => $query);
    my $server = $status == 500 ? \$patient : \$s;
    for my $by (qw(CGI FastCGI)) {
        my $name = join(' ', $by, $script, $query || ());
        my $start = time;
        my $r = $by eq 'CGI'
            ? cgi($env, conf => $status == 500 ? $patient_conf : $conf)
            : fcgi($$server->{socket}, $env);
        ok(!$r->{hung}, "$name: ends");
        is($r->{status}, $status, "$name: status");
        my $id = $r->header('x-request-id') // 'none';
        like($r->{body}, qr/^Request $id$/m, "$name: the page's id")
            if $status != 200;
        is(length $r->{body}, $query ? 300000 : 6, "$name: all of the reply")
            if $script eq 'spinafter';
        cmp_ok(time - $start, '<', $status == 500 ? 19 : 6, "$name: soon");
        next if $by eq 'CGI';
        my $again = wait_for(5, sub {
            my $next = eval {
                fcgi($$server->{socket}, cgi_env(fixture('hello.js')));
            };
            return $next && $next->{body} eq "hello\n";
        });
        ok($again, "$name: the next request is served");
        if (!alive($$server->{pid})) {
            # Out of memory may take the process, once it has answered; who
            # starts another is not this test's business.
            $$server = serve(
                pool => $server == \$s ? \%settings : \%patient);
        }
    }
}

# Timers that are always due leave a turn to the body.
{
    my $env = cgi_env(fixture('busytimer.js'), REQUEST_METHOD => 'POST',
        CONTENT_LENGTH => 5);
    my $c = Snap::Fcgi->new($s->{socket});
    my $bytes = Snap::Fcgi::request_bytes($env, 'hello');
    $c->put(substr($bytes, 0, -24));
    select(undef, undef, undef, 0.3);
    $c->put(substr($bytes, -24));
    is($c->reply(5)->{body}, 'hello', 'a body beside busy timers');
}

# A client that goes while the application loads costs no processor.
{
    my $l = serve(pool => { request_timeout => '5s' });
    my $c = Snap::Fcgi->new($l->{socket});
    $c->request(cgi_env(fixture('loadwait.js')), '');
    $c->hang_up;
    is(fcgi($l->{socket}, cgi_env(fixture('hello.js')))->{body}, "hello\n",
        'a client that goes while the application loads');
    my ($ticks) = map { $_->[13] + $_->[14] } [split ' ',
        read_file("/proc/$l->{pid}/stat") =~ s/.*\) /x x /sr];
    cmp_ok($ticks, '<', 70, "hundredths of a second of processor: $ticks");
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
