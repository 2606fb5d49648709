#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP qw(decode_json);
use Kept;
use Snap;
use Super;
use Test::More;

# A pool that sleeps when nobody comes, and saves under load.
my $app = app_of(<<'JS', { up => 'release?.(++count); return String(count);', seen => 'return seen;', log => 'return [ticks > 0, rang];',
let count = 0, release, ticks = 0, rang = false;
const seen = [];
(async () => { for (;;) seen.push(await new Promise(r => release = r)); })();
setInterval(() => ticks++, 20);
setTimeout(() => rang = true, 3600000);
addEventListener("pause", () => seen.push("pause"));
JS
    '"up.js"' => 'return String(++count);' });

{
    my $s = start_kept(app => $app, pool => { pm => 'ondemand', hibernate_after => '200ms' });
    for my $n (1 .. 4) {
        is(told($s, '/up'), $n, "request $n wakes it");
        ok(wait_phase($s, 'hibernating'), 'then it hibernates');
        is(scalar(workers($s)), 0, 'and no process is left');
        cmp_ok(-s $s->{state}, '>', 1000, 'only the file');
    }
    is_deeply(decode_json(told($s, '/seen')), [map { ($_, 'pause') } 1 .. 4], 'what was suspended went on each time');
    is(decode_json(told($s, '/log'))->[1] ? 1 : 0, 0, 'a timer that is far away has not run');
    wait_phase($s, 'hibernating');
    is(why_not($s), '', 'ctl save is no mistake then');
    my @many = map { begin_request($s->{socket}, cgi_env('/x', SCRIPT_NAME => '/up')) } 1 .. 8;
    is(join(' ', sort { $a <=> $b } map { $_->reply(60)->{body} } @many), '5 6 7 8 9 10 11 12', 'many who come at once are all served');
    wait_phase($s, 'hibernating');
    is(stop_process($s->{pid}), 0, 'it can be stopped while it sleeps');
    my $next = start_kept(dir => $s->{dir}, pool => { pm => 'ondemand', hibernate_after => '1h' });
    is(told($next, '/up'), 13, 'and goes on');
    is(errors_of($next), '', 'without an error');
}

# ---- under load -----------------------------------------------------------------------

{
    my $s = start_kept(app => $app);
    my $load = load_start(3, $s->{socket}, cgi_env('/x', SCRIPT_NAME => '/up'), qr/^\d+$/);
    my @failed = grep { $_ ne '' } map { why_not($s) } 1 .. 20;
    is("@failed", '', 'twenty saves under load');
    my ($count, @bad) = load_stop($load);
    is("@bad", '', 'no request is lost');
    cmp_ok($count, '>', 0, 'and there were some');
    is(told($s, '/up'), $count + 1, 'nor what it did');
    is(errors_of($s), '', 'without an error');
}

for my $kind (qw(nginx-keep nginx lighttpd-fastcgi)) {
    my $why = server_missing($kind);
    SKIP: {
        skip $why, 4 if $why;
        my $dir = temp_dir();
        write_file("$dir/app.js", $app, 0644);
        write_file("$dir/up.js", '', 0644);
        my $w = server($kind, root => $dir, global => { control => "$dir/control.sock" });
        write_file($w->{conf}, read_file($w->{conf})
            =~ s{^root = .*$}{app = $dir/app.js\nstate = $dir/state}mr);
        is(ctl({ dir => $dir }, 'reload')->{exit}, 0, "$kind: a pool that begins to keep its state");
        my $stop = "$dir/stop";
        my @pids;
        for my $n (1 .. 3) {
            my $pid = fork() // die;
            if (!$pid) {
                alarm 0;
                my ($all, @wrong) = 0;
                until (-e $stop || @wrong > 5) {
                    my $r = http($w->{port}, 'GET', '/up.js', seconds => 60);
                    $all++;
                    push @wrong, "$r->{status} " . substr($r->{body}, 0, 60) if $r->{status} != 200 || $r->{body} !~ /^\d+$/;
                }
                write_file("$dir/$n.part", join("\n", $all, @wrong));
                rename "$dir/$n.part", "$dir/$n.result";
                POSIX::_exit(0);
            }
            push @pids, $pid;
        }
        my @failed = map { my $r = ctl({ dir => $dir }, 'save'); $r->{exit} == 0 ? () : $r->{err} } 1 .. 20;
        write_file($stop, '');
        waitpid($_, 0) for @pids;
        my ($all, @wrong) = 0;
        for my $n (1 .. 3) {
            my ($c, @w) = split /\n/, read_file("$dir/$n.result");
            $all += $c // 0;
            push @wrong, @w;
        }
        is("@failed", '', "$kind: twenty saves under load");
        is("@wrong", '', "$kind: each request has its reply");
        is(http($w->{port}, 'GET', '/up.js')->{body}, $all + 1, "$kind: and its effect");
    }
}

done_testing();
