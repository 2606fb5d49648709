#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Kept;
use Snap;
use Super;
use Test::More;

# The file of a state: compressed, encrypted, whose it is, how large it may be,
# what becomes of a damaged one.
my $mounts = private_mounts();
my $app = app_of(<<'JS', { up => 'return String(++count);', say => 'return text;',
let count = 0, large;
const text = "a text that is easy to find in the file";
JS
    fill => 'large = new Uint8Array(+url.search.slice(1)); for (let i = 0; i < large.length; i += 7) large[i] = Math.random() * 256; return "full";',
    drop => 'large = undefined; return "dropped";' });
my $secret = 'a1b2c3d4' x 8;

sub anew { unlink "$_[0]/serve.log"; return $_[0] }

# Why a server does not start, or its worker: told to whoever started it, or to
# the log.
sub why_it_ends {
    my ($dir, $like, %o) = @_;
    my $next = eval { start_kept(dir => anew($dir), %o) };
    my $said = $@;
    wait_for(30, sub { ($said . read_file("$dir/serve.out") . read_file("$dir/serve.log")) =~ $like });
    my $all = $said . read_file("$dir/serve.out") . read_file("$dir/serve.log");
    stop_process($next->{pid}) if $next;
    unlink "$dir/serve.out";
    return (grep { $_ =~ $like } split /\n/, $all)[0] // $all;
}

# ---- options ------------------------------------------------------------------------

{
    my %bytes;
    my $dir = temp_dir();
    write_file("$dir/key", "$secret\n", 0600);
    for my $how (['plain'], ['zstd', state_compress => 'zstd'], ['encrypted', state_key => "$dir/key"],
            ['both', state_compress => 'zstd', state_key => "$dir/key"]) {
        my ($name, %pool) = @$how;
        my $s = start_kept(app => $app, pool => \%pool);
        SKIP: {
            told($s, '/up') for 1 .. 2;
            my $why = why_not($s);
            skip "$name: $why", 4 if $why =~ /libzstd|libcrypto/;
            is($why, '', "$name: saved");
            is(told($s, '/up'), 3, "$name: and read");
            is(sprintf('%04o', (stat $s->{state})[2] & 07777), '0600', "$name: for its owner alone");
            $bytes{$name} = -s $s->{state};
            is(index(state_file($s), 'a text that is easy to find') >= 0 ? 1 : 0, $name eq 'plain' ? 1 : 0,
                "$name: what is in it") if $name ne 'zstd';
            unlike(read_file($s->{log}), qr/$secret/, "$name: no key in the log");
            unlike(fcgi($s->{status}, cgi_env('/status', QUERY_STRING => 'full'))->{raw} // '', qr/$secret/, "$name: nor in the status");
        }
    }
    cmp_ok($bytes{zstd} // 0, '<', $bytes{plain} / 2, 'zstd makes it small') if $bytes{zstd};
}

# Every change of the form is understood without a word.
{
    my $s = start_kept(app => $app);
    write_file("$s->{dir}/key", $secret, 0600);
    my $n = 0;
    for my $pool ({}, { state_compress => 'zstd' }, {}) {
        is(told($s, '/up'), ++$n, 'counts on');
        stop_process($s->{pid});
        $s = start_kept(dir => anew($s->{dir}), pool => $pool);
    }
    is(told($s, '/up'), ++$n, 'counts on');
}

# ---- keys --------------------------------------------------------------------------------

{
    my $dir = temp_dir();
    my $s = start_kept(app => $app, dir => $dir,
        pool => { state_key => write_file("$dir/key", $secret, 0600) });
    told($s, '/up') for 1 .. 2;
    stop_process($s->{pid});
    my $before = state_file($s);
    my @bad = (['another key', { state_key => write_file("$dir/other", 'ff' x 32, 0600) }, qr/another key|not .*key/i],
        ['no key', {}, qr/encrypted/],
        ['a key that others may read', { state_key => write_file("$dir/open", $secret, 0644) }, qr/\Q$dir\E\/open.*(?:chmod|others|read)/],
        ['a key that is too short', { state_key => write_file("$dir/short", 'ab' x 8, 0600) }, qr/\Q$dir\E\/short/],
        ['a key that is not there', { state_key => "$dir/none" }, qr/\Q$dir\E\/none/]);
    for my $fresh (0, 1) {
        for my $case (@bad) {
            my ($what, $pool, $like) = @$case;
            my $line = why_it_ends($dir, $like, pool => { %$pool, $fresh ? (on_mismatch => 'fresh') : () });
            like($line, $like, "$what is one sentence");
            unlike($line, qr/on_mismatch/, 'that does not advise to begin anew');
            is(state_file($s) eq $before ? 1 : 0, 1, 'and the file stays as it was');
        }
    }
    my $next = start_kept(dir => anew($dir), pool => { state_key => "$dir/key" });
    is(told($next, '/up'), 3, 'with the key it goes on');
    stop_process($next->{pid});
    my $plain = start_kept(app => $app);
    told($plain, '/up');
    stop_process($plain->{pid});
    $next = start_kept(dir => anew($plain->{dir}), pool => { state_key => "$dir/key" });
    ok(log_has($next, qr/error .*not encrypted/, 30), 'a key for a file that is not encrypted is told') or diag(read_file($next->{log}));
    stop_process($next->{pid});
}

# ---- how large, how many -------------------------------------------------------------------

{
    my $s = start_kept(app => $app, pool => { state_limit => '8m', state_keep => 3 });
    my $n = 0;
    for (1 .. 6) {
        is(told($s, '/up'), ++$n, 'counts on');
        is(why_not($s), '', 'saved');
    }
    is(join(' ', map { s/.*\///r } grep { !/new$/ } sort glob "$s->{state}*"), 'state state.1 state.2 state.3', 'state_keep keeps three before');
    is(told($s, '/fill?20000000'), 'full', 'a state that is too large');
    like(why_not($s), qr/state_limit/, 'is refused by the name of the limit');
    is(told($s, '/up'), ++$n, 'its worker serves on');
    told($s, '/drop');
    is(why_not($s), '', 'when it is small again it is saved');
    is(told($s, '/up'), ++$n, 'and goes on');
    stop_process($s->{pid});
    rename "$s->{state}.2", $s->{state};
    is(told(start_kept(dir => anew($s->{dir}), pool => { state_keep => 0 }), '/up'), 7, 'an older one goes on as well');
}

{
    my $s = start_kept(app => $app);
    told($s, '/fill?20000000');
    told($s, '/up');
    stop_process($s->{pid});
    my $next = start_kept(dir => anew($s->{dir}), pool => { state_limit => '8m', on_mismatch => 'fresh' });
    my $line = log_has($next, qr/(?:error|warn) .*\/state/, 30);
    like($line // '', qr/with this state_limit up to 18874368 are read: raise it/, 'a file over the limit is refused by it') or diag(read_file($next->{log}));
    cmp_ok(-s $s->{state}, '>', 20e6, 'and stays');
    stop_process($next->{pid});
    is(told(start_kept(dir => anew($s->{dir})), '/up'), 2, 'without it, it goes on');
}

SKIP: {
    skip 'nothing can be mounted here', 8 if !$mounts;
    my $dir = temp_dir();
    mkdir "$dir/small";
    system("mount -t tmpfs -o size=24m,mode=0755 none $dir/small") == 0 or skip 'no tmpfs', 8;
    my $s = start_kept(dir => $dir, app => $app, pool => { state => "$dir/small/state" });
    told($s, '/up');
    is(why_not($s), '', 'on a small disk');
    told($s, '/fill?30000000');
    like(why_not($s), qr/no room|No space/, 'that becomes full a save is refused');
    is(told($s, '/up'), 2, 'its worker serves on');
    ok(-s "$dir/small/state" > 1000, 'the file before is there');
    told($s, '/drop');
    is(why_not($s), '', 'and when there is room again it is saved');
    is(told($s, '/up'), 3, 'and goes on');
    unlink glob "$dir/small/*.[0-9]";
    write_file("$dir/small/more", 'x' x (22_000_000 - (-s "$dir/small/state")));
    like(why_not($s), qr/no room/, 'with less room than a state may need a save is refused');
    stop_process($s->{pid});
    $s = start_kept(dir => anew($dir), pool => { state => "$dir/small/state" });
    is(told($s, '/up'), 4, 'but at the end it is written as long as it fits');
    stop_process($s->{pid});
    system("umount $dir/small");
}

# ---- whose it is -----------------------------------------------------------------------------

{
    my $s = start_kept(app => $app);
    told($s, '/up');
    stop_process($s->{pid});
    my $dir = anew($s->{dir});
    rename "$dir/state", "$dir/real";
    symlink "$dir/real", "$dir/state";
    like(why_it_ends($dir, qr/symbolic link/), qr/\/state cannot be opened: it is a symbolic link/, 'a symbolic link is refused');
    unlink "$dir/state";
    rename "$dir/real", "$dir/state";
    chmod 0666, "$dir/state";
    like(why_it_ends($dir, qr/others may write/), qr/others may write the state file .*chmod 600/, 'so is what others may write');
    chmod 0600, "$dir/state";
    SKIP: {
        skip 'only root has other users', 5 if $< != 0;
        chown 12345, -1, "$dir/state";
        like(why_it_ends($dir, qr/belongs to user/), qr/belongs to user 12345 and not to user 0/, "and somebody else's");
        chown 0, -1, "$dir/state";
        mkdir "$dir/locked", 0700;
        system('cp', "$dir/state", "$dir/locked/state");
        chmod 0600, "$dir/locked/state";
        chmod 0755, $dir;
        my $next = start_kept(dir => anew($dir), pool => { user => 'nobody', state => "$dir/locked/state" });
        is(told($next, '/up'), 2, "a folder that the pool's user may not even read will do") or diag(read_file($next->{log}));
        is(why_not($next), '', 'it saves');
        is((stat "$dir/locked/state")[4], (getpwnam('nobody'))[2], "the file is the pool's user's");
        is(told($next, '/up'), 3, 'and goes on');
        stop_process($next->{pid});
    }
    my $next = start_kept(dir => anew($dir));
    is(told($next, '/up'), 2, 'as it was, it goes on');
}

# ---- damaged ----------------------------------------------------------------------------------

for my $how (['plain'], ['both', state_compress => 'zstd', state_key => 1]) {
    my ($name, %pool) = @$how;
    my $dir = temp_dir();
    $pool{state_key} = write_file("$dir/key", $secret, 0600) if $pool{state_key};
    my $s = start_kept(dir => $dir, app => $app, pool => \%pool);
    told($s, '/up');
    stop_process($s->{pid});
    my $whole = state_file($s);
    my $n = length $whole;
    my (@wrong, $tried);
    my @places = (0, 9, 17, 40, 100, 200, 255, 256, 300, map { int($n * $_ / 9) } 1 .. 8);
    for my $at (@places, map { -$_ } 0, 8, 255, 256, 1000, int($n / 2), $n - 1) {
        my $bad = $whole;
        $at > 0 || $at == 0 && !$tried ? substr($bad, $at, 1) ^= "\x10" : ($bad = substr($whole, 0, -$at));
        $tried++;
        write_file($s->{state}, $bad, 0600);
        my $next = start_kept(dir => anew($dir), pool => \%pool);
        my $line = log_has($next, qr/ error .*the state \S+ cannot be used, and is kept: |workers? \d+ has ended by signal/, 30) // 'served';
        push @wrong, "$at: $line" if $line !~ /cannot be used/;
        push @wrong, "$at: changed" if state_file($s) ne $bad;
        stop_process($next->{pid}, 'KILL');
    }
    is(join("\n", @wrong), '', "$name: each of $tried damages is one sentence, and the file stays");
}

done_testing();
