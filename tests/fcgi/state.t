#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# What one request leaves for the next, by the pool's reset.
sub counts {
    my (%pool) = @_;
    my $s = serve(pool => \%pool);
    my $env = cgi_env(fixture('counter.js'));
    return map { fcgi($s->{socket}, $env)->{body} } 1 .. 4;
}
is_deeply([counts(reset => 'context')], [("1 1\n") x 4], 'context: nothing');
is_deeply([counts(reset => 'isolate')], [("1 1\n") x 4], 'isolate: nothing');
is_deeply([counts(reset => 'none')], [map { "$_ $_\n" } 1 .. 4],
    'none: the module and the global object');

# Isolates end after max_requests, whatever they hold.
is_deeply([counts(reset => 'none', max_requests => 2)],
    ["1 1\n", "2 2\n", "1 1\n", "2 2\n"], 'none with max_requests = 2');

# Random numbers differ between contexts, the seed between processes.
my %seen;
my $repeated = 0;
for my $reset (qw(context isolate none)) {
    my $s = serve(pool => { reset => $reset });
    for (1 .. 8) {
        my @v = split(' ', fcgi($s->{socket},
            cgi_env(fixture('random.js')))->{body});
        shift @v if $reset eq 'none';
        $repeated ||= $seen{$_}++ for @v;
    }
}
ok(!$repeated, 'Math.random and crypto never repeat');

# Many scripts in a pool of few: the least recently used goes.
my $s = serve(pool => { max_apps => 2, reset => 'none' });
sub of { return fcgi($s->{socket}, cgi_env(fixture("$_[0].js")))->{body} }
is(of('counter'), "1 1\n", 'first');
is(of('hello'), "hello\n", 'another');
is(of('counter'), "2 2\n", 'both are held');
is(of('function'), "function GET\n", 'a third');
is(of('counter'), "3 3\n", 'the recently used one is held');
is(of($_), of($_), "$_ by turns") for qw(hello classic function timer);
is(of('counter'), "1 1\n", 'the long unused one is not');

# One application for the whole pool, whatever the script's name.
my $one = serve(pool => { app => fixture('hello.js') });
is(fcgi($one->{socket}, cgi_env('/nowhere/else.js'))->{body}, "hello\n",
    'app = FILE');
is(fcgi($one->{socket}, cgi_env('proxy:fcgi://localhost:9000/a%20b?c'))->{body},
    "hello\n", 'app = FILE, whatever the web server makes of the URL');

done_testing();
