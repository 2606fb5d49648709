#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use HTTP;
use Super;

# Workers are held to a list of system calls, and all that functions may do
# is in it.
my $dir = temp_dir();
my $app = write_file("$dir/app.js", <<'JS', 0644);
const code = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1,
    127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11]);

const work = {
    eval: () => new Function("return 6 * 7")() === 42,
    optimized() {
        let n = 0;
        for (let i = 0; i < 3e6; i++)
            n = (n * 31 + i) | 0;
        return Number.isInteger(n);
    },
    async wasm() {
        const { instance } = await WebAssembly.instantiate(code);
        return instance.exports.f() === 42;
    },
    memory: () => new WebAssembly.Memory({ initial: 4 }).grow(8) === 4,
    garbage() {
        let list = [];
        for (let i = 0; i < 400000; i++) {
            list.push({ i, text: "x" + i });
            if (list.length > 100000)
                list = [];
        }
        return true;
    },
    buffers() {
        let n = 0;
        for (let i = 0; i < 8; i++)
            n += new Uint8Array(16 << 20).fill(1)[i];
        return n === 8;
    },
    random: () => crypto.getRandomValues(new Uint8Array(8)).length === 8,
    async hash() {
        const h = await crypto.subtle.digest("SHA-512", code);
        return h.byteLength === 64;
    },
    async keys() {
        const pair = await crypto.subtle.generateKey(
            { name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
        const how = { name: "ECDSA", hash: "SHA-256" };
        const s = await crypto.subtle.sign(how, pair.privateKey, code);
        return crypto.subtle.verify(how, pair.publicKey, s, code);
    },
    timer: () => new Promise(r => setTimeout(() => r(true), 5)),
    async gzip() {
        const s = new Blob(["x".repeat(100000)]).stream()
            .pipeThrough(new CompressionStream("gzip"));
        return (await new Response(s).arrayBuffer()).byteLength < 1000;
    },
    time: () => new Date().toLocaleString("en", { timeZone: "Asia/Tokyo" })
        .length > 0,
    legacy: () => new TextDecoder("shift_jis")
        .decode(new Uint8Array([0x82, 0xa0])) === "\u3042",
    async fetch(port) {
        const r = await fetch(`http://localhost:${port}/`);
        return await r.text() === "far\n";
    },
};

export default async request => {
    const port = new URL(request.url).searchParams.get("port");
    let text = "";
    for (const [name, f] of Object.entries(work)) {
        let result;
        try {
            result = await f(port);
        } catch (e) {
            result = e;
        }
        text += `${name}: ${result}\n`;
    }
    return new Response(text);
};
JS

sub seccomp_of {
    my ($pid) = @_;
    return read_file("/proc/$pid/status") =~ /^Seccomp:\s*(\d)/m ? $1 : undef;
}
my $before = seccomp_of($$);
plan(skip_all => 'no /proc/self/status, or a kernel without filters')
    if !defined $before;

my $origin = http_server({ '/' => sub { http_reply('200 OK', [], "far\n") } });

my $request = cgi_env($app, QUERY_STRING => "port=$origin->{port}");
my %pool = (app => $app, pm => 'static', max_children => 2,
    fetch_allow => 'all');
my $s = serve(pool => { %pool });
SKIP: {
    my $said = read_file($s->{log});
    skip("there are no filters here: $1", 1)
        if $said =~ /any system call: (.*)/;
    is(seccomp_of($_), 2, 'a worker is held to the list') for settled_workers($s);
    is(seccomp_of($s->{pid}), $before, 'the supervisor is not');
}
my $held = fcgi($s->{socket}, $request);
is($held->{status}, 200, 'it serves');
like($held->{body}, qr/^$_: true$/m, $_)
    for qw(eval optimized wasm memory garbage buffers random hash keys timer
        gzip time legacy fetch);
my ($worker) = settled_workers($s);
kill('ABRT', $worker);
ok(wait_for(30, sub { !grep { $_ == $worker } settled_workers($s) }),
    'a crash ends it');
ok(wait_for(30, sub { settled_workers($s) == 2 }), 'and another takes its place');
is(fcgi($s->{socket}, $request)->{status}, 200, 'which serves');
stop_process($s->{pid});

$s = serve(pool => { %pool, seccomp => 'off' });
is(seccomp_of($_), $before, 'seccomp = off: there is no list')
    for settled_workers($s);
is(fcgi($s->{socket}, $request)->{body}, $held->{body},
    'and functions see no difference');
unlike(read_file($s->{log}), qr/any system call/, 'nothing is said of it');
stop_process($s->{pid});

# A library that is none.
mkdir("$dir/lib") or die;
write_file("$dir/lib/libseccomp.so.2", '', 0644);
{
    local $ENV{LD_LIBRARY_PATH} = join(':', "$dir/lib",
        $ENV{LD_LIBRARY_PATH} // ());
    $s = serve(pool => { %pool });
    is(fcgi($s->{socket}, $request)->{status}, 200, 'it serves all the same');
    my @said = grep { /any system call/ } split(/\n/, read_file($s->{log}));
    is(scalar @said, 1, 'auto, without the library: said once');
    like($said[0] // '', qr/libseccomp\.so\.2 cannot be loaded/, 'and why');
    stop_process($s->{pid});
    my $conf = write_config("$dir/on.conf", pool => { %pool,
        listen => "$dir/never.sock", seccomp => 'on' });
    my $r = run_program(['serve', '-c', $conf], seconds => 20,
        env => { LD_LIBRARY_PATH => $ENV{LD_LIBRARY_PATH} });
    is($r->{exit}, 78, 'on, without the library: exit 78');
    like($r->{out} . $r->{err}, qr/libseccomp\.so\.2 cannot be loaded/,
        'and why');
}

done_testing();
