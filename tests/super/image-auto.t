#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;
use Time::HiRes qw(sleep);

# A pool with `image = auto`: its image is made beside its work, and made anew
# with its code. What the top level draws tells an image from the source: every
# context of an image has drawn the same.
my $version = (run_program(['--version'])->{out} =~ /^V8 (\d+)/m)[0];
my $env = cgi_env('/a');

sub text_of {
    my ($word, $more) = @_;
    return ($more // '') . qq{const drawn = "$word " + Math.random();\n}
        . q{addEventListener("fetch", (event) => event.respondWith(new Response(drawn)));} . "\n";
}

sub pool {
    my ($app, %o) = @_;
    my $dir = temp_dir();
    my %pool = %{$o{pool} // {}};
    write_file("$dir/app.js", $app, 0644);
    return serve_with_status(dir => $dir,
        global => { control => "$dir/control.sock", log_level => 'info', %{$o{global} // {}} },
        pool => { pm => 'static', max_children => 2, app => "$dir/app.js", image => 'auto',
            image_cache => "$dir/cache", %pool });
}

sub say_it { return fcgi($_[0]{socket}, $env, seconds => 60) }
sub images { my @all = glob "$_[0]{dir}/cache/*.img"; return @all }

# How many times that is in the log.
sub often { return scalar(log_like(@_)) }

# Waits until replies come from an image: the same from each worker.
sub from_image {
    my ($s, $word) = @_;
    my $last = '';
    return wait_for(60, sub {
        my @now = map { say_it($s)->{body} } 1 .. 4;
        $last = $now[0];
        return $now[0] =~ /^\Q$word\E / && !grep { $_ ne $now[0] } @now;
    }) && $last;
}

my $made = qr/ notice .* the image (\S+) of \S+ was made: \d+ bytes, in \d+ ms$/;

# ---- made at the start, and used --------------------------------------------------

{
    my $s = pool(text_of('one'));
    my $load = load_start(3, $s->{socket}, $env, qr/^(one|two) 0\.\d+$/);
    my $line = log_has($s, $made, 60) // '';
    my ($image) = $line =~ $made;
    ok($image, 'an image is made at the start, and the log says so');
    my $one = from_image($s, 'one');
    ok($one, 'workers are replaced by such as start from it');
    is(join(' ', images($s)), $image, 'it is in the cache');
    is(join(' ', map { sprintf '%04o', (stat)[2] & 07777 } "$s->{dir}/cache", $image), '0755 0644',
        'who may read the source may read it, nobody else may write');
    is((stat $image)[4], $<, 'and it is of who started the pool');
    is(run_program(['image', 'verify', $image])->{exit}, 0, 'it verifies');
    my ($id) = run_program(['image', 'verify', $image, '--json'])->{out} =~ /"id":"(\w+)"/;
    ok(wait_for(30, sub { figures($s)->{image} eq $id }), 'the status page has its id')
        or diag(figures($s)->{image});
    like(ctl($s, 'status')->{out}, qr/\b$id\b/, 'so has snapcgi ctl status');
    is(often($s, qr/ warn .*Math\.random\(\) is used while the application starts \(\S+app\.js:1\)/), 1,
        'what is drawn once is told, once');

    write_file("$s->{dir}/app.js", text_of('two'));
    ok(wait_for(30, sub { say_it($s)->{body} =~ /^two/ }), 'new code answers soon');
    ok(wait_for(60, sub { often($s, $made) == 2 }), 'an image of it is made');
    my $two = from_image($s, 'two');
    ok($two, 'and used');
    my ($count, @bad) = load_stop($load);
    is("@bad", '', "none of $count requests was lost");
    is(join(' ', images($s)), $image, 'there is one image as before');

    is(ctl($s, 'reload')->{exit}, 0, 'a reload');
    is(say_it($s)->{body}, $two, 'goes on with it');
    ok(wait_for(30, sub { !grep { /image of/ } values %{children($s->{pid})} }), 'its maker ends');
    is(often($s, $made), 2, 'and makes none');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');

    my $again = pool(text_of('two'), pool => { app => "$s->{dir}/app.js", image_cache => "$s->{dir}/cache" });
    is(say_it($again)->{body}, $two, 'the next start finds it in the cache');
    ok(wait_for(30, sub { !grep { /image of/ } values %{children($again->{pid})} }), 'its maker ends');
    is(often($again, $made), 0, 'and makes none');
    stop_process($again->{pid});

    # A file in the cache that is no image is made anew.
    write_file($image, 'garbage', 0644);
    $again = pool(text_of('two'), pool => { app => "$s->{dir}/app.js", image_cache => "$s->{dir}/cache" });
    like(say_it($again)->{body}, qr/^two/, 'garbage in the cache: the source serves');
    ok(log_has($again, $made, 60), 'and the image is made anew');
    ok(from_image($again, 'two'), 'and used');
}

# ---- code that is broken, and code that cannot be in an image ------------------------

{
    my $s = pool(text_of('one'));
    ok(from_image($s, 'one'), 'an image serves');
    write_file("$s->{dir}/app.js", 'let x = ;');
    ok(wait_for(30, sub { say_it($s)->{status} == 500 }), 'broken code: an error, as from source');
    ok(log_has($s, qr/ error .*SyntaxError/), 'told as an error');
    ok(log_has($s, qr/ warn .*no image of \S+ can be made, its source is used: \S+app\.js:1:9: SyntaxError/), 'no image of it');
    write_file("$s->{dir}/app.js", text_of('mended'));
    ok(wait_for(30, sub { say_it($s)->{body} =~ /^mended/ }), 'mended, it serves');
    ok(from_image($s, 'mended'), 'of an image');
}

{
    my $s = pool(qq{const f = new Intl.NumberFormat("de");\n} . text_of('intl', 'const g = () => f;'));
    ok(log_has($s, qr/ warn .*no image of \S+ can be made, its source is used: an Intl\.NumberFormat is held by `f`.*\(line 1\)/, 60),
        'what cannot be in an image is told, with its line');
    like(say_it($s)->{body}, qr/^intl 0/, 'the source serves');
    ok(wait_for(30, sub { !grep { /image of/ } values %{children($s->{pid})} }), 'its maker ends');
    is(often($s, qr/no image of/), 1, 'it is said once');
    is(join(' ', glob "$s->{dir}/cache/*.{img,new}"), '', 'and nothing is left in the cache');
}

{
    my $s = pool("for (;;);\n", pool => { image_timeout => '300ms', request_timeout => '300ms' });
    ok(log_has($s, qr/ warn .*no image of \S+ can be made, its source is used: \S+ was not made into an image within 300 ms: raise image_timeout$/, 60),
        'image_timeout ends an endless loop');
}
{
    my $s = pool("await new Promise((done) => setTimeout(done, 60_000)); export default { fetch() {} };\n",
        pool => { image_timeout => '300ms', request_timeout => '300ms' });
    ok(log_has($s, qr/ warn .*no image of \S+ can be made, its source is used: ./, 60), 'and a long wait');
    note(log_like($s, qr/no image/));
}

# ---- image_warm, watch ----------------------------------------------------------------

{
    my $s = pool(<<'JS', pool => { image_warm => '/a?x=1 /b', watch => 'off' });
const asked = [];
addEventListener("fetch", (event) => {
    const { pathname, search } = new URL(event.request.url);
    asked.push(pathname + search);
    event.respondWith(new Response("one " + asked.join()));
});
JS
    ok(wait_for(60, sub { say_it($s)->{body} eq 'one /a?x=1,/b,/a' }), 'image_warm: what it asks has been asked')
        or diag(say_it($s)->{body});
    write_file("$s->{dir}/app.js", text_of('two'));
    sleep 3;
    like(say_it($s)->{body}, qr/^one/, 'watch = off: the code that was there goes on');
    is(ctl($s, 'reload')->{exit}, 0, 'until a reload');
    ok(from_image($s, 'two'), 'then the new one, of its image') or diag(read_file($s->{log}));
}

# ---- two pools, one application --------------------------------------------------------

{
    my $s = pool(text_of('one'));
    my $conf = read_file($s->{conf});
    my ($www) = $conf =~ /(\[pool www\].*)/s;
    $www =~ s/\[pool www\]/[pool more]/;
    $www =~ s/(listen = \S+)/$1.more/;
    write_file($s->{conf}, $conf . $www);
    ok(from_image($s, 'one'), 'a pool');
    write_file("$s->{dir}/app.js", text_of('two'));
    is(ctl($s, 'reload')->{exit}, 0, 'gets a second one of the same application');
    my $more = { %$s, socket => "$s->{socket}.more" };
    my $two = from_image($s, 'two');
    ok($two, 'both');
    ok(wait_for(60, sub { say_it($more)->{body} eq from_image($s, 'two') }), 'serve one image')
        or diag(read_file($s->{log}));
    is(scalar(images($s)), 1, 'there is one');
    unlike(read_file($s->{log}), qr/ (error|crit) /, 'no error');
}

# ---- a maker's end -----------------------------------------------------------------------

sub makers { my $all = children($_[0]{pid}); return grep { $all->{$_} =~ /image of/ } keys %$all }

# Slow in the maker's child: it starts when there is no image yet.
my $slow = 'const until = Date.now() + 6_000; while (Date.now() < until);' . text_of('slow');
my %patient = (image_timeout => '60s', request_timeout => '60s', max_children => 1);
for my $how (qw(stop quit reload kill)) {
    my $s = pool(text_of('one'), pool => \%patient);
    ok(from_image($s, 'one'), "$how: an image");
    write_file("$s->{dir}/app.js", $slow);
    my @asking; # until a worker looks at its file
    my ($maker) = wait_for(30, sub {
        push @asking, begin_request($s->{socket}, $env);
        sleep 0.3;
        (makers($s))[0];
    });
    ok($maker, "$how: a maker at work") or next;
    my @below = keys %{children($maker)};
    if ($how eq 'kill') {
        kill 'KILL', $maker;
        ok(wait_gone($maker), 'kill: it is gone');
        ok(log_has($s, qr/ error .*image maker $maker has ended by signal 9 /), 'kill: that is told');
    } elsif ($how eq 'reload') {
        write_file("$s->{dir}/app.js", text_of('quick'));
        my $r = ctl($s, 'reload');
        is($r->{exit}, 0, 'reload: it goes well') or diag($r->{err});
        ok(wait_for(60, sub { say_it($s)->{body} =~ /^quick/ }), 'reload: the new code serves');
    } else {
        stop_process($s->{pid}, $how eq 'quit' ? 'QUIT' : 'TERM');
        ok(wait_gone($maker, 10), "$how: the maker is gone, too");
    }
    ok(wait_for(10, sub { !grep { !gone($_) } @below }), "$how: so is what it had started")
        or diag("@below");
    if ($how eq 'kill') {
        write_file("$s->{dir}/app.js", text_of('quick'));
        ok(wait_for(60, sub { (eval { say_it($s)->{body} } // '') =~ /^quick/ }), 'kill: the pool serves');
        ok(from_image($s, 'quick'), 'kill: and an image is made again');
    }
    unlike(read_file($s->{log}), qr/ crit /, "$how: nothing critical");
}

# Killed twice it is given up, once is chance.
{
    my $s = pool($slow, pool => \%patient);
    for my $round (1, 2) {
        my ($maker) = wait_for(60, sub { (makers($s))[0] });
        ok($maker, "killed: maker $round") or last;
        kill 'KILL', $maker;
        ok(wait_gone($maker), "killed: maker $round is gone");
        ok(log_has($s, qr/ notice .*the image of pool www is tried again in 5 s/), 'killed once: that is told');
    }
    ok(log_has($s, qr/ error .*the image of pool www is given up until its code changes or it is reloaded, and it goes on from source: /),
        'killed twice: so is that');
    is(often($s, qr/is tried again/), 1, 'it was tried again once');
    like(say_it($s)->{body}, qr/^slow/, 'the source serves');
    write_file("$s->{dir}/app.js", text_of('quick'));
    ok(from_image($s, 'quick'), 'other code: an image is made again');
}

# Of its processes, the one with V8 in it is whom the kernel would choose.
{
    my $s = pool($slow, pool => \%patient);
    my ($maker) = wait_for(60, sub { (makers($s))[0] });
    my ($evaluates) = wait_for(60, sub { (sort keys %{children($maker)})[0] });
    ok($evaluates, 'killed: what evaluates it') or diag(read_file($s->{log}));
    kill 'KILL', $evaluates;
    ok(log_has($s, qr/ warn .*no image of \S+ can be made, its source is used: the process was ended by signal 9/),
        'that is told');
    ok(log_has($s, qr/ notice .*the image of pool www is tried again in 5 s/), 'and it is tried again');
    ok(from_image($s, 'slow'), 'and made') or diag(read_file($s->{log}));
}

# ---- what V8 cannot take ---------------------------------------------------------------------

SKIP: {
    skip 'esbuild is not installed', 1 if !find_program('esbuild');
    my $typed = sub {
        my ($word, $ms) = @_;
        return qq{const until: number = Date.now() + } . ($ms // 0) . qq{; while (Date.now() < until);\n}
            . qq{const word: string = "$word";\n}
            . q{addEventListener("fetch", (event: any) => event.respondWith(new Response(word)));} . "\n";
    };
    my $start = sub {
        my ($text, %pool) = @_;
        my $dir = temp_dir();
        write_file("$dir/app.ts", $text, 0644);
        return pool('', global => { process_control_timeout => '4s' },
            pool => { app => "$dir/app.ts", image_cache => "$dir/cache", %pool });
    };
    my $file = sub { return read_file($_[0]{conf}) =~ /^app = (\S+)/m && $1 };

    my $s = $start->($typed->('one', 2000));
    my $first = begin_request($s->{socket}, $env);
    ok(wait_for(30, sub { (makers($s))[0] }), 'TypeScript: a maker starts');
    is(join(' ', workers($s)), '', 'TypeScript: no worker before its image');
    my $r = $first->reply(60);
    is("$r->{status} $r->{body}", '200 one', 'TypeScript: who came first has waited for it');
    is(often($s, $made), 1, 'TypeScript: it was made');

    my $load = load_start(2, $s->{socket}, $env, qr/^(one|two)$/);
    write_file($file->($s), $typed->('two', 6000)); # longer than that
    is(ctl($s, 'reload')->{exit}, 0, 'TypeScript: a reload waits for the next image');
    is(say_it($s)->{body}, 'two', 'TypeScript: which is used');
    my ($count, @bad) = load_stop($load);
    is("@bad", '', "TypeScript: the old workers have served until then ($count requests)");
    unlike(read_file($s->{log}), qr/ (?:error|crit) | overloaded|do not start/, 'TypeScript: nothing was wrong');

    write_file($file->($s), 'let x: number = ;');
    is(ctl($s, 'reload')->{exit}, 0, 'TypeScript: a reload with broken code');
    is(say_it($s)->{status}, 500, 'TypeScript: is told by requests');
    ok(log_has($s, qr/ warn .*no image of \S+ can be made, without which it cannot run: \S+app\.ts:1:\d+: /),
        'TypeScript: and why by the log');
    write_file($file->($s), $typed->('three'));
    ok(wait_for(60, sub { say_it($s)->{body} eq 'three' }), 'TypeScript: mended, it serves')
        or diag(read_file($s->{log}));
    stop_process($s->{pid});

    # What it imports is broken, and mended, while requests come; no reload.
    my $parts = temp_dir();
    my $part = sub { write_file("$parts/b.ts.new", $_[0], 0644); rename "$parts/b.ts.new", "$parts/b.ts" };
    $part->('export const word: string = "one";');
    write_file("$parts/app.ts", qq{import { word } from "./b.ts";\n}
        . q{addEventListener("fetch", (event: any) => event.respondWith(new Response(word)));}, 0644);
    $s = $start->('', app => "$parts/app.ts");
    is(say_it($s)->{body}, 'one', 'TypeScript with a part');
    $load = load_start(2, $s->{socket}, $env, qr/^(one|three)$/);
    $part->('export const word: string = ;');
    ok(log_has($s, qr/without which it cannot run: \S+b\.ts:1:\d+: /, 60), 'TypeScript: its part is broken');
    ok(log_has($s, qr/ notice .*the image of pool www is tried again in 10 s/, 60), 'TypeScript: and still is');
    $part->('export const word: string = "three";');
    ok(wait_for(60, sub { say_it($s)->{body} eq 'three' }), 'TypeScript: mended, it is taken up')
        or diag(read_file($s->{log}));
    ($count, @bad) = load_stop($load);
    is("@bad", '', "TypeScript: those with an image have served all the while ($count requests)");
    is(often($s, qr/is tried again/), 2, 'TypeScript: with pauses');
    stop_process($s->{pid});

    my $kept = temp_dir();
    $s = $start->($typed->('one', 1500), max_children => 1, state => "$kept/state");
    is(say_it($s)->{body}, 'one', 'TypeScript, state: waits for its image, too');
    is(stop_process($s->{pid}), 0, 'TypeScript, state: is saved');
    ok(-s "$kept/state", 'TypeScript, state: in its file');

    # Nobody sees that the code has changed but who starts the next worker.
    $s = $start->($typed->('one'), pm => 'ondemand', process_idle_timeout => '100ms');
    is(say_it($s)->{body}, 'one', 'TypeScript, ondemand: serves');
    ok(wait_for(60, sub { !workers($s) }), 'TypeScript, ondemand: until nobody asks');
    write_file($file->($s), $typed->('two'));
    sleep 1.5;
    $r = say_it($s);
    is("$r->{status} $r->{body}", '200 two', 'TypeScript, ondemand: the next one is of the code of now')
        or diag(read_file($s->{log}));
    is(stop_process($s->{pid}), 0, 'TypeScript: exit 0');
}

# ---- the cache's folder ----------------------------------------------------------------------

for my $case (['deep', sub { "$_[0]/no/cache" }, qr/image_cache = \S+: the folder cannot be made: No such file/],
    ['a file', sub { write_file("$_[0]/file", ''); "$_[0]/file" }, qr/image_cache = \S+: this is no folder/],
    ["everybody's", sub { mkdir "$_[0]/open"; chmod 0777, "$_[0]/open"; "$_[0]/open" },
        qr/image_cache = \S+: others than root can write there/],
    ["somebody else's", sub { mkdir "$_[0]/theirs"; chown 12345, -1, "$_[0]/theirs"; "$_[0]/theirs" },
        qr/image_cache = \S+: others than root can write there \(owner 12345/]) {
    my ($what, $make, $why) = @$case;
    next if $what =~ /else/ && $< != 0;
    my $cache = $make->(temp_dir());
    my $s = pool(text_of('one'), pool => { image_cache => $cache });
    ok(log_has($s, qr/ error .*no image is made: $why/), "the cache is $what: told");
    like(say_it($s)->{body}, qr/^one/, "the cache is $what: the source serves");
    is(stop_process($s->{pid}), 0, "the cache is $what: exit 0");
}

# ---- rights --------------------------------------------------------------------------------

SKIP: {
    skip 'only root can be somebody else', 1 if $< != 0;
    skip 'the user nobody may not run the program', 1 if defined server_missing('apache-cgi')
        && server_missing('apache-cgi') =~ /closed/;
    {
        my $s = pool(text_of('one'), pool => { user => 'nobody' });
        ok(from_image($s, 'one'), 'user = nobody: an image is made and used') or diag(read_file($s->{log}));
        my ($image) = images($s);
        is((stat $image)[4], 0, 'user = nobody: it is of root, so that nobody can change it');
    }
    SKIP: {
        skip 'V8 cannot keep modules', 1 if $version < 12;
        my $dir = temp_dir();
        write_file("$dir/lib.js", 'export const x = 1;', 0600);
        write_file("$dir/app.js", 'import { x } from "./lib.js"; export default { fetch() { return new Response("one " + x); } };');
        my $s = pool('', pool => { user => 'nobody', app => "$dir/app.js" });
        ok(log_has($s, qr/ warn .*no image of \S+ can be made, its source is used: .*lib\.js: Permission denied/, 60),
            'what the user may not read, its maker may not either');
        is(say_it($s)->{status}, 500, 'as its workers');
        chmod 0644, "$dir/lib.js";
    }
    {
        my $root = temp_dir();
        my $dir = temp_dir();
        mkdir "$root/srv";
        write_file("$root/srv/app.js", text_of('one'), 0644);
        my $s = pool('', pool => { user => 'nobody', chroot => $root, app => '/srv/app.js' });
        ok(from_image($s, 'one'), 'chroot: an image is made outside, and used') or diag(read_file($s->{log}));
        is(scalar(images($s)), 1, 'chroot: in the cache');
        is(join(' ', glob "$root/*"), "$root/srv", 'chroot: nothing comes into it');
        write_file("$root/srv/app.js", text_of('two'));
        ok(from_image($s, 'two'), 'chroot: new code, too');
    }
    {
        my $s = pool(text_of('one'), pool => { user => 'nobody', seccomp => 'on' });
        ok(from_image($s, 'one'), 'seccomp: an image is made and used') or diag(read_file($s->{log}));
        write_file("$s->{dir}/app.js", text_of('two'));
        ok(from_image($s, 'two'), 'seccomp: new code, too');
        unlike(read_file($s->{log}), qr/SIGSYS|signal 31/, 'seccomp: without a violation');
    }
}

done_testing();
