#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# The table in src/base/config_table.c, the sample file and the manual page
# name the same keys, in the same sections, with the same defaults. The page
# has the same choices, units and ranges, too.

# What the table says: section => { key => default }, and each key's type.
my %type;

sub from_table {
    my %keys;
    open(my $p, '-|', program(), 'check', '--keys') or die "cannot run: $!";
    while (my $row = <$p>) {
        chomp $row;
        my ($name, $section, $type, $default, $help) = split /\t/, $row, -1;
        like($help, qr/^[A-Z].*\.$/, "the help of $name is a sentence");
        $keys{$_}{$name} = $default for split /\+/, $section;
        $type{$name} = $type;
    }
    close($p);
    is($?, 0, 'check --keys ends well');
    return \%keys;
}

# What the sample shows, as ";key = value" lines under its sections.
sub from_sample {
    my (%keys, $section);
    for (split /\n/, read_file(source('conf/snapcgi.conf'))) {
        $section = $1 if /^;?\[(global|cgi|pool)\b[^]]*\]$/;
        next if !defined $section || !/^;?([a-z][a-z_.]*(?:\[\w+\])?) = (.+)$/;
        my ($key, $value) = ($1, $2);
        $key =~ s/^env\[\w+\]$/env[NAME]/;
        ok(!exists $keys{$section}{$key}, "the sample has $key of $section once");
        $keys{$section}{$key} = $value;
    }
    return \%keys;
}

# Text as a reader of the page sees it.
sub plain {
    my ($text) = @_;
    $text =~ s/\\&//g;
    $text =~ s/\\\(dq/"/g;
    $text =~ s/\\e/\\/g;
    return $text;
}

# What the page says: items with "The default is", and the list for [cgi].
# Of an item: what may stand after the =, and its text.
my (%values, %text);

sub from_page {
    my (%keys, $part, $key);
    my $name = qr/([a-z][a-z_.]*(?=[ ])|env\[ Ns Ar NAME Ns Ic \\&\])/;
    my %part = (GLOBAL => 'global', POOL => 'pool', CGI => 'cgi');
    my @lines = split /\n/, read_file(source('man/snapcgi.conf.5'));
    while (defined(my $line = shift @lines)) {
        if ($line =~ /^\.Sh (\w+)/) {
            ($part, $key) = ($part{$1}, undef);
        } elsif ($line eq '.Pp' && ($part // '') eq 'cgi') {
            undef $part; # the list is over
        } elsif ($part && $line =~ ($part eq 'cgi'
                ? qr/^\.Ic $name?([a-z_]*)/ : qr/^\.It Ic $name (?:No = (.+))?/)) {
            $key = $1 // $2;
            $key = 'env[NAME]' if $key =~ /^env\[/;
            $values{$key} = $2 if $part ne 'cgi';
            ok(!exists $keys{$part}{$key}, "the page has $key of $part once");
            $keys{$part}{$key} = $part eq 'cgi' ? $keys{pool}{$key} : undef;
        } elsif ($key && $line eq 'The default is') {
            ($keys{$part}{$key}) = plain($lines[0]) =~ /^\.Cm (.+) \.$/;
        } elsif ($key && $line =~ /^There is no default\b/) {
            $keys{$part}{$key} = '';
        } elsif ($part && $part ne 'cgi' && $key) {
            $text{$key} .= plain($line) . ' ';
        }
    }
    return \%keys;
}

my $dir = temp_dir();

# Least and most of a number, as the program itself complains.
sub range_of {
    my ($key, $pool) = @_;
    my $most = '9' x 25;
    my $file = write_file("$dir/range.conf",
        ($pool ? "[pool a]\nlisten = 9000\nroot = /\n" : "[global]\n")
        . "$key = $most\n");
    return run_program(['check', '-c', $file])->{err}
        =~ /^\S+ \Q$key\E = $most is out of range \((.+)\)$/m ? $1 : undef;
}

plan skip_all => 'snapcgi is not built' if !-x program();
my ($table, $sample, $page) = (from_table(), from_sample(), from_page());
for my $section (qw(global pool cgi)) {
    my $want = $table->{$section};
    is_deeply([sort keys %{$sample->{$section}}], [sort keys %$want],
        "the sample has every key of $section and no other");
    is_deeply([sort keys %{$page->{$section}}], [sort keys %$want],
        "the page has every key of $section and no other");
    for my $key (sort keys %$want) {
        is($sample->{$section}{$key}, $want->{$key},
            "the sample has the default of $key in $section")
            if $want->{$key} ne '';
        is($page->{$section}{$key}, $want->{$key},
            "the page has the default of $key in $section");
    }
}

for my $key (sort keys %type) {
    my $type = $type{$key};
    if ($type =~ /\|/) {
        is($values{$key} =~ s/^Cm | //gr, $type,
            "the page has the choices of $key");
    } elsif ($type =~ /^(?:bool|time|size|count)$/) {
        is($values{$key}, "Ar $type", "the page has the unit of $key");
        next if $type eq 'bool';
        my $range = range_of($key, exists $table->{pool}{$key});
        ok(defined $range, "$key has a range");
        like($text{$key}, qr/(?<!\w)\Q$range\E(?!\w)/,
            "the page has the range of $key");
    }
}

is(system("'" . program() . "' check -c '" . source('conf/snapcgi.conf')
    . "' >/dev/null"), 0, 'the sample is valid as it is');

# Every example in it is valid, too, except that app and root exclude each
# other, and that state decides some of them.
my $all = read_file(source('conf/snapcgi.conf'));
$all =~ s/^;(?=[a-z\[])//mg;
my $state = qr/state|hibernate_after|save_every|on_mismatch|state_\w+/;
my @kept = $all =~ /^((?:app|$state) = .*)/mg;
$all =~ s/^(app|env_file|error_log|$state) = .*//mg;
my $file = write_file("$dir/all.conf", $all);
is(system("'" . program() . "' check -c '$file' >/dev/null"), 0,
    'the sample is valid with its examples');
my %once = map { /^(\w+)/; $1 => $_ } @kept;
$file = write_file("$dir/kept.conf", join("\n", '[pool a]', 'listen = 9000', values %once, ''));
is(system("'" . program() . "' check -c '$file' >/dev/null"), 0,
    'and with those of state');

done_testing();
