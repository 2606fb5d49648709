#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# snapcgi(8) names what the tables of the program have: each figure of the
# status page, each letter and member of the access log, each verb of ctl, and
# each signal of the supervisor; and no other.
my $page = read_file(source('man/snapcgi.8'));

# A section of the page.
sub section {
    my ($name) = @_;
    my ($text) = $page =~ /^\.S[sh] \Q$name\E\n(.*?)(?=^\.S[sh] |\z)/ms;
    die "the page has no section $name" if !defined $text;
    return $text;
}

# What its items name: "start time , start since" is two, " +" is a mark.
sub items {
    my ($text) = @_;
    return map { split /\s*,\s*/ } map { s/ \+$//r }
        $text =~ /^\.It (?!Cm|Dv|Xo)(.+)$/mg;
}

sub table {
    my ($file, $name) = @_;
    my ($rows) = read_file(source($file)) =~ /\b\Q$name\E\[\] = \{(.*?)\};/s;
    die "$file has no $name" if !defined $rows;
    return $rows;
}

sub names { return $_[0] =~ /\{"([^"]+)"/g }

my ($pool, $process) = section('The status page') =~ /(.*)A process has:(.*)/s;
$pool =~ s/.*^php-fpm has not\.$//ms;
is_deeply([items($pool)],
    [names(table('src/serve/status_table.c', 'status_pool_table'))],
    'the figures of a pool, in their order');
is_deeply([items($process)],
    [names(table('src/serve/status_table.c', 'status_process_table'))],
    'and of a process');

my $access = section('The access log');
my ($letters, $members) = $access =~ /(.*)^The format$(.*)/ms;
my @found = map { substr($_, -1) } map { s/ \+$//r } map { split / , / }
    $letters =~ /^\.It Cm (.+)$/mg;
my @there = table('src/serve/access.c', 'letters') =~ /\{'(.)'/g;
is_deeply([sort @found], [sort @there], 'the letters of the access log');
for my $unit (names(table('src/serve/access.c', 'times')),
    names(table('src/serve/access.c', 'sizes')),
    names(table('src/serve/access.c', 'cpus'))) {
    next if $unit =~ /^mili/; # an old spelling
    like($letters, qr/\{$unit\}/, "the unit $unit");
}
my ($object) = read_file(source('src/serve/access.c'))
    =~ /^static void put_object\(.*?^\}/msg ? $& : '';
is_deeply([items($members)],
    [$object =~ /(?:member\(l, "|\\")(\w+)(?:"|\\":)/g],
    'the members of the JSON form, in their order');

my @verbs = map { (/\bCm ([a-z-]+)/g, /\bCm \w+ , (\w+)$/) }
    section('Control') =~ /^\.It (.+)$/mg;
for my $file ('src/serve/super_control.c', 'src/serve/ctl.c') {
    my @known = names(table($file, 'verbs'));
    is_deeply([sort @verbs], [sort @known], "the verbs of $file");
}

my ($ours) = read_file(source('src/serve/super.c'))
    =~ /ours\[\] = \{([^}]+)\}/;
my $signals = section('The supervisor');
for my $signal (grep { $_ ne 'CHLD' } $ours =~ /SIG(\w+)/g) {
    like($signals, qr/^\.It Dv (?:\w+ , )?$signal\b/m, "the signal $signal");
}

done_testing();
