#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use IO::Socket::UNIX;
use Kept;
use Snap;
use Super;
use Test::More;

# A pool with state that another program starts, by a listening socket: whether
# there is a supervisor decides.
my $app = app_of("let count = 0;\n", { up => 'return String(++count);' });
my $dir = temp_dir();
write_file("$dir/app.js", $app, 0644);
my $conf = write_config("$dir/snapcgi.conf", global => { error_log => "$dir/log" },
    pool => { listen => "$dir/www.sock", app => "$dir/app.js", state => "$dir/state" });

sub begin {
    my (%env) = @_;
    unlink "$dir/socket", "$dir/log";
    my $listen = IO::Socket::UNIX->new(Type => SOCK_STREAM, Listen => 16, Local => "$dir/socket")
        or die "socket: $!";
    my $pid = start([program(), '-c', $conf], stdin => $listen, out => "$dir/out", env => \%env);
    return { pid => $pid, dir => $dir, socket => "$dir/socket", log => "$dir/log" };
}

my $check = run_program(['check', '-c', $conf]);
is("$check->{exit} $check->{err}", '0 ', 'the configuration is a good one, whoever starts it');

my $s = begin();
is(told($s, '/up'), 1, 'a process without a supervisor serves');
is(told($s, '/up'), 2, 'as any with reset = none does');
my @said = log_like($s, qr/ warn .*state/);
is(scalar(@said), 1, 'it says once') or diag(read_file($s->{log}));
like($said[0] // '', qr/the state of this pool is not kept, as nobody supervises this process: let snapcgi serve start it, or remove state = \Q$dir\E\/state$/,
    'that its state is not kept');
is(stop_process($s->{pid}), 0, 'it ends');
ok(!-e "$dir/state", 'without a file');

for my $wanted (1, 4) {
    unlink glob "$dir/state*";
    $s = begin(PHP_FCGI_CHILDREN => $wanted);
    is(told($s, '/up'), 1, "PHP_FCGI_CHILDREN = $wanted: one begins");
    is(scalar(wait_workers($s, 1)), 1, 'it is the only one');
    is(stop_process($s->{pid}, 'QUIT'), 0, 'its supervisor ends');
    ok(-s "$dir/state", 'and the state is kept');
    $s = begin(PHP_FCGI_CHILDREN => $wanted);
    is(told($s, '/up'), 2, 'the next goes on');
    is(join('', log_like($s, qr/not kept/)), '', 'and has nothing to say');
    stop_process($s->{pid});
}

done_testing();
