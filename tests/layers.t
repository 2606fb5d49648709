#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/tap";
use Snap;
use Test::More;

# A file includes its own floor and those below; only the engine's C++ files
# see V8; nothing that the supervisor and the monitor run leads to it; only
# js/globals.js writes to globalThis.
my %floor = (base => 0, cgi => 1, engine => 1, bind => 2, serve => 3,
    main => 4);
my @files = sort map { glob(source("src/$_")) }
    map { ("$_.c", "$_.h", "$_.cc", "$_.hh") } '*', '*/*';
ok(@files > 10, 'there are files to look at');

sub from_src { return substr($_[0], length(source('src')) + 1) }

sub room {
    my ($path) = @_;
    return $path =~ m{^(\w+)/} ? $1 : 'main';
}

for my $file (@files) {
    my $name = from_src($file);
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

# ---- the supervisor and V8 -------------------------------------------------

sub includes {
    my ($name) = @_;
    return read_file(source('src', $name)) =~ /^\s*#\s*include\s*"([^"]+)"/mg;
}

# Where one can get from these files: to the headers they include, and to the
# code behind each header, since X.h is included to call what X*.c has. Of each
# file: who led to it.
sub reach {
    my @next = @_;
    my %from = map { $_ => '' } @next;
    while (defined(my $name = shift @next)) {
        my @more = includes($name);
        if ($name =~ m{^(.*)\.h$}) {
            my $base = source('src', $1);
            push @more, map { from_src($_) } glob("$base.c $base\_*.c");
        }
        for my $found (grep { -e source('src', $_) } @more) {
            next if exists $from{$found};
            $from{$found} = $name;
            push @next, $found;
        }
    }
    return \%from;
}

# "pool.h, by crew.h, by super_parts.h", to see which line to take out.
sub way {
    my ($from, $name) = @_;
    my @steps = ($name);
    push @steps, $from->{$steps[-1]} while $from->{$steps[-1]} ne '';
    return join(', by ', @steps);
}

my $v8 = qr{^(?:engine|bind)/|^serve/(?:handler|pool|watchdog|worker)[._]};
my @never = map { "serve/$_" } qw(
    super super_* child crew keep pm link handover scoreboard status status_*
    monitor monitor_* control ctl notify background pidfile confine identity
    seccomp libseccomp listen reply title);
my @roots;
for my $room (@never) {
    my @there = map { from_src($_) } glob(source("src/$room.c")),
        glob(source("src/$room.h"));
    ok(@there > 0, "$room is where this test looks for it");
    push @roots, @there;
}
my $seen = reach(@roots);
for my $root (sort @roots) {
    my $here = reach($root);
    my ($first) = sort { length($a) <=> length($b) }
        map { way($here, $_) } grep { $_ =~ $v8 } keys %$here;
    is($first, undef, "$root never leads to V8");
}
cmp_ok(scalar(keys %$seen), '>', scalar(@roots), 'the way goes on from them');
ok((grep { $_ eq 'base/log.c' } keys %$seen), 'and to the code they call');
ok((grep { $_ =~ $v8 } keys %{reach('serve/worker.c')}),
    'and finds V8 where it is');

# ---- the global object -----------------------------------------------------

for my $file (sort glob(source('js/*.js'))) {
    my ($name) = $file =~ m{/(js/[^/]+)$};
    next if $name eq 'js/globals.js';
    my $text = read_file($file) =~ s{/\*.*?\*/}{}gsr =~ s{//.*}{}gr;
    unlike($text, qr/globalThis\s*(\.\w+|\[[^\]]*\])\s*=[^=]
        |defineProperty\(\s*globalThis|assign\(\s*globalThis/x,
        "$name does not write to globalThis");
}

done_testing();
