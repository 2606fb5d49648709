#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Kept;
use Snap;
use Super;
use Test::More;

# A reload with other settings of how state is kept: the save that comes with it
# is as they say, so that the next worker takes it.
my $app = app_of("let count = 0, large;\n", { up => 'return String(++count);',
    fill => 'large = new Uint8Array(+url.search.slice(1)); for (let i = 0; i < large.length; i += 7) large[i] = Math.random() * 256; return "full";' });

# Other values for those keys, or none; gives what the reload answers.
sub reload_with {
    my ($s, %pool) = @_;
    my $text = read_file($s->{conf});
    for my $key (sort keys %pool) {
        $text =~ s/^\Q$key\E = .*\n//mg;
        $text .= "$key = $pool{$key}\n" if defined $pool{$key};
    }
    write_file($s->{conf}, $text);
    return ctl($s, 'reload');
}

sub packed { return substr(state_file($_[0]), 0, 8) eq 'snapcgi+' ? 1 : 0 }

# ---- how large -----------------------------------------------------------------------

{
    my $s = start_kept(app => $app, pool => { state_limit => '8m' });
    is(told($s, '/up'), 1, 'a pool with a limit');
    is(told($s, '/fill?20000000'), 'full', 'and a state that is larger');
    like(why_not($s), qr/takes about 2\d{7} bytes of memory and may take 8388608 \(state_limit\)/, 'is not saved');
    my $r = reload_with($s, state_limit => '64m');
    is($r->{exit}, 0, 'a reload with more of it') or diag $r->{err};
    is(told($s, '/up'), 2, 'goes on');
    cmp_ok(-s $s->{state}, '>', 20e6, 'from what it has saved');
    is(why_not($s), '', 'and saves again');
    my ($worker) = workers($s);
    $r = reload_with($s, state_limit => '16m');
    is($r->{exit}, 1, 'a reload with less than there is');
    like($r->{err}, qr/pool www: .*its worker serves on: .*may take 16777216 \(state_limit\)/, 'says so');
    is(join(' ', workers($s)), $worker, 'and the worker serves on');
    is(told($s, '/up'), 3, 'with its state');
    is(reload_with($s, state_limit => '64m')->{exit}, 0, 'with more again');
    is(told($s, '/up'), 4, 'it goes on');
}

# Whatever is just within the limit and is saved, the next worker takes.
{
    my $s = start_kept(app => $app, pool => { state_limit => '24m' });
    my ($n, $saved, @wrong) = (0, 0);
    for my $bytes (map { 24 * 1024 * 1024 - $_ * 150_000 } 0 .. 12) {
        told($s, "/fill?$bytes");
        $saved++ if saved($s);
        my $now = told($s, '/up');
        push @wrong, "$bytes: $now" if $now ne ++$n;
    }
    is("@wrong", '', 'at the limit: what is saved is read');
    cmp_ok($saved, '>', 0, 'some were');
    cmp_ok($saved, '<', 13, 'and some were too large');
}

# ---- in which form -------------------------------------------------------------------

for my $place ('as root', 'in a root of its own', 'with seccomp') {
    SKIP: {
        skip 'only root can be somebody else', 14 if $< != 0 && $place !~ /seccomp/;
        my $dir = temp_dir();
        my %pool = $place =~ /own/ ? (chroot => "$dir/root", app => '/app.js', user => 'nobody')
            : $place =~ /seccomp/ ? (seccomp => 'on') : ();
        mkdir "$dir/root";
        write_file("$dir/root/app.js", $app, 0644);
        chmod 0755, $dir;
        my $s = start_kept(dir => $dir, app => $app, pool => \%pool);
        my $n = 0;
        is(told($s, '/up'), ++$n, "$place: a pool begins");
        write_file("$dir/one", 'ab' x 32, 0600);
        write_file("$dir/two", 'cd' x 32, 0600);
        for my $step (['a key', 1, state_key => "$dir/one"], ['another key', 1, state_key => "$dir/two"],
            ['compressed, too', 1, state_compress => 'zstd'], ['no key', 1, state_key => undef],
            ['as it is', 0, state_compress => 'off'], ['both', 1, state_key => "$dir/one", state_compress => 'zstd']) {
            my ($what, $packed, %set) = @$step;
            my $r = reload_with($s, %set);
            skip "$place: $r->{err}", 1 if $r->{err} =~ /needs (?:libzstd|OpenSSL)/;
            is("$r->{exit} " . packed($s), "0 $packed", "$place: $what after a reload") or diag $r->{err};
            is(told($s, '/up'), ++$n, "$place: $what, and it goes on");
        }
        is(stop_process($s->{pid}), 0, "$place: it stops");
        my $next = start_kept(dir => $dir, pool => { %pool, state_key => "$dir/one", state_compress => 'zstd' });
        is(told($next, '/up'), ++$n, "$place: and with the last settings it goes on");
        unlike(read_file($s->{log}), qr/(?:ab|cd){32}/, "$place: no key is in the log");
        is(errors_of($s), '', "$place: nor an error");
    }
}

# The key is written anew in its file, without a reload.
SKIP: {
    my $dir = temp_dir();
    my $key = write_file("$dir/key", 'ab' x 32, 0600);
    my $s = eval { start_kept(dir => $dir, app => $app, pool => { state_key => $key }) } or skip "no key: $@", 5;
    told($s, '/up');
    write_file($key, 'cd' x 32, 0600);
    is(why_not($s), '', 'another key in the same file: saved');
    is(told($s, '/up'), 2, 'as the next worker reads it');
    unlink $key;
    is(why_not($s), '', 'a key that is gone: it is saved with the one before');
    ok(log_has($s, qr/error .*the key file \Q$key\E: No such file/, 30), 'and the log says what the next one lacks');
    write_file($key, 'cd' x 32, 0600);
    is(told($s, '/up'), 3, 'and when it is back, nothing is lost');
}

# ---- how many ------------------------------------------------------------------------

{
    my $s = start_kept(app => $app);
    for (1 .. 3) {
        told($s, '/up');
        ctl($s, 'save');
    }
    ok(!-e "$s->{state}.2", 'one older file');
    is(reload_with($s, state_keep => 3)->{exit}, 0, 'a reload with three of them');
    ok(-e "$s->{state}.2" && !-e "$s->{state}.3", 'keeps one more at once');
    is(reload_with($s, state_keep => 0)->{exit}, 0, 'a reload with none');
    my $last = (stat "$s->{state}.1")[1];
    is(why_not($s), '', 'a save');
    is((stat "$s->{state}.1")[1], $last, 'leaves those that are there');
    is(told($s, '/up'), 4, 'and it goes on');
}

done_testing();
