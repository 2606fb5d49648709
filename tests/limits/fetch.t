#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use HTTP;
use Snap;
use Test::More;

use Compress::Zlib;
use IO::Socket::INET;
use Time::HiRes qw(time);

# What fetch() may not do: go inside, be too many, take too much or too long.
my $bomb = Compress::Zlib::memGzip("\0" x 20_000_000);

sub flood {
    my ($start, $more) = @_;
    return sub {
        my ($r, $c) = @_;
        print $c $start;
        while (print $c $more) { }
        return undef;
    };
}

my $h = http_server({
    '/hints' => flood('', "HTTP/1.1 103 Early Hints\r\nX: "
        . 'y' x 1000 . "\r\n\r\n"),
    '/trailers' => flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n1\r\na\r\n0\r\n", 'X: ' . 'y' x 1000 . "\r\n"),
    # a pattern that is tried at each blank takes minutes
    '/blanks' => sub { http_reply('200 OK', ['Content-Encoding: gzip'
        . ' ' x 100_000 . 'x'], 'hello') },
    '/get' => sub { http_reply('200 OK', [], 'hello') },
    '/some' => sub { http_reply('200 OK', [], 'x' x 100_000) },
    '/bomb' => sub { http_reply('200 OK', ['Content-Encoding: gzip'], $bomb) },
    '/large' => sub { http_reply('200 OK', [], 'x' x 2_000_000) },
    '/slow' => sub { select(undef, undef, undef, 0.2);
        http_reply('200 OK', [], 'slow') },
    '/never' => sub { sysread($_[1], my $end, 1); return undef },
    '/stops' => sub {
        my ($r, $c) = @_;
        print $c "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.";
        sysread($c, my $end, 1);
        return undef;
    },
    '/trickle' => sub {
        my ($r, $c) = @_;
        print $c "HTTP/1.1 200 OK\r\n\r\n";
        $c->blocking(1);
        while (syswrite($c, '.')) { select(undef, undef, undef, 0.05) }
        return undef;
    },
});

my $dir = temp_dir();
write_file("$dir/$_->[0].js", <<"END") for (
const at = (path) => "$h->{url}" + path;
const cases = { $_->[1] };
export default { async fetch(request, env, ctx) {
    const query = new URL(request.url).searchParams;
    let answer;
    try {
        answer = await cases[query.get("case")](query, ctx);
    } catch (e) {
        answer = `\${e.name}: \${e.message}`;
    }
    return answer instanceof Response ? answer : new Response(answer);
} };
END
    ['f', <<'END']);
    one: async (q) => (await fetch(at(q.get("path")))).text(),
    url: async (q) => (await fetch(q.get("url"))).text(),
    body: async (q) => fetch(at(q.get("path"))),
    times: async (q) => {
        let n = 0;
        try {
            for (; n < 100; n++)
                await (await fetch(at("/get"))).text();
        } catch (e) {
            return `${n}: ${e.message}`;
        }
        return `${n}`;
    },
    together: async (q) => {
        const all = Array.from({ length: +q.get("n") },
            async () => (await fetch(at(q.get("path")))).text());
        const texts = await Promise.allSettled(all);
        return texts.map((t) => t.status === "fulfilled" ? t.value.length
            : t.reason.message).join("\n");
    },
    // heads of all, then bodies: the ones that wait do not hold up others
    heads: async () => {
        const all = await Promise.all(Array.from({ length: 5 },
            () => fetch(at("/large"))));
        let n = 0;
        for (const r of all.reverse())
            n += (await r.text()).length;
        return `${n}`;
    },
    held: async () => {
        const r = await fetch(at("/bomb"));
        await new Promise((done) => setTimeout(done, 200));
        return (await fetch(at("/some"))).text().then(() => "all", (e) =>
            `${r.status} ${e.message}`);
    },
    // blanks of a type are looked at once
    types: async () => {
        const type = `a/b;${" ".repeat(300000)}x`;
        const headers = { "content-type": type };
        const blob = await new Response("", { headers }).blob();
        return `${blob.type} ${(await fetch(`data:${type},x`)).status}`;
    },
    stuck: async () => {
        const r = await fetch(at("/large"));
        await new Promise(() => r);
    },
    writes: async () => {
        const body = new ReadableStream({
            pull(c) { c.enqueue(new Uint8Array(100)); } });
        const r = await fetch(at("/never"), { method: "POST",
            duplex: "half", body });
        return r.text();
    }
END

# ask(server or configuration, query): the reply, by FastCGI or by CGI.
sub ask {
    my ($where, $query) = @_;
    my $env = cgi_env("$dir/f.js", QUERY_STRING => $query);
    return ref $where ? fcgi($where->{socket}, $env)
        : cgi($env, conf => $where);
}

# The same settings for both; sub gets how to ask, the log, and the name.
sub with {
    my ($settings, $sub) = @_;
    my $d = temp_dir();
    my $log = write_file("$d/cgi.log", '');
    my $conf = write_config("$d/c.conf", cgi => { %$settings, root => $dir },
        global => { error_log => $log });
    my $s = serve(pool => { %$settings, root => $dir });
    $sub->(sub { ask($conf, $_[0]) }, $log, 'CGI');
    $sub->(sub { ask($s, $_[0]) }, $s->{log}, 'FastCGI', $s->{pid});
}

# ---- where -------------------------------------------------------------------

with({}, sub {
    my ($ask, $log, $by) = @_;
    like($ask->('case=one&path=/get')->{body},
        qr/: the address 127\.0\.0\.1 is not in fetch_allow and is not public\z/,
        "$by: loopback is refused unless it is allowed");
    like($ask->("case=url&url=http://localhost:$h->{port}/get")->{body},
        qr/: the address (127\.0\.0\.1|::1) is not in fetch_allow/,
        "$by: by name, too");
    like($ask->('case=url&url=http://169.254.169.254/latest/')->{body},
        qr/: the address 169\.254\.169\.254 is not/, "$by: and a cloud's own");
    like($ask->("case=url&url=http://[::ffff:127.0.0.1]:$h->{port}/")->{body},
        qr/is not in fetch_allow/, "$by: IPv4 in IPv6");
    like($ask->("case=url&url=http://0:$h->{port}/")->{body},
        qr/0\.0\.0\.0 is not in fetch_allow/, "$by: no address");
});
with({ fetch_allow => 'localhost' }, sub {
    my ($ask, $log, $by) = @_;
    is($ask->("case=url&url=http://localhost:$h->{port}/get")->{body}, 'hello',
        "$by: a name that is allowed");
    like($ask->('case=one&path=/get')->{body},
        qr/: 127\.0\.0\.1 is not in fetch_allow\z/, "$by: and no other");
    like($ask->('case=url&url=http://elsewhere.invalid/')->{body},
        qr/: elsewhere\.invalid is not in fetch_allow\z/,
        "$by: which is not looked up");
});
with({ fetch_allow => 'all', fetch_deny => "127.0.0.0/8:$h->{port}" }, sub {
    my ($ask, $log, $by) = @_;
    like($ask->('case=one&path=/get')->{body},
        qr/: the address 127\.0\.0\.1 is in fetch_deny\z/, "$by: fetch_deny");
});

# ---- how many ----------------------------------------------------------------

# The most that were at work at once, in the server's log from a line on.
sub most_at_once {
    my ($from) = @_;
    my ($now, $most) = (0, 0);
    for ((http_log($h))[$from .. $#{[http_log($h)]}]) {
        $now += / end / ? -1 : 1;
        $most = $now if $now > $most;
    }
    return $most;
}

with({ fetch_allow => '127.0.0.1', fetch_max => 7, fetch_concurrent => 3 }, sub {
    my ($ask, $log, $by) = @_;
    my $limit = qr/: a request may make no more than 7 \(fetch_max\)/;
    like($ask->('case=times')->{body}, qr/\A7: .*$limit\z/, "$by: fetch_max")
        for 1 .. 2;
    my $from = () = http_log($h);
    is($ask->('case=together&n=7&path=/slow')->{body}, join("\n", (4) x 7),
        "$by: all of them come");
    is(most_at_once($from), 3, "$by: fetch_concurrent at once");
    my @all = split /\n/, $ask->('case=together&n=9&path=/slow')->{body};
    is(scalar(grep { /\A4\z/ } @all), 7, "$by: those allowed are made");
    is(scalar(grep { $_ =~ $limit } @all), 2, "$by: and others fail");
});
with({ fetch_allow => '127.0.0.1', fetch_max => 0 }, sub {
    my ($ask, $log, $by) = @_;
    like($ask->('case=one&path=/get')->{body}, qr/no more than 0/,
        "$by: none at all");
});
with({ fetch_allow => '127.0.0.1', fetch_concurrent => 1 }, sub {
    my ($ask, $log, $by) = @_;
    is($ask->('case=heads')->{body}, 5 * 2_000_000,
        "$by: a reply that waits does not hold up the others");
    like($ask->('case=stuck')->{body}, qr/\A500 /,
        "$by: nor does it keep a request that waits for nothing");
});

# ---- how much ----------------------------------------------------------------

with({ fetch_allow => '127.0.0.1', fetch_max_bytes => '1m',
    request_timeout => '5s' }, sub {
    my ($ask, $log, $by) = @_;
    my $limit = qr/: the replies to the request's fetches are larger than \d+/;
    is(length $ask->('case=one&path=/some')->{body}, 100_000, "$by: enough");
    like($ask->('case=one&path=/large')->{body},
        qr/$limit bytes \(fetch_max_bytes\)\z/,
        "$by: fetch_max_bytes");
    like($ask->('case=one&path=/bomb')->{body}, qr/$limit bytes/,
        "$by: as it is decoded");
    like($ask->('case=held')->{body}, qr/\A200 .*$limit bytes/,
        "$by: whether it is read or not");
    like($ask->("case=one&path=$_")->{body},
        qr/: the reply's head is larger than \d+ bytes\z/,
        "$by: $_ without an end") for '/hints', '/trailers';
    is($ask->('case=one&path=/blanks')->{body}, 'hello', "$by: blanks");
    is($ask->('case=types')->{body}, 'a/b 200', "$by: blanks in a type");
    my @all = split /\n/, $ask->('case=together&n=15&path=/some')->{body};
    my $whole = grep { /\A100000\z/ } @all;
    cmp_ok($whole, '<=', 10, "$by: of all replies together");
    is(scalar(grep { $_ =~ $limit } @all), 15 - $whole, "$by: others fail");
    is(length $ask->('case=one&path=/some')->{body}, 100_000,
        "$by: each request anew");
});

# ---- how long ----------------------------------------------------------------

# A socket whose queue is full does not answer.
my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
    or die "listen: $!";
my @queue = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
    PeerPort => $full->sockport, Blocking => 0) } 1 .. 8;

with({ fetch_allow => '127.0.0.1', fetch_timeout => '200ms' }, sub {
    my ($ask, $log, $by) = @_;
    my $port = $full->sockport;
    my $start = time;
    like($ask->("case=url&url=http://127.0.0.1:$port/")->{body},
        qr/: no connection within 200 ms \(fetch_timeout\)\z/,
        "$by: fetch_timeout");
    cmp_ok(time - $start, '<', 5, "$by: and not later");
    is($ask->('case=one&path=/slow')->{body}, 'slow',
        "$by: it is for the connection only");
});
with({ fetch_allow => '127.0.0.1', request_timeout => '1s' }, sub {
    my ($ask, $log, $by, $pid) = @_;
    my @cases = (['one', '/never?secret=1', 'the reply'],
        ['one', '/stops?secret=1', "the reply's body"],
        ['one', '/trickle', "the reply's body"], ['writes', '', 'the reply']);
    my $n = 0;
    for my $case (@cases) {
        my ($name, $path, $for) = @$case;
        my $r = $ask->("case=$name&path=$path");
        is($r->{status}, 504, "$by, $name $path: 504");
        my $text = substr(read_file($log), $n);
        $n += length $text;
        # A process of its own that wakes up late may have no time for it.
        next if !$pid && $text =~ /took longer than its time limit/;
        like($text,
            qr/ fetches in progress: 127\.0\.0\.1 \(waits for \Q$for\E\)$/m,
            "$by, $name $path: the log says who was waited for");
    }
    unlike(read_file($log), qr/secret/, "$by: but not the query");
    my $r = $ask->('case=body&path=/stops');
    is($r->{body}, 'five.', "$by: a reply passed on is cut");
    is($ask->('case=one&path=/get')->{body}, 'hello', "$by: and then all is well");
    return if !$pid;
    # Waiting costs no processor time.
    my $ticks = sub { my @f = split ' ', read_file("/proc/$pid/stat")
        =~ s/.*\) //sr; return $f[11] + $f[12] };
    my $before = $ticks->();
    $ask->('case=one&path=/never');
    cmp_ok($ticks->() - $before, '<', 20, "$by: to wait costs little");
});

# ---- what fits in the file ---------------------------------------------------

for my $case (['fetch_allow', '10.0.0.0/33', 'has a word that is none of'],
    ['fetch_deny', 'http://a/', 'has a word that is none of'],
    ['fetch_max', '1001', 'is out of range'],
    ['fetch_concurrent', '0', 'is out of range'],
    ['fetch_max_bytes', '1', 'is out of range'],
    ['fetch_timeout', '2h', 'is out of range']) {
    my ($key, $value, $why) = @$case;
    my $conf = write_config("$dir/bad.conf", cgi => { $key => $value });
    my $r = run_program(['check', '-c', $conf]);
    isnt($r->{exit}, 0, "$key = $value");
    like($r->{out} . $r->{err}, qr/:2: \Q$key = $value $why\E/, 'it says why');
}

done_testing();
