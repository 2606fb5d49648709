#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use File::Copy qw(copy);
use Snap;
use Super;
use Test::More;

# logrotate's copytruncate: the file is copied and emptied under those who
# write to it. They go on at its beginning, without a hole.
my $log = cgi_env(fixture('log.js'));
my $slow = cgi_env(fixture('sleep.js'), QUERY_STRING => '400');
my $dir = temp_dir();
my $s = serve(dir => $dir, pool => { pm => 'static', max_children => 2,
    'access.log' => "$dir/access.log", 'access.format' => '%m %r %s', slowlog => "$dir/slow.log",
    slowlog_timeout => '100ms' });
wait_workers($s, 2);
my %file = (error => $s->{log}, access => "$dir/access.log", slow => "$dir/slow.log");
my %last = (error => qr/an error<?.*of two lines|of two lines/s, access => qr/sleep\.js 200\n\z/,
    slow => qr/waits for a timer/);

for my $round (1 .. 3) {
    for my $request (1 .. 10) {
        ok(ask($s->{socket}, $log, qr/logged/), 'it serves') or last;
    }
    ok(ask($s->{socket}, $slow, qr/slept/), 'slowly, too');
    for my $name (sort keys %file) {
        ok(wait_for(20, sub { read_file($file{$name}) =~ $last{$name} }),
            "round $round: the $name log has its lines");
        unlike(read_file($file{$name}), qr/\0/, 'and no hole');
        like(read_file($file{$name}), qr/\A(\d{4}-|GET )/, 'and begins with a whole one');
        copy($file{$name}, "$file{$name}.$round");
        truncate($file{$name}, 0) or die $!;
    }
}
is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');

done_testing();
