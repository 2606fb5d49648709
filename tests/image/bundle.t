#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP qw(decode_json);
use Snap;
use Test::More;

# --bundle: one script of TypeScript and packages, by esbuild; and what happens
# where that is not installed.
my ($version) = run_program(['--version'])->{out} =~ /^V8 (\d+)/m;
my $dir = temp_dir();
my $conf = write_config("$dir/c.conf", global => { error_log => 'stderr', log_level => 'info' },
    cgi => { root => $dir, extensions => '.js .ts', 'env[WORD]' => 'spoon' });

# In an environment of its own; PATH is given.
sub build {
    my ($path, @words) = @_;
    return run_program(['image', 'build', @words], env => { PATH => $path });
}
sub get { return cgi(cgi_env($_[0]), conf => $conf) }

write_file("$dir/app.ts", <<'JS');
import { greet, type Greeting } from "greeter";
import { twice } from "./lib";
import data from "./data.json";
enum Size { Small = 1, Large }
const made: Greeting = greet("world");
export default {
    async fetch(request: Request, env: Record<string, string>): Promise<Response> {
        if (new URL(request.url).pathname === "/fail")
            throw new Error("here");
        return new Response(`${made} ${twice(Size.Large)} ${data.name} ${env.WORD} ${import.meta.url}`);
    }
};
JS
write_file("$dir/lib.ts", "export const twice = (n: number): number => 2 * n;\n");
write_file("$dir/data.json", '{ "name": "JSON" }');
mkdir "$dir/node_modules" and mkdir "$dir/node_modules/greeter" or die;
write_file("$dir/node_modules/greeter/package.json", '{ "name": "greeter", "main": "index.js" }');
write_file("$dir/node_modules/greeter/index.js", 'exports.greet = (who) => `hello ${who}`;');
my $body = "hello world 4 JSON spoon file://$dir/app.ts";

# ---- without esbuild ------------------------------------------------------------------

for my $words (["$dir/app.ts"], ["$dir/app.ts", '--bundle']) {
    my $r = build("$dir/nothing", @$words);
    isnt($r->{exit}, 0, "without esbuild: no image (@$words[1 .. $#$words])");
    my @said = grep { /^snapcgi: / } split /\n/, $r->{err};
    is(scalar @said, 1, 'one sentence') or diag($r->{err});
    like($said[0], qr/esbuild/, 'names what is needed');
    ok(!-e "$dir/app.img", 'no file');
}
my $esbuild = find_program('esbuild');
if (!$esbuild) {
    note('esbuild is not installed');
    done_testing();
    exit;
}
my $path = $esbuild =~ s{/[^/]*\z}{}r . ':/usr/bin:/bin';

# ---- with it ---------------------------------------------------------------------------

my $r = build($path, "$dir/app.ts");
is("$r->{exit} $r->{err}", '0 ', 'TypeScript is bundled unasked');
is(get("$dir/app.ts")->{body}, $body, 'and serves');
my $j = decode_json(run_program(['image', 'inspect', "$dir/app.img", '--json'])->{out});
is_deeply([sort map { $_->{path} =~ s{^\Q$dir\E/}{}r } @{$j->{sources}}],
    [qw(app.ts data.json lib.ts node_modules/greeter/index.js)], 'each file that went in is in its list');
is($j->{sources}[0]{path}, "$dir/app.ts", 'the application first');
ok($j->{current}, 'it is current');
$r = cgi(cgi_env("$dir/app.ts", SCRIPT_NAME => '/fail'), conf => $conf);
is($r->{status}, 500, 'an error in it');
like($r->{err}, qr{Error: here.*\n.*at .*\Q$dir\E/app\.ts:\d+}, 'names its file');

for my $file (qw(app.ts lib.ts data.json node_modules/greeter/index.js)) {
    my @was = (stat "$dir/$file")[8, 9];
    is(build($path, "$dir/app.ts")->{exit}, 0, 'made anew');
    utime 1, 1, "$dir/$file" or die;
    like(get("$dir/app.ts")->{err}, qr/ warn .*the source is used, not the image \S+: \Q$dir\E\/\Q$file\E was written to/,
        "$file touched: the image is not used");
}
is(build($path, "$dir/app.ts")->{exit}, 0, 'made anew');

# The same as a pool has it.
my $s = serve(pool => { app => "$dir/app.ts", image => "$dir/app.img", 'env[WORD]' => 'fork' });
is(fcgi($s->{socket}, cgi_env('/a'))->{body}, $body =~ s/spoon/fork/r, 'image = FILE');
stop_process($s->{pid});

# JavaScript with packages.
write_file("$dir/plain.js", 'import { greet } from "greeter"; const made = greet("you");'
    . ' export default { fetch() { return new Response(made); } };');
$r = build($path, "$dir/plain.js");
isnt($r->{exit}, 0, 'a package without --bundle');
like($r->{err}, qr/^snapcgi: .*cannot import "greeter": a bare specifier means a package/m, 'is refused');
$r = build($path, "$dir/plain.js", '--bundle');
is("$r->{exit} $r->{err}", '0 ', 'with --bundle it is not');
is(get("$dir/plain.js")->{body}, 'hello you', 'and serves');

# ---- what fails -------------------------------------------------------------------------

for my $case (['syntax', 'let x: number = ;', qr/syntax\.ts:1:1\d: .*Unexpected ";"/],
    ['package', 'import x from "nowhere"; export default { fetch() { return x; } };',
        qr/package\.ts:1:\d+: .*Could not resolve "nowhere"/],
    ['node', 'import fs from "node:fs"; export default { fetch() { return fs; } };', qr/node:fs/],
    ['throws', 'const f = (): never => { throw new TypeError("no spoon"); }; f(); export default {};',
        qr{^snapcgi: \Q$dir\E/throws\.ts: TypeError: no spoon$}],
    ['escape', "import x from 'no\x1b[31mwhere'; export default { fetch() { return x; } };", qr/escape\.ts:1:\d+: /]) {
    my ($name, $text, $like) = @$case;
    write_file("$dir/$name.ts", $text);
    write_file("$dir/$name.img", 'an old one');
    $r = build($path, "$dir/$name.ts");
    isnt($r->{exit}, 0, "$name: no image");
    my @said = grep { /^snapcgi: / } split /\n/, $r->{err};
    is(scalar @said, 1, "$name: one sentence") or diag($r->{err});
    like($said[0], $like, "$name: which says why");
    like($r->{err}, qr/\Q$said[0]\E\n\z/, "$name: and comes last");
    unlike($r->{err}, qr/\x1b/, "$name: nothing that a terminal obeys");
    is(read_file("$dir/$name.img"), 'an old one', "$name: an old one is untouched");
}
# Slower than its time.
write_file("$dir/slow", "#!/bin/sh\nexec sleep 60\n", 0755);
$r = run_program(['image', 'build', "$dir/app.ts", '--timeout', '300ms'],
    env => { PATH => $path, SNAPCGI_ESBUILD => "$dir/slow" });
is($r->{exit}, 70, '--timeout holds for esbuild');
like($r->{err}, qr{\A\Qsnapcgi: $dir/app.ts\E was not made into an image within 300 ms: raise --timeout\n\z}, 'and is told');

write_file("$dir/wait.ts", 'const x: number = await new Promise((done) => setTimeout(() => done(7), 10));'
    . ' export default { fetch() { return new Response(String(x)); } };');
$r = build($path, "$dir/wait.ts");
if ($version >= 12) {
    is($r->{exit}, 0, 'await at the top level') or diag($r->{err});
    is(get("$dir/wait.ts")->{body}, 7, 'has been awaited');
} else {
    isnt($r->{exit}, 0, 'await at the top level: not with this V8');
    like($r->{err}, qr/wait\.ts:1:\d+: a module with top-level await cannot be kept/, 'and that is told');
}
is(join(' ', glob "$dir/*.new"), '', 'nothing is left');

done_testing();
