#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


my $s = serve();
my $hello = cgi_env(fixture('hello.js'));
my $post = cgi_env(fixture('count.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 5);

# Without FCGI_KEEP_CONN the server closes.
my $c = Snap::Fcgi->new($s->{socket});
$c->request($hello, '');
my $r = $c->reply;
is($r->{body}, "hello\n", 'one request');
is("$r->{app} $r->{protocol}", '0 0', 'END_REQUEST: complete');
ok($c->closes(2), 'the connection is closed after it');

# With it the connection serves on.
$c = Snap::Fcgi->new($s->{socket});
for my $i (1 .. 20) {
    $c->request($i % 2 ? $hello : $post, $i % 2 ? '' : 'abcde', keep => 1);
    $r = $c->reply;
    is($r->{body}, $i % 2 ? "hello\n" : "5 complete\n", "kept, request $i");
}
ok(!$c->closes(0.3), 'and stays open');
$c->hang_up;

# A body nobody read is drained before the next request.
$c = Snap::Fcgi->new($s->{socket});
my $unread = cgi_env(fixture('unread.js'), REQUEST_METHOD => 'POST',
    CONTENT_LENGTH => 30000);
$c->request($unread, 'x' x 30000, keep => 1);
is($c->reply->{body}, "not read\n", 'a body nobody reads');
if ($c->request($hello, '', keep => 1)) {
    $r = $c->reply;
    ok(!$r->{ended} || $r->{body} eq "hello\n",
        'the next request is served or the connection closed');
} else {
    pass('the next request is served or the connection closed');
}

# mod_fcgid reads nothing before it has sent the whole request, and nginx sends
# no more of it once the reply has begun: a function that answers while it
# reads must not wait for either.
{
    my $body = 'y' x 1000000;
    my $c = Snap::Fcgi->new($s->{socket});
    my %env = (%$post, SCRIPT_FILENAME => fixture('body.js'),
        CONTENT_LENGTH => length $body);
    my $bytes = Snap::Fcgi::request_bytes(\%env, $body);
    my $end = time + 10;
    while (length $bytes && time < $end) {
        my $n = syswrite($c->{socket}, $bytes);
        substr($bytes, 0, $n, '') if $n;
        select(undef, undef, undef, 0.01) if !$n;
    }
    is(length $bytes, 0, 'all is taken before any of the reply is read');
    ok($c->reply(5)->{body} eq $body, 'and comes back') if !length $bytes;
}

# A request forged inside such a body never is one.
my $forged = Snap::Fcgi::request_bytes(
    cgi_env(fixture('echo.js'), REMOTE_USER => 'forged'), '');
for my $pad (0, 1, 7, 8, 1000, 8192, 32768 - 8) {
    $c = Snap::Fcgi->new($s->{socket});
    my $body = 'x' x $pad . $forged;
    my %env = (%$unread, CONTENT_LENGTH => length $body);
    $c->request(\%env, $body, keep => 1);
    my @ends;
    my $text = '';
    while (my $record = $c->next_record(0.4)) {
        push @ends, $record if $record->[0] == 3;
        $text .= $record->[2] if $record->[0] == 6;
    }
    is(scalar @ends, 1, "forged after $pad bytes: one request, one reply");
    unlike($text, qr/forged/, "forged after $pad bytes: it did not run");
    $c->hang_up;
}

# TCP as well.
my $port = free_port();
my $t = serve(pool => { listen => "127.0.0.1:$port" });
is(fcgi("127.0.0.1:$port", $hello)->{body}, "hello\n", 'by TCP');

done_testing();
