#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;
use File::Copy qw(copy);

# HUP and USR2: configuration, code and program change, and nobody notices
# but by the answers.
my $hello = cgi_env(fixture('hello.js'));

# A server of an application of its own, which can be changed.
sub app_server {
    my (%o) = @_;
    my $dir = temp_dir();
    my $app = write_file("$dir/app.js", read_file(fixture('sleep.js')));
    return serve(%o, dir => $dir, pool => { app => $app, pm => 'static',
        max_children => 2, watch => 'off', %{$o{pool} // {}} });
}

sub rewrite {
    my ($file, $from, $to) = @_;
    my $text = read_file($file);
    $text =~ s/$from/$to/ or die "$file has no $from";
    write_file("$file.new", $text);
    rename "$file.new", $file;
}

sub reloads { my @l = log_like($_[0], qr/all workers are new/); return scalar @l }

# A signal, and all that follows from it.
sub reload {
    my ($s, $signal) = @_;
    my $before = reloads($s);
    kill $signal // 'HUP', $s->{pid};
    return wait_for(60, sub { reloads($s) > $before });
}

my $env = cgi_env('/x', QUERY_STRING => '0');
my $busy = cgi_env('/x', QUERY_STRING => '2000');

for my $signal (qw(HUP USR2)) {
    my $s = app_server();
    my @old = wait_workers($s, 2);
    ok(ask($s->{socket}, $env, qr/slept one/), 'it serves');
    my $c = begin_request($s->{socket}, $busy);
    select undef, undef, undef, 0.3;
    rewrite("$s->{dir}/app.js", '"one"', '"two"');
    ok(ask($s->{socket}, $env, qr/slept one/), 'watch = off: the code stays');
    my $inode = (stat $s->{socket})[1];
    ok(reload($s, $signal), "$signal: all workers are new");
    ok(ask($s->{socket}, $env, qr/slept two/), 'and so is the code');
    my $r = $c->reply(30);
    is("$r->{status} $r->{body}", "200 slept one\n", 'what ran went on to its end');
    ok(wait_for(30, sub { !grep { !gone($_) } @old }), 'the old workers have gone');
    is(scalar(workers($s)), 2, 'and there are as many new ones');
    is((stat $s->{socket})[1], $inode, 'the socket is the same');
    ok(alive($s->{pid}), 'the supervisor has the same process id');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
    ok(!-e $s->{socket}, 'its socket goes with it');
}

{
    my $s = app_server();
    wait_workers($s, 2);
    rewrite($s->{conf}, 'max_children = 2', 'max_children = 4');
    ok(reload($s), 'another number of workers');
    is(scalar(wait_workers($s, 4)), 4, 'which are there');

    my @w = workers($s);
    rewrite($s->{conf}, 'max_children = 4', 'max_children = many');
    kill 'HUP', $s->{pid};
    like(log_has($s, qr/max_children/),
        qr/ error .*configuration test \d+: .*:\d+: max_children = many is not/,
        'a mistake in the configuration is named');
    ok(log_has($s, qr/ error .*was refused, .*the old one stays/), 'and refused');
    is(scalar(log_like($s, qr/ (?:warn|error) .*configuration/)), 2,
        'a line for the reason, a line for what becomes of it');
    is(join(',', workers($s)), join(',', @w), 'the workers stay');
    ok(ask($s->{socket}, $env, qr/slept/), 'and serve');
    rewrite($s->{conf}, 'max_children = many', 'max_children = 1');
    ok(reload($s), 'it is corrected');
    is(scalar(wait_workers($s, 1)), 1, 'and in force');

    # A socket that cannot be opened.
    rewrite($s->{conf}, 'listen = .*', 'listen = /nonexistent/s.sock');
    kill 'HUP', $s->{pid};
    like(log_has($s, qr{/nonexistent/s.sock}), qr/configuration test/, 'a socket that cannot be is named');
    select undef, undef, undef, 0.3;
    ok(ask($s->{socket}, $env, qr/slept/), 'the old one serves');

    rewrite($s->{conf}, 'listen = .*', "listen = $s->{dir}/other.sock");
    my $c = begin_request($s->{socket}, $busy);
    my @queued = map { begin_request($s->{socket}, $env) } 1 .. 3;
    ok(reload($s), 'another socket');
    ok(ask("$s->{dir}/other.sock", $env, qr/slept/), 'serves');
    is(join(',', map { $_->reply(30)->{status} } $c, @queued), '200,200,200,200',
        'who had come to the old one is answered');
    ok(!-e $s->{socket}, 'which is removed');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
    ok(!-e "$s->{dir}/other.sock", 'and the other at the end');
}

# A pool comes and goes.
{
    my $s = app_server();
    wait_workers($s, 2);
    my $one = read_file($s->{conf});
    write_file($s->{conf}, $one . "[pool two]\nlisten = $s->{dir}/two.sock\nroot = "
        . fixture() . "\npm = static\nmax_children = 1\n");
    ok(reload($s), 'one pool more');
    ok(ask("$s->{dir}/two.sock", $hello, qr/hello/), 'it serves');
    write_file($s->{conf}, $one);
    ok(reload($s), 'and one fewer');
    ok(wait_for(20, sub { !-e "$s->{dir}/two.sock" && workers($s) == 2 }), 'it is gone, workers and all');
    ok(ask($s->{socket}, $env, qr/slept/), 'the first serves');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Under load, again and again, with code and configuration changing: no
# request is lost.
{
    my $s = app_server(pool => { reset => 'none' });
    wait_workers($s, 2);
    my $load = load_start(3, $s->{socket}, $env, qr/^slept (one|two)$/);
    my @words = ('one', 'two');
    for my $n (1 .. 4) {
        rewrite("$s->{dir}/app.js", "\"$words[0]\"", "\"$words[1]\"");
        @words = reverse @words;
        ok(reload($s, $n % 2 ? 'HUP' : 'USR2'), "reload $n under load");
    }
    kill 'HUP', $s->{pid} for 1 .. 5;
    my $before = reloads($s);
    kill $_, $s->{pid} for qw(HUP USR2 HUP USR1 USR2);
    ok(wait_for(60, sub { reloads($s) > $before }), 'many at once are one or two');
    ok(wait_for(60, sub { workers($s) == 2 }), 'two workers are left');
    my ($count, @bad) = load_stop($load);
    cmp_ok($count, '>', 50, "requests meanwhile: $count");
    is(join("\n", @bad), '', 'none was lost');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# The program itself is replaced, and then is missing.
SKIP: {
    my $dir = temp_dir();
    my $binary = "$dir/snapcgi";
    copy(program(), $binary) or skip("no room for a copy: $!", 6);
    chmod 0755, $binary;
    my $s = app_server(program => $binary);
    wait_workers($s, 2);
    copy(program(), "$binary.new") or skip("no room for a copy: $!", 6);
    chmod 0755, "$binary.new";
    rename "$binary.new", $binary;
    my $inode = (stat $binary)[1];
    ok(reload($s), 'another program in the place');
    is((stat "/proc/$s->{pid}/exe")[1], $inode, 'the supervisor runs it');
    ok(wait_for(30, sub {
        my @w = workers($s);
        return @w == 2 && !grep { ((stat "/proc/$_/exe")[1] // 0) != $inode } @w;
    }), 'and so do the workers');
    unlink $binary;
    my @w = workers($s);
    kill 'HUP', $s->{pid};
    ok(log_has($s, qr/was refused, .*the old one stays/), 'no program in the place: refused');
    is(join(',', workers($s)), join(',', @w), 'the workers stay');
    ok(ask($s->{socket}, $env, qr/slept/), 'and serve');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Told before it was ready.
{
    my $s = app_server();
    kill 'HUP', $s->{pid} for 1 .. 3;
    ok(wait_for(60, sub { reloads($s) > 0 }), 'HUP while it starts');
    ok(ask($s->{socket}, $env, qr/slept/), 'it serves');
    kill 'HUP', $s->{pid};
    kill 'TERM', $s->{pid};
    ok(wait_for(30, sub { !alive($s->{pid}) }), 'TERM during a reload: it ends');
}

# watch = on needs no reload.
{
    my $s = app_server(pool => { watch => 'on' });
    wait_workers($s, 2);
    ok(ask($s->{socket}, $env, qr/slept one/), 'watch = on');
    rewrite("$s->{dir}/app.js", '"one"', '"three"');
    ok(wait_for(30, sub { ask($s->{socket}, $env, qr/slept three/) }), 'code that changed is seen');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
