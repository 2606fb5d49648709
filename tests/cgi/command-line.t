#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# With CGI variables set, arguments come from a client (the ISINDEX query of
# RFC 3875 section 4.4) and are ignored altogether.
my $conf = write_config(temp_dir() . '/c.conf', cgi => { root => fixture() });
my $env = cgi_env(fixture('hello.js'));

for my $argv (['--version'], ['--help'], ['serve', '-c', '/etc/passwd'],
    ['-c', '/etc/passwd'], ['check', '-c', '/nothere'], ['/etc/passwd'],
    [fixture('throw.js')], ['--', '-x'], ['']) {
    my $r = cgi($env, conf => $conf, argv => $argv);
    is("$r->{status} $r->{body} $r->{exit}", "200 hello\n 0",
        "ignored: @$argv");
}

# Without them it is a command line.
my $r = run_program(['--version']);
is($r->{exit}, 0, '--version ends well');
like($r->{out}, qr/snapcgi \S+.*V8 \d+\.\d+/s, '--version names V8');
$r = run_program(['--help']);
is($r->{exit}, 0, '--help ends well');
like($r->{out}, qr/\bserve\b.*\bcheck\b/s, '--help names the commands');
for my $argv (['--nothere'], ['nothere'], ['serve', '--nothere'], ['check',
    '-c']) {
    $r = run_program($argv);
    is($r->{exit}, 64, "exit 64: @$argv");
    isnt($r->{err}, '', "a word about it: @$argv");
    is($r->{out}, '', "nothing on stdout: @$argv");
}

done_testing();
