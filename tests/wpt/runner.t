#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# The runner itself, on tests of our own with a harness of ten lines.
plan(skip_all => 'python3 is not installed') if !find_program('python3');
my $dir = temp_dir();
my $wpt = "$dir/checkout";
mkdir($_) for $wpt, map { "$wpt/$_" } qw(resources url url/resources);

write_file("$wpt/resources/testharness.js", <<'END');
(function () {
    const list = [], waiting = [];
    self.test = (f, name) => promise_test(async () => f(), name);
    self.promise_test = (f, name) => {
        const one = { name, status: 3, message: null };
        list.push(one);
        waiting.push((async () => f())().then(() => one.status = 0,
            (e) => Object.assign(one, { status: 1, message: String(e) })));
    };
    self.add_start_callback = () => {};
    self.add_completion_callback = (f) => {
        self.timeout = () => f(list, { status: 2, message: null });
        setTimeout(() => Promise.all(waiting).then(() =>
            f(list, { status: 0, message: null })), 0);
    };
})();
END
write_file("$wpt/url/good.any.js", <<'END');
// META: script=resources/helper.sub.js
test(() => { if (HOST !== "localhost") throw HOST; }, "substituted");
END
write_file("$wpt/url/resources/helper.sub.js", "const HOST = '{{host}}';\n");
write_file("$wpt/url/bad.any.js", <<'END');
test(() => {}, "passes");
test(() => { throw new Error("because"); }, "fails * \n");
END
write_file("$wpt/url/variants.any.js", <<'END');
// META: variant=?a
// META: variant=?b
test(() => {}, `is ${location.search}`);
END
write_file("$wpt/url/stuck.window.js", "promise_test(() => new Promise(() => {"
    . "}), 'never ends');\n");
write_file("$wpt/url/fetch.any.js", <<'END');
promise_test(async () => {
    const url = "resources/echo.py?key=1&pipe=header(x-piped,yes)";
    await fetch(url, { method: "POST", body: "kept" });
    const r = await fetch(url);
    const said = [r.status, r.headers.get("x-piped"), await r.text()].join();
    if (said !== "201,yes,kept") throw said;
}, "a handler, its stash and a pipe");
END
write_file("$wpt/url/resources/echo.py", <<'END');
def main(request, response):
    stash, key = request.server.stash, request.GET.first(b"key")
    if request.method == "POST":
        stash.put(key, request.body)
        return b""
    return (201, b"Made"), [(b"Content-Type", b"text/plain")], stash.take(key)
END

sub run_tests {
    my ($expected, @argv) = @_;
    write_file("$dir/expectations", $expected);
    my @command = ('python3', source('tests/wpt/run'), '--snapcgi', program(),
        '--expectations', "$dir/expectations", $wpt, @argv);
    my $pid = open(my $p, '-|') // die "fork: $!";
    if (!$pid) {
        open(STDERR, '>&', \*STDOUT);
        exec { $command[0] } @command or exit 127;
    }
    my $said = do { local $/; <$p> };
    close($p);
    return ($? >> 8, $said);
}

my $known = <<'END';
fail: on purpose
    url/bad.any.js
        fails \* \n
END
my ($status, $said) = run_tests($known, qw(good bad variants));
is($status, 0, 'what comes as expected ends with 0') or diag($said);
unlike($said, qr/\.js/, 'and names no file');
like($said, qr/^url +3 +4 +1 +1 +0$/m, 'the sums');

($status, $said) = run_tests('', 'bad');
is($status, 1, 'a failure that is not expected ends with 1');
like($said, qr/^FAIL url\/bad.any.js: 1 pass, 1 fail.*\n +fails \\\* \\n\n +Error: because$/m,
    'and is shown as the expectations would name it');

($status, $said) = run_tests("fail: no\n    url/bad.any.js\n        *\n", 'bad');
is($status, 1, 'a pass that is not expected ends with 1');
like($said, qr/^ +passes\n +passes, but see line 3/m, 'and says the line');

($status, $said) = run_tests("${known}        nothing\n", 'bad');
is($status, 1, 'a line that matches nothing ends with 1');
like($said, qr/line 4 of expectations/, 'and is named');

($status, $said) = run_tests("fail, V8 < 5: old\n    url/bad.any.js\n"
    . "        *\nskip: no\n    url/bad.any.js\n", 'bad', '--tap');
is($status, 0, 'conditions hold or not, and what is skipped is not run');
like($said, qr/^ok 1 - url\/bad.any.js # SKIP no$/m, 'which TAP says');

($status, $said) = run_tests('', 'stuck', '--timeout', '1');
is($status, 1, 'what does not end ends with 1');
like($said, qr/TIMEOUT\n +never ends\n/, 'and says what was under way');

($status, $said) = run_tests('', 'variants', '--json', "$dir/json");
like(read_file("$dir/json"), qr/"is \?a".*"is \?b"/s,
    'each variant has its location');

($status, $said) = run_tests('', 'fetch');
is($status, 0, 'handlers of the checkout answer') or diag($said);

# A program that does not end well, whatever it replied.
for my $case (['kill -9 $$', 'Killed'], ['exit 23', 'exit status 23 after'],
    ['sleep 60 >/dev/null 2>&1 & exit 0', 'left a process behind']) {
    my $program = program();
    write_file("$dir/snapcgi", "#!/bin/sh\n'$program' \"\$@\"\n"
        . "[ \"\$1\" ] || { $case->[0]; }\n");
    chmod(0755, "$dir/snapcgi");
    ($status, $said) = run_tests('', 'good', '--snapcgi', "$dir/snapcgi");
    is($status, 1, "$case->[1]: ends with 1");
    like($said, qr/CRASH\n +.*$case->[1]/, 'and says so');
}

($status, $said) = run_tests('', 'nowhere');
is($status, 2, 'no test at all ends with 2');
like($said, qr/^run: no test for nowhere in /, 'and says so');

done_testing();
