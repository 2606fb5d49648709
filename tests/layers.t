#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/tap";
use Snap;
use Test::More;

# A file includes its own floor and those below; only the engine's C++ files
# see V8; only js/globals.js writes to globalThis.
my %floor = (base => 0, cgi => 1, engine => 1, bind => 2, serve => 3,
    main => 4);
my @files = sort map { glob(source("src/$_")) }
    map { ("$_.c", "$_.h", "$_.cc", "$_.hh") } '*', '*/*';
ok(@files > 10, 'there are files to look at');

sub room {
    my ($path) = @_;
    return $path =~ m{^(\w+)/} ? $1 : 'main';
}

for my $file (@files) {
    my ($name) = $file =~ m{/src/(.*)$};
    my $room = room($name);
    my @wrong;
    for my $line (split(/\n/, read_file($file))) {
        next if $line !~ /^\s*#\s*include\s*(["<])([^">]+)[">]/;
        my ($quote, $what) = ($1, $2);
        push @wrong, "$what: only engine_v8* may see V8"
            if $what =~ m{(^|/)(v8\b|v8-|libplatform/|cppgc/)}
            && $name !~ m{^engine/engine_v8};
        next if $quote ne '"' || $what eq 'config.h';
        push @wrong, "$what: is not named from src" if !-e source('src', $what)
            && $what ne 'ada_c.h';
        my $other = room($what);
        next if $other eq $room || !exists $floor{$other};
        push @wrong, "$room/ may not include $what"
            if $floor{$other} >= $floor{$room};
        push @wrong, "$what: is private to the engine"
            if $what =~ /\.hh$/ && $room ne 'engine';
    }
    is(join('; ', @wrong), '', $name);
}

for my $file (sort glob(source('js/*.js'))) {
    my ($name) = $file =~ m{/(js/[^/]+)$};
    next if $name eq 'js/globals.js';
    my $text = read_file($file) =~ s{/\*.*?\*/}{}gsr =~ s{//.*}{}gr;
    unlike($text, qr/globalThis\s*(\.\w+|\[[^\]]*\])\s*=[^=]
        |defineProperty\(\s*globalThis|assign\(\s*globalThis/x,
        "$name does not write to globalThis");
}

done_testing();
