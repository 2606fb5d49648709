#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# snapcgi dev FILE: a function on this machine's own port, reloaded when it
# changes, with errors in the page.
plan(skip_all => 'lighttpd is not installed') if !find_program('lighttpd');

my $dir = temp_dir();
my $file = "$dir/app.js";
sub app {
    my ($text) = @_;
    # A second apart, or a file of the same size may look the same.
    write_file("$file.new", $text);
    rename("$file.new", $file) or die;
}
app(read_file(fixture('hello.js')));
my $port = free_port();
my $pid = start([program(), 'dev', $file, '--port', $port],
    out => "$dir/out");
ok(ref wait_port($port, $pid), 'it listens')
    or BAIL_OUT(read_file("$dir/out"));
is(http($port, 'GET', '/')->{body}, "hello\n", 'the function answers');
is(http($port, 'GET', '/any/path?x=1')->{body}, "hello\n", 'on any path');
app(read_file(fixture('echo.js')));
ok(wait_for(5, sub { http($port, 'GET', '/')->{body} =~ /"method":"GET"/ }),
    'a change is there on the next requests');
is(http($port, 'GET', '/a/b%2Fc?x=1')->json->{url},
    "http://127.0.0.1:$port/a/b%2Fc?x=1", 'the URL');
app(read_file(fixture('throw.js')));
ok(wait_for(5, sub {
    my $r = http($port, 'GET', '/');
    return $r->{status} == 500 && $r->{body} =~ /a secret of the function/
        && $r->{body} =~ /app\.js:2/;
}), 'an error is shown in the page, with its place');
app(read_file(fixture('syntax.js')));
ok(wait_for(5, sub {
    http($port, 'GET', '/')->{body} =~ /SyntaxError.*app\.js:3/s
        || http($port, 'GET', '/')->{body} =~ /app\.js:3.*SyntaxError/s;
}), 'a syntax error too');
app(read_file(fixture('hello.js')));
ok(wait_for(5, sub { http($port, 'GET', '/')->{body} eq "hello\n" }),
    'and it goes on when that is mended');
like(read_file("$dir/out"), qr/a secret of the function/,
    'the log is on the terminal');
stop_process($pid, 'INT');
my $gone = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
ok(!$gone, 'Ctrl-C ends all of it');

my $r = run_program(['dev', "$dir/nothere.js"], seconds => 10);
isnt($r->{exit}, 0, 'no such file');
like($r->{err} . $r->{out}, qr/nothere\.js/, 'is named');

done_testing();
