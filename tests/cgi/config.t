#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# A configuration with a mistake is refused whole, with file and line.
my $dir = temp_dir();
sub conf { return write_file("$dir/c.conf", $_[0]) }

for my $case (
    ['an unknown key', "[global]\nerror_lag = x\n", 2],
    ['an unknown section', "[globel]\n", 1],
    ['a bad time', "[pool a]\nlisten = 9000\nroot = /tmp\nrequest_timeout = 5x\n", 4],
    ['a bad number', "[pool a]\nlisten = 9000\nroot = /tmp\nspare = many\n", 4],
    ['a repeated key', "[global]\nlog_level = info\nlog_level = warn\n", 3],
    ['no section', "listen = 9000\n", 1],
    ['an over-long line', "[global]\nerror_log = /" . 'x' x 70000 . "\n", 2],
) {
    my ($name, $text, $line) = @$case;
    my $path = conf($text);
    my $r = run_program(['check', '-c', $path]);
    is($r->{exit}, 78, "$name: exit 78");
    like($r->{err} . $r->{out}, qr/\Q$path\E:$line: \S/, "$name: line $line");
    $r = run_program(['serve', '-c', $path]);
    is($r->{exit}, 78, "$name: serve refuses it");
    my $reply = cgi(cgi_env(fixture('hello.js')), conf => $path);
    is($reply->{status}, 500, "$name: by CGI a 500");
    unlike($reply->{body}, qr/\Q$dir\E/, "$name: no path in the page");
}

my $path = conf("[global]\nlog_level = info\n[pool a]\nlisten = $dir/s\n"
    . 'root = ' . fixture() . "\n");
my $r = run_program(['check', '-c', $path]);
is($r->{exit}, 0, 'a good one');
like($r->{out}, qr/^log_level\s*=\s*info$/m, 'its values are shown');
like($r->{out}, qr/^request_timeout\s*=\s*\S+/m, 'and the defaults');

$r = run_program(['check', '-c', "$dir/nothere"]);
is($r->{exit}, 78, 'a missing file: exit 78');
like($r->{err} . $r->{out}, qr/nothere/, 'and it is named');

done_testing();
