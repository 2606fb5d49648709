#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# The system gives a worker no more memory (RLIMIT_AS, a cgroup): that request
# gets a 500 or a closed connection, and the pool goes on.
my $hello = cgi_env(fixture('hello.js'));
my $root = temp_dir();
write_file("$root/hello.js", read_file(fixture('hello.js')));
write_file("$root/buffers.js", <<'END');
export default { fetch() {
    const kept = [];
    for (let i = 0; i < 4096; i++)
        kept.push(new Uint8Array(1 << 20).fill(i));
    return new Response(`${kept.length} MB\n`);
} };
END
write_file("$root/heap.js", <<'END');
export default { fetch() {
    const kept = [];
    for (let i = 0; i < 40; i++)
        kept.push(Array.from({ length: 1e6 }, (_, k) => ({ i, k })));
    return new Response(`${kept.length} arrays\n`);
} };
END
write_file("$root/body.js", <<'END');
export default { async fetch(request) {
    return new Response(`${(await request.text()).length} bytes\n`);
} };
END
my %settings = (root => $root, pm => 'static', max_children => 2, heap_limit => '3g',
    buffer_limit => '8g', max_body => '1g', request_timeout => '2m', 'access.log' => 'stderr');

sub next_is_served {
    my ($s) = @_;
    return wait_for(60, sub { ask($s->{socket}, cgi_env("$root/hello.js"), qr/^hello$/) });
}

# How a request ended that asks for too much.
sub too_much {
    my ($s, $script, $body) = @_;
    my $c = begin_request($s->{socket}, cgi_env("$root/$script.js", defined $body
        ? (REQUEST_METHOD => 'POST', CONTENT_LENGTH => length $body) : ()), stdin => $body // '');
    my $r = $c->reply(120);
    return 'hung' if $r->{hung};
    return $r->{ended} ? "status $r->{status}" : 'closed';
}

# The addresses that a worker has reserved, idle.
sub reserved {
    my ($s) = @_;
    my ($w) = wait_workers($s, 2);
    ask($s->{socket}, cgi_env("$root/hello.js"), qr/hello/) for 1 .. 4;
    my ($kb) = read_file("/proc/$w/status") =~ /^VmPeak:\s+(\d+)/m;
    return $kb;
}

sub hurt {
    my ($s, $what) = @_;
    ok(next_is_served($s), "$what: it serves");
    for my $script (qw(buffers heap)) {
        for my $round (1 .. 2) {
            like(too_much($s, $script), qr/^(closed|status 50[0234])$/,
                "$what: $script: an error, and no more");
            ok(next_is_served($s), "$what: $script: the next is served");
        }
    }
    like(too_much($s, 'body', 'x' x (48 << 20)), qr/^(closed|status (200|50[0234]))$/,
        "$what: a large body: a reply or an error");
    ok(next_is_served($s), "$what: the next is served");
    is(scalar(wait_workers($s, 2, 90)), 2, "$what: there are as many workers as before");
    unlike(read_file($s->{log}), qr/SIGSEGV|SIGBUS/, "$what: none ends by a stray pointer");
    ok(alive($s->{pid}), "$what: the supervisor lives");
}

my $need;
{
    my $s = serve(pool => { %settings });
    $need = reserved($s);
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Too little to begin with: that is said, again and again more slowly, and
# clients are not left waiting.
SKIP: {
    skip 'a sanitizer reserves all addresses', 1 if $need > 1 << 32;
    my $s = serve(pool => { %settings, rlimit_as => '64m' });
    ok(log_has($s, qr/end before they serve; the next is started in \d+ ms/, 60),
        'rlimit_as is too low for V8: the log says that no worker starts');
    ok(log_has($s, qr/worker \d+ has ended (by signal|with status)/), 'and how they end');
    is(fcgi($s->{socket}, cgi_env("$root/hello.js"), seconds => 60)->{status}, 503, 'clients get 503');
    ok(alive($s->{pid}), 'the supervisor lives');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');

    my $t = serve(pool => { %settings, rlimit_as => ($need + 200 * 1024) . 'k' });
    hurt($t, 'rlimit_as');
    is(stop_process($t->{pid}), 0, 'SIGTERM: exit 0');
}

# The same by a cgroup, whose way is SIGKILL.
SKIP: {
    my $group = "/sys/fs/cgroup/memory/snapcgi-test-$$";
    skip 'no memory cgroup can be made', 1 if $< != 0 || !-d '/sys/fs/cgroup/memory'
        || !mkdir $group;
    my $s = serve(pool => { %settings });
    my $limited = eval {
        write_file("$group/memory.limit_in_bytes", 400 << 20);
        write_file("$group/cgroup.procs", $_) for $s->{pid}, workers($s);
        1;
    };
    if ($limited) {
        # Those that were started before have their memory elsewhere.
        kill 'TERM', $_ for workers($s);
        wait_workers($s, 2);
        hurt($s, 'cgroup');
    }
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
    wait_for(10, sub { rmdir $group });
    skip 'the cgroup takes no limit', 1 if !$limited;
}

done_testing();
