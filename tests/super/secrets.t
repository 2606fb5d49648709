#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# What a pool may know, no process of another pool has in its memory: code
# that breaks out of JavaScript finds none of it there.
plan(skip_all => 'this needs root, to look into memory') if $> != 0;
plan(skip_all => 'sanitizers keep what is freed, and copies of the environment')
    if sanitized();
my $dir = temp_dir();
my $file = write_file("$dir/b.env",
    "FROM_FILE=FILE-SECRET-" . "OF-B\nTWICE=HIDDEN-SECRET-" . "OF-B\n");
local $ENV{STARTER} = 'STARTER-SECRET-' . 'OF-ROOT';
write_file("$dir/snapcgi.conf", join("\n", '[global]',
    "error_log = $dir/serve.log", "status_listen = $dir/status.sock",
    map({ ("[pool $_]", "listen = $dir/$_.sock", 'root = ' . fixture(),
        'pm = static', 'max_children = 1', 'env[OWN] = OWN-SECRET-' . 'OF-'
        . uc) } qw(a b)), 'env[TWICE] = TWICE-SECRET-' . 'OF-B',
    "env_file = $file", '[cgi]', 'env[OWN] = OWN-SECRET-' . 'OF-CGI', ''));
my $pid = Snap::start([program(), 'serve', '-c', "$dir/snapcgi.conf"],
    out => "$dir/serve.out");
my %server = (pid => $pid, dir => $dir, log => "$dir/serve.log");
for my $pool (qw(a b)) {
    ok(ref wait_socket("$dir/$pool.sock", $pid), "pool $pool is there");
    is(fcgi("$dir/$pool.sock", cgi_env(fixture('hello.js')))->{body},
        "hello\n", 'and serves');
}

# Those of the words that are in the memory of a process.
sub words_in {
    my ($of) = @_;
    no warnings 'portable'; # 64 bits of address
    my %found;
    open(my $mem, '<:raw', "/proc/$of/mem") or die "$of: $!";
    for my $line (split /\n/, read_file("/proc/$of/maps")) {
        my ($from, $to) = $line =~ /^(\w+)-(\w+) rw/ or next;
        ($from, $to) = (hex $from, hex $to);
        next if $to - $from > 256 << 20;
        for (my $at = $from; $at < $to; $at += 1 << 20) {
            my $size = $to - $at < 1 << 20 ? $to - $at : 1 << 20;
            sysseek($mem, $at, 0) && sysread($mem, my $text, $size) or last;
            $found{$1}++ while $text =~ /(\w+-SECRET-OF-\w+)/g;
        }
    }
    return join(' ', sort keys %found);
}

my %is = map { read_file("/proc/$_/cmdline") =~ /pool (\w)/ ? ($1 => $_) : () }
    workers(\%server);
is(words_in($is{a}), 'OWN-SECRET-OF-A', 'a worker has what its pool has');
like(words_in($is{b}), qr/^(?!.*OF-[AC]).*FILE-SECRET-OF-B/,
    'whichever it is');
is(words_in(monitor_of(\%server)), '', 'the monitor has nothing');
stop_process($pid);

done_testing();
