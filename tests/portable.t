#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/tap";
use Snap;
use Test::More;

# The bytes of frozen values. Applications cannot reach the files of js/, so
# these become modules of one, with tests/portable/app.js around them.
my $dir = temp_dir();
for my $file (source('tests/js/tap.js'), glob(source('tests/portable/*.js'))) {
    my ($name) = $file =~ m{([^/]+)$};
    write_file("$dir/$name", read_file($file));
}
for my $name (qw(webidl inspect portable portable_read portable_write)) {
    write_file("$dir/$name.js", 'export default function (native, use) {'
        . read_file(source("js/$name.js")) . "\n}\n");
}
my $conf = write_config("$dir/c.conf",
    cgi => { root => $dir, request_timeout => '120s' });
my $r = cgi(cgi_env("$dir/app.js"), conf => $conf, seconds => 120);
is($r->{status}, 200, 'the application answers') or diag($r->{err});

my ($count, $planned) = (0, -1);
for my $line (split(/\n/, $r->{body})) {
    if ($line =~ /^(not )?ok \d+ - (.*)/) {
        $count++;
        ok(!$1, $2);
    } elsif ($line =~ /^1\.\.(\d+)$/) {
        $planned = $1;
    } else {
        diag($line);
    }
}
is($count, $planned, 'as many tests as planned');

done_testing();
