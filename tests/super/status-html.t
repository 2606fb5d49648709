#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# The status page in a browser: what test_status writes, whose requests are
# hostile, and what a running supervisor serves.
my $build = $ENV{SNAPCGI_BUILD} // '.';
my $chromium = find_program('chromium')
    or plan skip_all => 'chromium is not installed';
my $dir = temp_dir();

# What the browser says of the page; its pictures are kept for people where
# SNAPCGI_PICTURES names a folder.
sub browse {
    my ($page, @options) = @_;
    my $pid = open(my $p, '-|') // die "fork: $!";
    if (!$pid) {
        open(STDERR, '>>', "$dir/chromium.log");
        $ENV{HOME} = $dir;
        exec { $chromium } $chromium, qw(--headless --no-sandbox --disable-gpu
            --hide-scrollbars --disable-dev-shm-usage
            --disable-background-networking), "--user-data-dir=$dir/profile",
            @options, "file://$page";
        die "exec: $!";
    }
    local $/;
    my $said = <$p> // '';
    close($p);
    return $said;
}

sub looks_right {
    my ($name, $page, @text) = @_;
    my $dom = browse($page, '--dump-dom');
    like($dom, qr{<title>snapcgi status</title>}, "$name: it has a title");
    like($dom, $_, "$name: $_") for @text;
    unlike($dom, qr{<script}i, "$name: no script");
    unlike($dom, qr{\son\w+\s*=}i, "$name: nothing that runs");
    unlike($dom, qr{<(img|link|iframe|object|embed|video|form|base)\b
        |\bsrc(set)?\s*=|url\(|\@import}ix, "$name: nothing that is loaded");
    my @away = grep { !/^\?/ } $dom =~ /href="([^"]*)"/g;
    is("@away", '', "$name: links stay on the page");
    return $dom;
}

sub picture {
    my ($page, $name, @options) = @_;
    my $file = ($ENV{SNAPCGI_PICTURES} // $dir) . "/$name.png";
    browse($page, "--screenshot=$file", @options);
    ok(-s $file && read_file($file) =~ /^\x89PNG/, "a picture of it, $name");
}

my $page = "$dir/page.html";
is(system("$build/tests/unit/test_status", 'page', $page), 0,
    'a page is written');
my $dom = looks_right('hostile', $page, qr{<h2>www</h2>}, qr{<h2>api</h2>},
    qr{>1,234,569<}, qr{1 of 4 workers busy}, qr{2 of 2 workers busy},
    qr{latency p99});
like($dom, qr{>/&lt;script&gt;alert\('1'\)&lt;/script&gt;"&amp;\\n/a\?\.\.\.<},
    'a hostile URI stays text');
like($dom, qr{>&lt;b&gt;me&lt;/b&gt;\\x9b\\xff<}, 'a hostile user too');
unlike($dom, qr{SECRET}, 'a query is not shown');
picture($page, 'wide', '--window-size=1280,1200');
picture($page, 'narrow', '--window-size=500,1800');
picture($page, 'dark', '--window-size=1280,1200',
    '--blink-settings=preferredColorScheme=0');

my $s = serve(global => { status_listen => "$dir/status.sock",
    'status_listen.mode' => '0666' });
my $hello = fcgi($s->{socket}, cgi_env(fixture('hello.js')));
is($hello->{status}, 200, 'a function answers');
my $waited = wait_socket("$dir/status.sock", $s->{pid});
ok($waited, 'the status page is there');
my $reply = fcgi("$dir/status.sock",
    cgi_env('/status', QUERY_STRING => 'html&full'));
is($reply->{status}, 200, 'it is served');
like($reply->header('Content-Type'), qr{^text/html}, 'as HTML');
like($reply->header('Content-Security-Policy'), qr{default-src 'none'},
    'which may load nothing');
write_file("$dir/live.html", $reply->{body});
looks_right('live', "$dir/live.html", qr{<h2>www</h2>}, qr{static at},
    qr{\d+ of 1 workers busy}, qr{<th scope="col"[^>]*>pid</th>});

done_testing();
