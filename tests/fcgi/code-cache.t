#!/usr/bin/perl
# An application that is evaluated again, from code compiled before, behaves as
# it did the first time; and changed text is never met with old code.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

my $rounds = 9; # code is kept after the 1st, 2nd, 4th and 8th request

sub put_app {
    my ($dir) = @_;
    write_file("$dir/app.js", <<'JS');
import data, { word } from "./part.js";
const late = await new Promise((done) => setTimeout(done, 1, "waited"));
let calls = 0;
function named(a, /* kept */ b) { return a + b; }
class Kept { #x = 1; get x() { return this.#x; } }
function fails() {
    null.property;
}
export default {
    async fetch() {
        const out = [late, word, data.answer, ++calls, new Kept().x,
            named.toString(), import.meta.url];
        try { fails(); } catch (e) { out.push(e.stack.split("\n")[1]); }
        out.push((await import("./dynamic.js")).default());
        return new Response(out.join("\n"));
    }
};
JS
    write_file("$dir/part.js",
        qq(import data from "./data.json";\nexport const word = "caf\x{c3}\x{a9}";\n)
        . "export default data;\n");
    write_file("$dir/data.json", '{"answer": 42}');
    write_file("$dir/dynamic.js", 'export default () => import.meta.url;');
    write_file("$dir/classic.js", <<'JS');
var count = 0;
function text() { return [++count, typeof this, text.toString().length,
    new Error("here").stack.split("\n")[1].trim()].join(" "); }
addEventListener("fetch", (e) => e.respondWith(new Response(text())));
JS
    return;
}

sub ask {
    my ($served, $path) = @_;
    return fcgi($served->{socket}, cgi_env($path))->{body};
}

for my $reset (qw(context isolate)) {
    my $dir = temp_dir();
    put_app($dir);
    # One application at a time, so that each is evicted and comes back.
    my $served = serve(pool => { root => $dir, reset => $reset, image => 'off',
        max_apps => 1, watch => 'on' });
    my (@module, @classic);
    for (1 .. $rounds) {
        push @module, ask($served, "$dir/app.js");
        push @classic, ask($served, "$dir/classic.js");
    }
    is($module[0], join("\n", 'waited', "caf\x{c3}\x{a9}", 42, 1, 1,
        'function named(a, /* kept */ b) { return a + b; }',
        "file://$dir/app.js", "    at fails ($dir/app.js:7:10)",
        "file://$dir/dynamic.js"), "reset = $reset: a module the first time");
    is_deeply(\@module, [($module[0]) x $rounds],
        "reset = $reset: a module is the same every time");
    like($classic[0], qr{^1 object 135 at text \(\Q$dir\E/classic\.js:3:5\)$},
        "reset = $reset: a classic script the first time");
    is_deeply(\@classic, [($classic[0]) x $rounds],
        "reset = $reset: a classic script is the same every time");

    # Two files of one length change places, and change kind.
    my %text = (a => 'export default () => new Response("one");',
        b => 'export default () => new Response("two");');
    write_file("$dir/$_.js", $text{$_}) for keys %text;
    my @got;
    push @got, map { ask($served, "$dir/$_.js") } qw(a b) for 1 .. $rounds;
    is_deeply(\@got, [(qw(one two)) x $rounds], "reset = $reset: two files");
    write_file("$dir/a.js.new", $text{b});
    write_file("$dir/b.js.new", $text{a});
    rename "$dir/$_.js.new", "$dir/$_.js" for qw(a b);
    my $swapped = sub { ask($served, "$dir/a.js") eq 'two' };
    ok(wait_for(20, $swapped), "reset = $reset: a swapped file is taken up");
    is(ask($served, "$dir/b.js"), 'one', "reset = $reset: and the other");
    write_file("$dir/a.js.new", 'addEventListener("fetch", (e) => '
        . 'e.respondWith(new Response("classic")));');
    rename "$dir/a.js.new", "$dir/a.js";
    ok(wait_for(20, sub { ask($served, "$dir/a.js") eq 'classic' }),
        "reset = $reset: a module that becomes a classic script");
    write_file("$dir/a.js.new", $text{a});
    rename "$dir/a.js.new", "$dir/a.js";
    ok(wait_for(20, sub { ask($served, "$dir/a.js") eq 'one' }),
        "reset = $reset: and becomes what it was");
    stop_process($served->{pid});
    unlike(read_file($served->{log}), qr/snapcgi:\S+ is not|cannot/,
        "reset = $reset: nothing was amiss");
}

done_testing();
