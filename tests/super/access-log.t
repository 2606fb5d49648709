#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP;
use Snap;
use Super;
use Test::More;

# The access log and the error log, from a request to its lines.
my $dir = temp_dir();
my $file = "$dir/access.log";
my ($seen, %worker) = (0);

# The lines that requests have added, so many as there must be.
sub added {
    my ($count) = @_;
    my @lines;
    wait_for(20, sub { @lines = split /\n/, substr(read_file($file), $seen);
        @lines >= $count });
    $seen = -s $file;
    return @lines;
}

sub served {
    my ($format, %o) = @_;
    unlink $file;
    $seen = 0;
    my $s = serve(global => $o{global} // {}, pool => { pm => 'static', max_children => 1,
        'access.log' => $file, 'access.format' => $format, %{$o{pool} // {}} });
    $worker{$s->{pid}} = (wait_workers($s, 1))[0];
    return $s;
}

sub post {
    my ($s, $script, $body, %vars) = @_;
    return fcgi($s->{socket}, cgi_env(fixture($script), REQUEST_METHOD => 'POST',
        CONTENT_LENGTH => length $body, %vars), stdin => $body);
}

# php-fpm's letters, and three more.
{
    my $s = served('%R|%u|%t|%{%s}T|%m|%r%Q%q|%s|%d|%{milliseconds}d|%{microseconds}d|%C|'
        . '%M|%{kilobytes}M|%l|%b|%X|%i|%f|%n|%p|%P|%{HTTP_HOST}e|%{content-type}o|%%');
    my $before = time;
    my $r = post($s, 'echo.js', 'four', QUERY_STRING => 'a=1', REMOTE_USER => 'jana',
        HTTP_X_REQUEST_ID => 'from-the-server');
    is($r->{status}, 200, 'a request');
    my ($line) = added(1);
    my @f = split /\|/, $line // '';
    my $script = fixture('echo.js');
    my @want = (address => '192.0.2.7', user => 'jana',
        begun => qr{^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}$}, ended => qr/^\d{10}$/,
        method => 'POST', URI => '/echo.js?a=1', status => 200,
        duration => qr/^\d+\.\d{3}$/, milliseconds => qr/^\d+\.\d{3}$/,
        microseconds => qr/^[1-9]\d*$/, processor => qr/^\d+\.\d\d$/,
        memory => qr/^[1-9]\d{4,}$/, kilobytes => qr/^[1-9]\d+$/, length => 4,
        bytes => length $r->{body}, complete => '+', id => 'from-the-server',
        script => $script, pool => 'www', pid => $worker{$s->{pid}}, parent => $s->{pid},
        variable => 'example.org', field => 'application/json', percent => '%');
    is(scalar @f, @want / 2, 'the line has all its fields') or diag($line);
    for my $value (@f) {
        my ($name, $want) = splice(@want, 0, 2);
        ref $want ? like($value, $want, $name) : is($value, $want, $name);
    }
    cmp_ok(abs($f[3] - $before), '<', 60, 'the time is now');
    cmp_ok(abs($f[7] * 1000 - $f[8]), '<', 2, 'seconds and milliseconds agree');
    cmp_ok(abs($f[8] * 1000 - $f[9]), '<', 2, 'so do microseconds');

    fcgi($s->{socket}, cgi_env(fixture('hello.js')));
    fcgi($s->{socket}, cgi_env(fixture('hello.js'), HTTP_X_REQUEST_ID => 'a "b'));
    fcgi($s->{socket}, cgi_env(fixture('nothere.js')));
    fcgi($s->{socket}, cgi_env(fixture('throw.js')));
    fcgi($s->{socket}, cgi_env(fixture('sleep.js'), QUERY_STRING => '700'));
    fcgi($s->{socket}, cgi_env(fixture('hello.js'), REQUEST_METHOD => 'HEAD'));
    my @lines = map { [split /\|/] } added(6);
    is(join(',', map { $_->[6] } @lines), '200,200,404,500,200,200', 'statuses');
    is("$lines[0][1] $lines[0][13] $lines[0][14]", '- 0 6', 'no user, no body, six bytes');
    like($lines[$_][16], qr/^[0-9a-f]{16}$/, 'an id is made where there is none, or a bad one')
        for 0, 1;
    isnt($lines[0][16], $lines[1][16], 'each its own');
    cmp_ok($lines[4][8], '>=', 690, 'what takes long, takes long');
    is("$lines[5][4] $lines[5][14]", 'HEAD 0', 'HEAD has no bytes');

    # What a client puts into a URI cannot forge a line or a column's end.
    fcgi($s->{socket}, cgi_env(fixture('hello.js'), REQUEST_URI => '/hello.js?x=%0a"\\',
        QUERY_STRING => 'x=%0a"\\', REMOTE_USER => "eve\n1.2.3.4|root|"));
    @lines = added(1);
    is(scalar @lines, 1, 'one line for one request');
    like($lines[0], qr/\|eve\\x0a1\.2\.3\.4/, 'line ends of a user are written out');

    # A client that goes.
    my $c = begin_request($s->{socket}, cgi_env(fixture('trickle.js')));
    ok($c->next_record(20), 'a reply has begun');
    $c->hang_up;
    is((split /\|/, (added(1))[0] // '')[15], 'X', 'it did not go out whole');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# The same as JSON, and paths that are left out.
{
    my $s = served('json', pool => { 'access.suppress_path' => '/quiet /hello.js' });
    my $body = "x" x 100;
    my $r = post($s, 'echo.js', $body, QUERY_STRING => 'q="1"', REMOTE_USER => "J\xc3\xa1na \"x\"",
        HTTP_X_REQUEST_ID => 'id-7');
    my ($line) = added(1);
    my $j = eval { decode_json($line) } // {};
    is(join(',', sort keys %$j), 'complete,cpu,duration,length,memory,method,pid,pool,query,'
        . 'remote,request,script,sent,status,time,uri,user', 'JSON: its members');
    is($j->{$_->[0]}, $_->[1], "$_->[0]") for [method => 'POST'], [uri => '/echo.js'],
        [query => 'q="1"'], [status => 200], [request => 'id-7'], [user => "J\x{e1}na \"x\""],
        [script => fixture('echo.js')], [length => 100], [sent => length $r->{body}],
        [pool => 'www'], [pid => $worker{$s->{pid}}], [remote => '192.0.2.7'];
    ok($j->{complete}, 'complete');
    like($j->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'time');
    cmp_ok($j->{duration}, '>', 0, 'duration');

    fcgi($s->{socket}, cgi_env(fixture('hello.js'), %$_)) for {}, { REQUEST_METHOD => 'HEAD' },
        { QUERY_STRING => 'q' }, { REQUEST_METHOD => 'POST' };
    fcgi($s->{socket}, cgi_env(fixture('throw.js'), SCRIPT_NAME => '/quiet'));
    my @lines = map { eval { decode_json($_) } // {} } added(3);
    is(join(' ', map { "$_->{method} $_->{uri} $_->{status}" } @lines),
        'GET /hello.js 200 POST /hello.js 200 GET /quiet 500',
        'access.suppress_path: only what went well, and reads, is left out');
    fcgi($s->{socket}, cgi_env(fixture('hello.js'), REMOTE_USER => "\xff\x01", REQUEST_URI =>
        '/' . 'long' x 2000, QUERY_STRING => 'q' x 3000));
    my ($long) = added(1);
    ok(eval { decode_json($long) }, 'bytes of any kind, and too many: still JSON') or diag($long);
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Formats that are refused.
for my $case (['%{HTTP_COOKIE}e', 'may hold a secret'], ['%{HTTP_AUTHORIZATION}e', 'may hold a secret'],
    ['%{set-cookie}o', 'may hold a secret'], ['%{X-Api-Key}o', 'may hold a secret'],
    ['%Z', '%Z is not known'], ['%{bytes}d', 'unknown unit'], ['%{HTTP_HOSTe', 'not closed'],
    ['%e', 'needs a name'], ['%', 'a letter must follow']) {
    my ($format, $why) = @$case;
    my $conf = write_config("$dir/c.conf", global => { error_log => "$dir/e.log" }, pool => {
        listen => "$dir/s", root => fixture(), 'access.log' => $file, 'access.format' => $format });
    for my $argv (['serve', '-c', $conf], ['serve', '-t', '-c', $conf], ['check', '-c', $conf]) {
        my $r = run_program($argv);
        is($r->{exit}, 78, "$format: $argv->[0] " . ($argv->[1] eq '-t' ? '-t ' : '') . 'refuses it');
        like($r->{err}, qr/\Q$why\E/, 'and says why');
    }
}

# The error log as JSON: console and exceptions know whose they are.
{
    my $s = served('json', global => { log_format => 'json', log_level => 'info' },
        pool => { pm => 'static', max_children => 1 });
    my $script = fixture('log.js');
    fcgi($s->{socket}, cgi_env($script, HTTP_X_REQUEST_ID => 'console-1'));
    fcgi($s->{socket}, cgi_env(fixture('throw.js'), HTTP_X_REQUEST_ID => 'thrown-2'));
    kill 'KILL', $worker{$s->{pid}};
    ok(log_has($s, qr/SIGKILL/), 'a worker is killed');
    ok(wait_for(30, sub { ask($s->{socket}, cgi_env($script), qr/logged/) }), 'another serves');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
    my @lines = split /\n/, read_file($s->{log});
    my @json = map { eval { decode_json($_) } // {} } @lines;
    is(scalar(grep { !exists $_->{message} } @json), 0, 'each line is an object with a message');
    is(scalar(grep { join(',', sort keys %$_) ne 'function,level,message,pid,pool,request,time' }
        @json), 0, 'of seven members');
    my @mine = grep { ($_->{request} // '') eq 'console-1' && $_->{level} =~ /notice|error/ } @json;
    is(join('|', map { "$_->{level} $_->{message}" } @mine),
        'notice a line for the log { answer: 42 }|error an error|error of two lines',
        'console output, line by line');
    for my $m (@mine) {
        is("$m->{pool} $m->{pid} $m->{function}", "www $worker{$s->{pid}} $script",
            'with pool, process and function');
    }
    my ($thrown) = grep { ($_->{request} // '') eq 'thrown-2' && $_->{level} eq 'error' } @json;
    like($thrown->{message} // '', qr/a secret of the function/, 'an exception');
    is($thrown->{function}, fixture('throw.js'), 'and whose it was');
    my ($ended) = grep { $_->{message} =~ /SIGKILL/ } @json;
    is($ended->{pid}, $s->{pid}, 'the supervisor\'s own lines');
    is($ended->{pool}, 'www', 'know their pool');
    ok(!defined $ended->{request} && !defined $ended->{function}, 'and nothing else');
}

done_testing();
