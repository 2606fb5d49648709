#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Kept;
use Snap;
use Super;
use Test::More;

# A state and code that is not that which it is of.
my $app = app_of(<<'JS', { up => 'return String(++count);', late => 'return (await import("./late.js")).text;' });
let count = 0;
JS
my $other = $app =~ s/let count = 0/let count = 100/r;

sub serving {
    my ($dir, %o) = @_;
    my $s = start_kept(dir => $dir, %o);
    return $s;
}

# A server that does not serve: why, from its log.
sub refuses {
    my ($s, $like, $what) = @_;
    my $line = log_has($s, $like, 60);
    ok(defined $line, $what) or diag(read_file($s->{log}));
    stop_process($s->{pid});
    return $line;
}

# What stays of the log of a server before it is not of the next.
sub anew { unlink "$_[0]/serve.log"; return $_[0] }

# ---- other code -----------------------------------------------------------------

{
    my $s = start_kept(app => $app);
    is(told($s, '/up'), $_, "count $_") for 1 .. 2;
    stop_process($s->{pid});
    my $before = state_file($s);
    my $dir = anew($s->{dir});
    my $next = serving($dir, app => $other);
    my $line = refuses($next, qr/error .*the state \S+\/state cannot be used, and is kept: .*app\.js/,
        'other code is refused, and the file is named');
    like($line // '', qr/on_mismatch = fresh/, 'with what can be done');
    is(state_file($s), $before, 'the state is as it was');
    ok(!-e "$s->{state}.new", 'nothing else is left');
    $next = serving(anew($dir), app => $app);
    is(told($next, '/up'), 3, 'with the code of before it goes on');
    stop_process($next->{pid});

    utime time, time + 10, "$dir/app.js";
    $next = serving(anew($dir));
    is(told($next, '/up'), 4, 'a file that was only touched is the same');
    stop_process($next->{pid});
    rename "$dir/app.js", "$dir/copy.js";
    write_file("$dir/app.js", $app, 0644);
    $next = serving(anew($dir));
    is(told($next, '/up'), 5, 'and so is one that was written again');
    stop_process($next->{pid});

    $next = serving(anew($dir), app => $other, pool => { on_mismatch => 'fresh' });
    is(told($next, '/up'), 101, 'on_mismatch = fresh begins anew');
    ok(log_has($next, qr/warn .*the state \S+ is not used and kept aside, .*app\.js/), 'and says so');
    is(why_not($next), '', 'it can save');
    my @aside = glob "$next->{state}.aside-*";
    is(scalar(@aside), 1, 'then the old one is kept aside');
    is(told($next, '/up'), 102, 'and it goes on with its own');
    is(why_not($next), '', 'it saves again');
    is(scalar(my @again = glob "$next->{state}.aside-*"), 1, 'without another one aside');
    stop_process($next->{pid});
    rename $aside[0], "$dir/state";
    $next = serving(anew($dir), app => $app);
    is(told($next, '/up'), 6, 'the old one still goes on with the old code');
}

# A reload finds other code.
{
    my $s = start_kept(app => $app, global => { process_control_timeout => '3s' });
    told($s, '/up');
    write_file("$s->{dir}/app.js", $other, 0644);
    is(told($s, '/up'), 2, 'what runs does not look at its files');
    my $r = ctl($s, 'reload');
    isnt($r->{exit}, 0, 'a reload with other code fails') or diag explain $r;
    ok(log_has($s, qr/error .*app\.js/), 'the log says why');
    write_file("$s->{dir}/app.js", $app, 0644);
    is(ctl($s, 'reload')->{exit}, 0, 'when the code is there again, another reload');
    is(told($s, '/up'), 3, 'brings back the state');
}

# ---- modules -------------------------------------------------------------------

SKIP: {
    skip 'modules cannot be kept here', 8 if !keeps_modules();
    my $dir = temp_dir();
    my $text = "import { step } from './lib/step.js';\n" . ($app =~ s/\+\+count/count += step/r =~ s/\(count \+= step\)/(count += step)/r);
    mkdir "$dir/lib";
    write_file("$dir/lib/step.js", 'export const step = 1;', 0644);
    write_file("$dir/late.js", 'export const text = "late";', 0644);
    my $s = start_kept(dir => $dir, app => $text);
    told($s, '/up');
    is(why_not($s), '', 'saved');
    is(told($s, '/late'), 'late', 'a module that is first imported afterwards');
    is(told($s, '/up'), 2, 'works');
    stop_process($s->{pid});
    write_file("$dir/lib/step.js", 'export const step = 2;', 0644);
    refuses(serving(anew($dir)), qr{error .*cannot be used, and is kept: .*lib/step\.js}, 'another module is refused by its name');
    unlink "$dir/lib/step.js";
    refuses(serving(anew($dir)), qr{error .*lib/step\.js}, 'so is one that has gone');
    write_file("$dir/lib/step.js", 'export const step = 1;', 0644);
    my $next = serving(anew($dir));
    is(told($next, '/up'), 3, 'when it is back so is the state');
    is(told($next, '/late'), 'late', 'with what was imported later');
    stop_process($next->{pid});
    write_file("$dir/late.js", 'export const text = "later";', 0644);
    refuses(serving(anew($dir)), qr{error .*cannot be used, and is kept: .*late\.js}, 'of which another one is refused');
}

# ---- moving -------------------------------------------------------------------

{
    my $s = start_kept(app => $app);
    told($s, '/up');
    stop_process($s->{pid});
    my $dir = temp_dir();
    write_file("$dir/state", state_file($s), 0600);
    my $next = start_kept(dir => $dir, pool => { app => "$s->{dir}/app.js" });
    is(told($next, '/up'), 2, 'a file that was moved goes on, when its code is where it was');
    stop_process($next->{pid});
    write_file("$dir/app.js", $app, 0644);
    my $line = refuses(start_kept(dir => anew($dir)), qr/error .*cannot be used, and is kept: .*/, 'elsewhere it does not');
    like($line // '', qr{\Q$s->{dir}\E/app\.js}, 'the code it is of is named');
    like($line // '', qr{\Q$dir\E/app\.js}, 'and that which is there');
}

# ---- what is no state ------------------------------------------------------------

{
    my $s = start_kept(app => $app, pool => { on_mismatch => 'fresh' });
    told($s, '/up');
    stop_process($s->{pid});
    my $whole = state_file($s);
    my $image = "$s->{dir}/app.img";
    my $r = run_program(['image', 'build', "$s->{dir}/app.js", '-o', $image]);
    is($r->{exit}, 0, 'an image of the application') or diag $r->{err};
    chmod 0600, $image;
    my %bad = ('an empty file' => '', 'text' => "not a state\n", 'its first half' => substr($whole, 0, length($whole) / 2),
        'an image of the application' => read_file($image));
    for my $what (sort keys %bad) {
        write_file($s->{state}, $bad{$what}, 0600);
        my $next = start_kept(dir => anew($s->{dir}));
        my $line = refuses($next, qr/error .*the state \S+ cannot be used, and is kept: /, "$what is refused");
        is(state_file($s), $bad{$what}, 'and stays');
        is(scalar(log_like($next, qr/signal/)), 0, 'nothing crashes') or diag(read_file($next->{log}));
    }
    for my $what (sort keys %bad) {
        write_file($s->{state}, $bad{$what}, 0600);
        my $next = start_kept(dir => anew($s->{dir}), pool => { on_mismatch => 'fresh' });
        is(told($next, '/up'), 1, "$what: on_mismatch = fresh begins anew") or diag(read_file($next->{log}));
        stop_process($next->{pid});
    }
}

done_testing();
