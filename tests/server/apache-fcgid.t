#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use ServerCases;
use Snap;
use Super;
use Test::More;

# mod_fcgid starts as many processes as it needs: each is one, without
# children.
my $kind = 'apache-fcgid';
plan(skip_all => $_) for server_missing($kind) // ();

# Processes that were started with that configuration, wherever they are.
sub started {
    my ($s) = @_;
    my @found;
    for my $file (glob '/proc/[0-9]*/cmdline') {
        my ($pid) = $file =~ m{/(\d+)/};
        push @found, $pid if $pid != $s->{pid} && !gone($pid)
            && index(read_file($file), "$s->{conf}\0") >= 0;
    }
    return @found;
}

{
    my $s = server($kind, pool => { pm => 'static', max_children => 4 });
    is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n", 'it serves') for 1 .. 5;
    my @p = started($s);
    is(scalar @p, 1, 'one request after the other: there is one process');
    is(scalar(keys %{children($p[0])}), 0, 'without children, whatever the pool says');
    kill 'KILL', $p[0];
    ok(wait_gone($p[0], 20), 'it is killed');
    ok(wait_for(60, sub { http($s->{port}, 'GET', '/hello.js')->{body} eq "hello\n" }),
        'another one serves');
    my @q = started($s);
    is(scalar @q, 1, 'which is one, too');
    isnt($q[0], $p[0], 'and not the same');
    stop_process($s->{pid});
    is(scalar(grep { !wait_gone($_, 20) } @q), 0, 'Apache stops: no process is left');
}

ServerCases::run($kind);
