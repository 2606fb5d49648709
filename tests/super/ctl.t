#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

use IO::Socket::UNIX;
use JSON::PP;
use Socket qw(SOCK_STREAM);

# What an administrator sees of a running supervisor by `snapcgi ctl`.
my $env = cgi_env(fixture('env.js'));

sub start_one {
    my (%o) = @_;
    my $dir = $o{dir} // temp_dir();
    my $s = serve(dir => $dir, global => { control => "$dir/control.sock",
        %{$o{global} // {}} }, pool => { pm => 'static', max_children => 2,
        'env[GREETING]' => 'one', %{$o{pool} // {}} });
    $s->{control} = "$dir/control.sock";
    wait_for(30, sub { -S $s->{control} }); # opened after the pool's
    return $s;
}

sub greeting {
    my ($s) = @_;
    return fcgi($s->{socket}, $env)->{body} =~ /"greeting":"(\w+)"/ ? $1 : '';
}

sub configure {
    my ($s, $from, $to) = @_;
    my $text = read_file($s->{conf});
    $text =~ s/\Q$from\E/$to/ or die "no $from";
    write_file($s->{conf}, $text);
}

# ---- asking ----------------------------------------------------------------

my $s = start_one();
is(sprintf('%o', (stat $s->{control})[2] & 0777), '600',
    'the socket is its user\'s alone');
my $r = ctl($s, 'ping');
is($r->{exit}, 0, 'ping: exit 0');
is($r->{out}, "pong\n", 'ping: pong');
$r = run_program(['ctl', '-c', $s->{conf}, 'ping']);
is($r->{out}, "pong\n", '-c: the configuration tells the socket');
$r = run_program(['ctl', '-c', write_file("$s->{dir}/none.conf", "[global]\n"), 'ping']);
is($r->{exit}, 78, 'one without control: exit 78');
like($r->{err}, qr/which supervisor\? .*socket of the running one as control$/, 'and what to say');
is(ctl($s, 'pools')->{out}, "www\n", 'pools: their names');

# ---- status ----------------------------------------------------------------

greeting($s);
$r = ctl($s, 'status');
is($r->{exit}, 0, 'status: exit 0');
like($r->{out}, qr/\bwww\b/, 'status: the pool is in it');
isnt(ctl($s, 'status', 'full')->{out}, $r->{out}, 'status full: more');
like(ctl($s, 'status', 'www')->{out}, qr/\bwww\b/, 'status POOL');
my $json = eval { decode_json(ctl($s, 'status', 'json', 'full')->{out}) };
ok(ref $json, 'status json is JSON') or diag($@);
like(ctl($s, 'status', 'html')->{out}, qr/<html/i, 'status html is HTML');
like(ctl($s, 'status', 'openmetrics')->{out}, qr/^# EOF\n\z/m,
    'status openmetrics has its end');
$r = ctl($s, 'status', 'nosuch');
is($r->{exit}, 1, 'status of a pool that is not there: exit 1');
like($r->{err}, qr/nosuch/, 'which is named');
is($r->{out}, '', 'and nothing is on the output');

# ---- what is refused -------------------------------------------------------

$r = ctl($s, 'dance');
is($r->{exit}, 1, 'an unknown verb: exit 1');
like($r->{err}, qr/^snapcgi: .*dance/, 'and it is named');
is(ctl($s)->{exit}, 64, 'no verb: exit 64');
is(ctl($s, 'ping', 'a b')->{exit}, 64, 'a word with a blank: exit 64');
is(ctl($s, 'more', 'nosuch')->{exit}, 1, 'more of no pool: exit 1');
is(ctl($s, 'log-level', 'loud')->{exit}, 1, 'no such level: exit 1');
is(ctl($s, 'reload', 'now')->{exit}, 1, 'a word too many: exit 1');
$r = run_program(['ctl', '-s', "$s->{dir}/none.sock", 'ping']);
is($r->{exit}, 69, 'no supervisor: exit 69');
like($r->{err}, qr{\Q$s->{dir}/none.sock\E}, 'the path is named');
like($r->{err}, qr/the path that the configuration of the running one has as control/,
    'and what it must be');
like(run_program(['ctl', '--help'])->{out}, qr/^  reload$/m,
    '--help has the verbs');

# Who connects and says nothing, or will not read, is in nobody's way.
my @idle = map { IO::Socket::UNIX->new(Type => SOCK_STREAM,
    Peer => $s->{control}) } 1 .. 8;
print { $idle[0] } 'pin';
$idle[0]->flush;
is(ctl($s, 'ping')->{exit}, 0, 'silent clients: others are answered');
push @idle, map { IO::Socket::UNIX->new(Type => SOCK_STREAM,
    Peer => $s->{control}) } 1 .. 24;
is(greeting($s), 'one', 'and requests are served');
@idle = ();
ok(wait_for(60, sub { ctl($s, 'ping')->{exit} == 0 }),
    'as soon as they have gone there is room again');

# ---- workers ---------------------------------------------------------------

is(scalar(wait_workers($s, 2)), 2, 'two workers');
is(ctl($s, 'more')->{exit}, 0, 'more: exit 0');
is(scalar(wait_workers($s, 3)), 3, 'and there are three');
is(ctl($s, 'fewer', 'www')->{exit}, 0, 'fewer POOL: exit 0');
is(scalar(wait_workers($s, 2)), 2, 'and there are two');
my @before = workers($s);
$r = ctl($s, 'restart');
is($r->{exit}, 0, 'restart: exit 0') or diag($r->{err});
ok(wait_for(60, sub {
    my %now = map { $_ => 1 } workers($s);
    return keys %now == 2 && !grep { $now{$_} } @before;
}), 'and all workers are other ones');
is(greeting($s), 'one', 'which serve');

# ---- logs ------------------------------------------------------------------

rename($s->{log}, "$s->{log}.1") or die;
is(ctl($s, 'reopen')->{exit}, 0, 'reopen: exit 0');
ok(wait_for(30, sub { -s $s->{log} }), 'and the log is a new file');
is(ctl($s, 'log-level', 'debug')->{exit}, 0, 'log-level: exit 0');
ctl($s, 'ping');
ok(log_has($s, qr/control: process \d+ of user \d+ asks: ping/),
    'and what it lets through is written');

# A log that cannot be opened again is named, and the rest goes on.
{
    my $dir = temp_dir();
    mkdir "$dir/$_" or die for qw(a b);
    my $t = start_one(dir => $dir, global => { error_log => "$dir/a/error.log" },
        pool => { 'access.log' => "$dir/b/access.log", 'slowlog' => "$dir/b/slow.log" });
    $t->{log} = "$dir/a/error.log";
    my $again = sub { scalar log_like($t, qr/logs are open again/) };
    is(greeting($t), 'one', 'logs in folders of their own');
    rename("$dir/b", "$dir/gone") or die;
    my $r = ctl($t, 'reopen');
    is($r->{exit}, 1, 'reopen without the folder of a log: exit 1');
    like($r->{err}, qr{^snapcgi: pool www: cannot open the log \Q$dir\E/b/access\.log: .+\npool www: cannot open the log \Q$dir\E/b/slow\.log: },
        'both logs are named');
    like($r->{err}, qr/what was open stays in use.*reopen again/, 'and what to do');
    ok(log_has($t, qr{ error .*\Q$dir\E/b/access\.log}), 'the error log has it, too');
    is($again->(), 0, 'and nothing else is said');
    kill 'USR1', $t->{pid};
    ok(wait_for(30, sub { log_like($t, qr{\Q$dir\E/b/slow\.log}) == 2 }),
        'USR1 says the same');
    is($again->(), 0, 'and not that all is well');
    my $before = -s "$dir/gone/access.log";
    is(greeting($t), 'one', 'it serves');
    ok(wait_for(30, sub { -s "$dir/gone/access.log" > $before }),
        'and goes on in the file it had');
    rename("$dir/gone", "$dir/b") or die;
    rename("$dir/b/access.log", "$dir/b/access.log.1") or die;
    rename("$dir/a", "$dir/away") or die;
    $t->{log} = "$dir/away/error.log";
    $r = ctl($t, 'reopen');
    is($r->{exit}, 1, 'the same for the error log: exit 1');
    like($r->{err}, qr{cannot open the log \Q$dir\E/a/error\.log: }, 'which is named');
    ok(-e "$dir/b/access.log", 'those that can be are opened');
    rename("$dir/away", "$dir/a") or die;
    $t->{log} = "$dir/a/error.log";
    is(ctl($t, 'reopen')->{exit}, 0, 'with its folder: exit 0');
    is($again->(), 1, 'and that is said');
    is(stop_process($t->{pid}), 0, 'SIGTERM: exit 0');
}

# ---- reload ----------------------------------------------------------------

configure($s, 'env[GREETING] = one', 'env[GREETING] = two');
@before = workers($s);
$r = ctl($s, 'reload');
is($r->{exit}, 0, 'reload: exit 0 once it is done') or diag($r->{err});
ok(wait_for(60, sub { greeting($s) eq 'two' }), 'the new configuration serves');
is(ctl($s, 'ping')->{out}, "pong\n", 'the socket is there as before');

configure($s, 'env[GREETING] = two', "env[GREETING] = three\nnonsense = 1");
$r = ctl($s, 'reload');
is($r->{exit}, 1, 'a configuration that is wrong: exit 1');
like($r->{err}, qr/nonsense/, 'with the reason');
is(greeting($s), 'two', 'the old one stays');
configure($s, 'nonsense = 1', 'user = nobodyatall');
$r = ctl($s, 'reload');
is($r->{exit}, 1, 'a user who is not: exit 1');
like($r->{err}, qr/\Asnapcgi: pool www: .*nobodyatall.*\nthe old configuration stays\n\z/,
    'who speaks is said once');
configure($s, 'user = nobodyatall', '');
is(ctl($s, 'reload')->{exit}, 0, 'corrected: exit 0');
ok(wait_for(60, sub { greeting($s) eq 'three' }), 'and it serves');

# ---- another supervisor ----------------------------------------------------

{
    my $conf = write_config("$s->{dir}/second.conf",
        global => { control => $s->{control} },
        pool => { listen => "$s->{dir}/second.sock", root => fixture() });
    $r = run_program(['serve', '-c', $conf], seconds => 30);
    is($r->{exit}, 69, 'a second supervisor at the same socket: exit 69');
    like($r->{err}, qr/\Q$s->{control}\E/, 'and it is named');
    is(ctl($s, 'ping')->{exit}, 0, 'the first goes on');
}

# ---- the end ---------------------------------------------------------------

is(ctl($s, 'quit')->{exit}, 0, 'quit: exit 0');
ok(wait_for(60, sub { !alive($s->{pid}) }), 'and it ends');
is($Snap::last_status, 0, 'well');
ok(!-e $s->{control}, 'the socket has gone');
is(ctl($s, 'ping')->{exit}, 69, 'and nobody is there: exit 69');

my $killed = start_one();
kill 'KILL', $killed->{pid};
wait_for(30, sub { !alive($killed->{pid}) });
ok(-S $killed->{control}, 'a supervisor that was killed leaves its socket');
$r = ctl($killed, 'ping');
is($r->{exit}, 69, 'nobody listens there: exit 69');
like($r->{err}, qr/does not run/, 'which is said');
my $next = start_one(dir => $killed->{dir});
is(ctl($next, 'ping')->{exit}, 0, 'the next one replaces it');
is(ctl($next, 'stop')->{exit}, 0, 'stop: exit 0');
ok(wait_for(60, sub { !alive($next->{pid}) }), 'and it ends');
is($Snap::last_status, 0, 'well');

done_testing();
