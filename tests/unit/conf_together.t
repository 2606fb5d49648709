#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# The table in src/base/config_table.c, the sample file and the manual page
# name the same keys, in the same sections, with the same defaults.

# What the table says: section => { key => default }.
sub from_table {
    my %keys;
    open(my $p, '-|', program(), 'check', '--keys') or die "cannot run: $!";
    while (my $row = <$p>) {
        chomp $row;
        my ($name, $section, $type, $default, $help) = split /\t/, $row, -1;
        like($help, qr/^[A-Z].*\.$/, "the help of $name is a sentence");
        $keys{$_}{$name} = $default for split /\+/, $section;
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

# What the page says: items with "The default is", and the list for [cgi].
sub from_page {
    my (%keys, $part, $key);
    my $name = qr/([a-z][a-z_.]*(?=[ ])|env\[ Ns Ar NAME Ns Ic \\&\])/;
    my %part = (GLOBAL => 'global', POOL => 'pool', CGI => 'cgi');
    my @lines = split /\n/, read_file(source('man/snapcgi.conf.5'));
    while (defined(my $line = shift @lines)) {
        if ($line =~ /^\.Sh (\w+)/) {
            ($part, $key) = ($part{$1}, undef);
        } elsif ($part && $line =~ ($part eq 'cgi'
                ? qr/^\.Ic $name?([a-z_]*)/ : qr/^\.It Ic $name /)) {
            $key = $1 // $2;
            $key = 'env[NAME]' if $key =~ /^env\[/;
            $keys{$part}{$key} = $part eq 'cgi' ? $keys{pool}{$key} : undef;
        } elsif ($key && $line eq 'The default is') {
            ($keys{$part}{$key}) = $lines[0] =~ /^\.Cm (.+) \.$/;
        } elsif ($key && $line =~ /^There is no default\b/) {
            $keys{$part}{$key} = '';
        }
    }
    return \%keys;
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

is(system("'" . program() . "' check -c '" . source('conf/snapcgi.conf')
    . "' >/dev/null"), 0, 'the sample is valid as it is');

# Every example in it is valid, too, except that app and root exclude each other.
my $all = read_file(source('conf/snapcgi.conf'));
$all =~ s/^;(?=[a-z\[])//mg;
$all =~ s/^(app|env_file|error_log) = .*//mg;
my $file = write_file(temp_dir() . '/all.conf', $all);
is(system("'" . program() . "' check -c '$file' >/dev/null"), 0,
    'the sample is valid with its examples');

done_testing();
