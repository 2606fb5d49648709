#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# The supervisor as an init script starts it: in the background, with a file
# that holds its process id.
my $hello = cgi_env(fixture('hello.js'));
my @started;
END { kill_it($_) for @started }

# Never 0, which would be this test itself, nor whoever has that id by now.
sub kill_it {
    my ($id) = @_;
    my $exe = readlink("/proc/$id/exe") // '';
    kill 'KILL', $id if $id > 1 && $exe eq program();
    return;
}

sub configure {
    my ($dir, %global) = @_;
    return write_config("$dir/c.conf",
        global => { error_log => "$dir/serve.log", pid => "$dir/pid",
            control => "$dir/control.sock", %global },
        pool => { pm => 'static', max_children => 1, root => fixture(),
            listen => "$dir/www.sock", 'listen.mode' => '0666' });
}

# The id in the file, 0 for none.
sub pid_in {
    my ($file) = @_;
    return read_file($file) =~ /^(\d+)\n\z/ ? $1 : 0;
}

# ---- in the background -----------------------------------------------------

my $dir = temp_dir();
my $conf = configure($dir);
my $r = run_program(['serve', '-c', $conf, '-D'], seconds => 60);
my $pid = pid_in("$dir/pid");
push @started, $pid;
is($r->{exit}, 0, '-D: the command ends with 0') or diag($r->{err});
ok($pid && !gone($pid), 'and leaves a process, whose id is in the file')
    or do { done_testing(); exit 1 };
is(sprintf('%o', (stat "$dir/pid")[2] & 0777), '644', 'which all may read');
ok(ask("$dir/www.sock", $hello, qr/^hello$/), 'it serves at once');
my ($session) = read_file("/proc/$pid/stat") =~ /\) \S \d+ \d+ (\d+) /;
is($session, $pid, 'in a session of its own');
is(join(' ', map { readlink("/proc/$pid/fd/$_") } 0 .. 2),
    '/dev/null /dev/null /dev/null', 'with no terminal');
is(readlink("/proc/$pid/cwd"), readlink('/proc/self/cwd'),
    'in the folder it was started in');

# ---- a second one, and a reload --------------------------------------------

my $other = temp_dir();
$r = run_program(['serve', '-c', configure($other, pid => "$dir/pid")],
    seconds => 60);
is($r->{exit}, 69, 'another with that pid file: exit 69');
like($r->{err}, qr/\Q$dir\E\/pid.*\b$pid\b/, 'the file and the process are named');
is(pid_in("$dir/pid"), $pid, 'the file stays');
my $s = { dir => $dir };
is(ctl($s, 'reload')->{exit}, 0, 'a reload');
is(pid_in("$dir/pid"), $pid, 'is the same process');
is(run_program(['serve', '-c', configure($other, pid => "$dir/pid")],
    seconds => 60)->{exit}, 69, 'which still holds the file');
unlink "$dir/pid";
is(ctl($s, 'reload')->{exit}, 0, 'a reload after somebody removed it');
is(pid_in("$dir/pid"), $pid, 'writes it again');
kill 'TERM', $pid;
ok(wait_gone($pid), 'TERM ends it');
ok(!-e "$dir/pid", 'and its file goes');

# ---- what goes wrong -------------------------------------------------------

write_file("$dir/pid", "$pid\n");
$r = run_program(['serve', '-c', configure($dir, daemonize => 'on')],
    seconds => 60);
push @started, pid_in("$dir/pid");
is($r->{exit}, 0, 'a file left over is no obstacle') or diag($r->{err});
isnt(pid_in("$dir/pid"), $pid, 'and has the new id');
kill_it($started[-1]);
wait_gone($started[-1]);

$r = run_program(['serve', '-D', '-c', configure($dir,
    pid => "$dir/no/pid")], seconds => 60);
is($r->{exit}, 69, 'a pid file that cannot be written: -D tells so');
like($r->{err}, qr{\Q$dir/no/pid\E}, 'on the terminal');
write_file("$dir/precious", "keep this\n");
$r = run_program(['serve', '-c', configure($dir, pid => "$dir/precious")],
    seconds => 60);
is($r->{exit}, 69, 'a pid that is another file: refused');
is(read_file("$dir/precious"), "keep this\n", 'and it is left alone');

# Too few descriptors, wherever they end: what is missing, and what to raise.
SKIP: {
    my $few = temp_dir();
    my $conf = configure($few);
    my %said;
    for my $n (5 .. 40) {
        my $err = '';
        my $pid = start(['prlimit', "--nofile=$n:$n", program(), 'serve', '-D', '-c', $conf],
            out => "$few/out.$n");
        wait_for(60, sub { !alive($pid) });
        last if $Snap::last_status == 0;
        $said{$n} = read_file("$few/out.$n");
    }
    push @started, pid_in("$few/pid");
    kill_it($started[-1]);
    my @own = sort grep { /^snapcgi: /m } values %said;
    skip 'no limit lets it begin and not end', 2 if !@own;
    is(join('', grep { !/Too many open files; .*LimitNOFILE=.*rlimit_files/ } @own), '',
        'too few descriptors: LimitNOFILE and rlimit_files are named');
    like(join('', @own), qr/cannot go to the background: pipe: .*serve -F$/m,
        'and serve -F, if it cannot go to the background');
}

# ---- in the foreground -----------------------------------------------------

$pid = start([program(), 'serve', '-F', '-c', configure($dir, daemonize => 'on')],
    out => "$dir/out");
ok(wait_for(30, sub { pid_in("$dir/pid") == $pid }),
    '-F: the process that was started is the one that serves');
is(stop_process($pid), 0, 'TERM: exit 0');
ok(!-e "$dir/pid", 'and its file goes');

done_testing();
