#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# What `snapcgi check` and `snapcgi serve -t` tell an administrator, and what
# the log says of settings that cannot do.
my $dir = temp_dir();
my $log = "$dir/error.log";
my $hello = cgi_env(fixture('hello.js'));

sub configure {
    my (%o) = @_;
    return write_config("$dir/c.conf", global => { error_log => $log, %{$o{global} // {}} },
        pool => { listen => "$dir/www.sock", root => fixture(), %{$o{pool} // {}} });
}

# Both commands with this configuration, and what they print.
sub each_command {
    my ($then, %o) = @_;
    my $conf = configure(%o);
    $then->("@$_", run_program([@$_, '-c', $conf])) for ['check'], ['serve', '-t'];
    return;
}

sub refuse {
    my ($what, $like, %o) = @_;
    each_command(sub {
        my ($command, $r) = @_;
        is($r->{exit}, 78, "$command: $what: exit 78");
        my @lines = grep { !/runs as root|system call/ } split /\n/, $r->{err};
        is(scalar @lines, 1, "$command: $what: one line");
        like($lines[0], $like, "$command: $what: which says it") or diag($r->{err});
    }, %o);
    return;
}

# ---- a good one ------------------------------------------------------------

for my $level (qw(error debug)) {
    unlink $log;
    my $r = run_program(['serve', '-t', '-c', configure(global => { log_level => $level })]);
    is($r->{exit}, 0, "log_level = $level: serve -t: exit 0") or diag($r->{err});
    like($r->{err}, qr/ notice .* the configuration is good$/m, 'and that is a notice');
    unlike($r->{err}, qr/ error /, 'there is no error');
    is(read_file($log), '', 'the log is left to who runs');
}
SKIP: {
    skip 'this needs root', 2 if $> != 0;
    my $r = run_program(['serve', '-t', '-c', configure()]);
    like($r->{err}, qr/pool www runs as root, .*set user = NAME in \[pool www\]/,
        'a pool without user: what to set');
    $r = run_program(['serve', '-t', '-c', configure(pool => { user => 'nobody' })]);
    unlike($r->{err}, qr/runs as root/, 'with user: nothing');
}

# ---- and others ------------------------------------------------------------

refuse('a letter that is none', qr/pool www: access\.format: %Z is not known$/,
    pool => { 'access.format' => '%Z' });
my $at = qr/^\Q$dir\E\/c\.conf:\d+: /;
refuse('a path without /', qr/${at}status_path = status is not .*begins with \//,
    pool => { status_path => 'status' });
refuse('a URL', qr/${at}ping\.path = http:.* is not .*begins with \//,
    pool => { 'ping.path' => 'http://localhost/ping' });
refuse('a comma in a list', qr/${at}groups = a, b has a, in it, .* blanks/,
    pool => { groups => 'a, b' });
refuse('no variable', qr/${at}keep_env = A=1 has A=1 in it, /, pool => { keep_env => 'A=1' });
refuse('a long path', qr/${at}control = .* is too long .*107 bytes/,
    global => { control => "$dir/" . 'x' x 107 });
refuse('one socket for two',
    qr/${at}status_listen = .* is the listen of pool www of line \d+, too: give it another$/,
    global => { status_listen => "$dir/www.sock" });

# ---- rlimit_as -------------------------------------------------------------

SKIP: {
    skip 'a sanitizer reserves all addresses', 5 if sanitized();
    my $s = serve(pool => { rlimit_as => '100m' });
    my $line = log_has($s, qr/rlimit_as/, 60) // '';
    like($line, qr/ error .*workers of pool www end before they serve: rlimit_as = 100m seems/,
        'too little for V8: the log names it');
    like($line, qr/raise it, or remove it/, 'and says what to do');
    ok(log_has($s, qr/the next is started in 400 ms/, 60), 'it is tried again');
    is(scalar(log_like($s, qr/rlimit_as/)), 1, 'and not said again');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
