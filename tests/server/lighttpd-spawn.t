#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use ServerCases;
use Snap;
use Super;
use Test::More;

# lighttpd's bin-path: what it starts is a supervisor with workers.
my $kind = 'lighttpd-spawn';
plan(skip_all => $_) for server_missing($kind) // ();

# The process that lighttpd has started, which has its own configuration.
sub supervisor {
    my ($s) = @_;
    my $all = children($s->{pid});
    my @found = grep { index($all->{$_}, $s->{conf}) >= 0 } keys %$all;
    is(scalar @found, 1, 'lighttpd has started one process');
    return { pid => $found[0], log => $s->{snaplog} };
}

for my $case ([undef, 2, 'max_children'], [3, 3, 'PHP_FCGI_CHILDREN']) {
    my ($wanted, $count, $who) = @$case;
    my $s = server($kind, pool => { pm => 'static', max_children => 2 }, edit => sub {
        ${$_[0]} =~ s/("max-procs" => 1)/$1, "bin-environment" => ("PHP_FCGI_CHILDREN" => "$wanted")/
            or die 'the snippet has no max-procs' if $wanted;
    });
    my $super = supervisor($s);
    my @w = wait_workers($super, $count);
    is(scalar @w, $count, "which has $count workers: $who");
    is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n", 'they serve');
    kill 'KILL', $w[0];
    ok(wait_for(30, sub { my @n = workers($super); @n == $count && !grep { $_ == $w[0] } @n }),
        'one that is killed is replaced');
    is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n", 'by one that serves') for 1 .. 4;
    like(read_file($s->{snaplog}), qr/worker $w[0] has ended by signal 9 \(SIGKILL\)/, 'the log says so');
    my @all = ($super->{pid}, keys %{children($super->{pid})});
    cmp_ok(scalar @all, '>=', $count + 2, 'there is a monitor, too');
    stop_process($s->{pid});
    is(scalar(grep { !wait_gone($_, 20) } @all), 0, 'lighttpd stops: no process is left');
}

ServerCases::run($kind);
