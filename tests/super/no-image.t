#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# An installation's image that is missing, damaged or of another V8: it is
# named, and the built-in one serves. And what else stops a start: each with
# its sentence and its status.
my $dir = temp_dir();
my $hello = cgi_env(fixture('hello.js'));
my $r = run_program(['image', 'build', '--api', '-o', "$dir/good.img"]);
plan(skip_all => "image build: $r->{err}") if $r->{exit};
my $good = read_file("$dir/good.img");

# A server with this image; SNAPCGI_IMAGE is the supervisor's environment.
sub served_with {
    my ($image, %pool) = @_;
    local $ENV{SNAPCGI_IMAGE} = $image;
    return serve(pool => { pm => 'static', max_children => 2, %pool });
}

sub test_with {
    my ($image) = @_;
    my $conf = write_config("$dir/t.conf", global => { error_log => 'stderr' },
        pool => { listen => "$dir/t.sock", root => fixture() });
    return run_program(['serve', '-t', '-c', $conf], env => { SNAPCGI_IMAGE => $image });
}

{
    my $s = served_with("$dir/good.img");
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'a good image serves');
    unlike(read_file($s->{log}), qr/image/, 'and nothing is said about it');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
    my $t = test_with("$dir/good.img");
    is($t->{exit}, 0, 'serve -t agrees');
    unlike($t->{err}, qr/image/, 'without a word');
}

my ($version) = run_program(['--version'])->{out} =~ /^V8 (\S+)/m;
my $other = $good;
my $changed = $version =~ s/^(\d)/($1 + 1) % 10/er;
ok(index(substr($other, 0, 4096), $version) > 0, 'the header has the version of V8');
substr($other, index($other, $version), length $changed, $changed);
my $flipped = $good;
substr($flipped, length($good) / 2, 1) ^= "\x10";
my %bad = (
    'one that is missing' => undef,
    'an empty one' => '',
    'half of one' => substr($good, 0, length($good) / 2),
    'one with a bit changed' => $flipped,
    'one of another V8' => $other,
    'something else' => "#!/bin/sh\n" x 1000,
);
for my $name (sort keys %bad) {
    my $path = "$dir/bad.img";
    unlink $path;
    write_file($path, $bad{$name}) if defined $bad{$name};
    my $s = served_with($path);
    like(log_has($s, qr/the image \Q$path\E is not used: /) // '', qr/ warn .* is not used: ./,
        "$name: the log says why it is not used");
    ok(ask($s->{socket}, $hello, qr/^hello$/), "$name: it serves without");
    my @w = wait_workers($s, 2);
    kill 'KILL', $w[0];
    ok(wait_for(30, sub { my @n = workers($s); @n == 2 && !grep { $_ == $w[0] } @n }),
        "$name: also after a worker was replaced");
    ok(ask($s->{socket}, $hello, qr/^hello$/), "$name: it does");
    unlike(read_file($s->{log}), qr/SIG(SEGV|TRAP|ABRT|ILL|BUS)/, "$name: V8 never saw it");
    is(stop_process($s->{pid}), 0, "$name: SIGTERM: exit 0");
    my $t = test_with($path);
    like($t->{err}, qr/the image \Q$path\E is not used: ./, "$name: serve -t says the same");
    is($t->{signal}, 0, "$name: and does not crash");
}
# A person who tests at the terminal sees it there, wherever the log goes.
{
    my $conf = write_config("$dir/t.conf", global => { error_log => "$dir/t.log" },
        pool => { listen => "$dir/t.sock", root => fixture() });
    write_file("$dir/bad.img", 'x');
    my $t = run_program(['serve', '-t', '-c', $conf], env => { SNAPCGI_IMAGE => "$dir/bad.img" });
    like($t->{err}, qr/bad\.img is not used/, 'serve -t with a log file says it on the terminal');
}

# An image that becomes bad while it is in use: running workers have it
# mapped, and new ones do without it.
{
    write_file("$dir/live.img", $good);
    my $s = served_with("$dir/live.img");
    my @w = wait_workers($s, 2);
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'it serves');
    write_file("$dir/live.img.new", $flipped);
    rename "$dir/live.img.new", "$dir/live.img";
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'replaced by a bad one: it serves');
    kill 'HUP', $s->{pid};
    ok(log_has($s, qr/all workers are new/, 60), 'a reload goes well');
    ok(log_has($s, qr/live\.img is not used/), 'and says what it has found');
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'it serves');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# ---- what stops a start -------------------------------------------------------

sub refused {
    my ($name, $status, $like, $text, %o) = @_;
    my $conf = "$dir/refused.conf";
    unlink $conf;
    write_file($conf, $text) if defined $text;
    for my $argv (['serve', '-c', $conf], ['serve', '-t', '-c', $conf]) {
        my $what = "$name: serve" . ($argv->[1] eq '-t' ? ' -t' : '');
        my $t = run_program($argv, seconds => 20, %o);
        is($t->{exit}, $status, "$what: exit $status");
        like($t->{err}, $like, "$what: why") or diag($t->{err});
        unlike($t->{err}, qr/\n.*\n.*\n/, "$what: in a line or two");
    }
}

my $root = fixture();
my $pool = "[pool www]\nlisten = $dir/r.sock\n";
my $tight = "[global]\nerror_log = stderr\n";
refused('no file', 78, qr/refused\.conf/, undef);
refused('an unknown key', 78, qr/refused\.conf:3: .*colour/, "${pool}colour = red\nroot = $root\n");
refused('no value', 78, qr/refused\.conf:3: /, "${pool}root\n");
refused('a key twice', 78, qr/refused\.conf:4: .*root/, "${pool}root = $root\nroot = $root\n");
refused('a number out of range', 78, qr/refused\.conf:4: .*max_children/,
    "${pool}root = $root\nmax_children = 0\n");
refused('neither app nor root', 78, qr/app|root/, $pool);
refused('no pool', 78, qr/no pool/, "[global]\nlog_level = info\n");
refused('a user who is not', 78, qr/nobodyatall/, "${pool}root = $root\nuser = nobodyatall\n")
    if $< == 0;
refused('a log in no folder', 78, qr{cannot open the log \Q$dir\E/no/x: },
    "[global]\nerror_log = $dir/no/x\n${pool}root = $root\n");
refused('a socket in no folder', 69, qr{pool www: .*\Q$dir\E/no/r\.sock},
    "[pool www]\nlisten = $dir/no/r.sock\nroot = $root\n");
refused('a path that is too long', 78, qr/107|108|too long/,
    "[pool www]\nlisten = $dir/" . 'x' x 120 . "\nroot = $root\n");
for my $log (qw(access.log slowlog)) {
    refused("$log in no folder", 69, qr{pool www: cannot open the log \Q$dir\E/no/x: },
        "${pool}root = $root\n$log = $dir/no/x\n");
}

# An application may come later; until then the log has the reason.
{
    my $late = temp_dir();
    my $s = serve(pool => { app => "$late/app.js" });
    ok(log_has($s, qr{ error .*cannot find \Q$late\E/app\.js: No such file}),
        'an application that is not there: it starts, and says so');
    my $env = cgi_env('/x');
    like(fcgi($s->{socket}, $env)->{status}, qr/^(404|500)$/, 'requests get an error');
    write_file("$late/app.js", read_file(fixture('hello.js')));
    ok(wait_for(30, sub { ask($s->{socket}, $env, qr/^hello$/) }), 'until it is there');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}
is(run_program(['serve', '--nonsense'])->{exit}, 64, 'an unknown option: exit 64');

done_testing();
