#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# A pool with `image = FILE`: that file is used whatever became of the source,
# until there is another one and a reload. Whatever happens to the file, workers
# that run do not feel it.
my $env = cgi_env('/a');
my $dir = temp_dir();

# An application, its image at that path.
sub make {
    my ($word, $image, $more) = @_;
    write_file("$dir/app.js", ($more // '') . qq{let count = 0;\nconst drawn = "$word " + Math.random();\n}
        . q{addEventListener("fetch", (e) => e.respondWith(new Response(`${drawn} ${++count}`)));}, 0644);
    my $r = run_program(['image', 'build', "$dir/app.js", '-o', $image]);
    die "image build: $r->{err}" if $r->{exit};
    return $image;
}

sub pool {
    my (%pool) = @_;
    my $own = temp_dir();
    return serve_with_status(dir => $own, global => { control => "$own/control.sock", log_level => 'info' },
        pool => { pm => 'static', max_children => 2, app => "$dir/app.js", %pool });
}

sub say_it { return fcgi($_[0]{socket}, $env, seconds => 60) }
sub drawn { return (say_it($_[0])->{body} =~ /^(\w+ \S+) \d+$/)[0] // '' }
sub id_of { return (run_program(['image', 'verify', $_[0], '--json'])->{out} =~ /"id":"(\w+)"/)[0] // '?' }
sub same { my ($s, $word) = @_; my @d = map { drawn($s) } 1 .. 4; return $d[0] =~ /^$word / && !grep { $_ ne $d[0] } @d }

my $img = make('one', "$dir/the.img");

# ---- the source --------------------------------------------------------------------

{
    my $s = pool(image => $img);
    ok(same($s, 'one'), 'the image is used by all workers');
    is(figures($s)->{image}, id_of($img), 'the status page says which');
    like(ctl($s, 'status')->{out}, qr/@{[id_of($img)]}/, 'so does snapcgi ctl status');
    my $before = drawn($s);
    write_file("$dir/app.js", 'let x = ;');
    sleep 2;
    is(drawn($s), $before, 'a source that changed is not looked at');
    unlink "$dir/app.js";
    sleep 2;
    is(drawn($s), $before, 'nor one that is gone');
    is(ctl($s, 'reload')->{exit}, 0, 'a reload without a source');
    is(drawn($s), $before, 'goes on');
    my @w = wait_workers($s, 2);
    kill 'KILL', @w;
    ok(wait_for(30, sub { my @n = workers($s); @n == 2 && !grep { my $n = $_; grep { $_ == $n } @w } @n }),
        'workers that are killed');
    is(drawn($s), $before, 'begin there again');
    stop_process($s->{pid});
    $s = pool(image => $img);
    is(drawn($s), $before, 'a start without a source');
    unlike(read_file($s->{log}), qr/ error /, 'no error');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# ---- the file -----------------------------------------------------------------------

make('one', $img);
my $good = read_file($img);
for my $case (['replaced by garbage', sub { write_file("$img.new", 'x' x 1000); rename "$img.new", $img }],
    ['truncated in place', sub { truncate $img, 1000 }],
    ['emptied in place', sub { truncate $img, 0 }],
    ['written over in place', sub { open my $f, '+<', $img; print $f 'y' x length $good; close $f }],
    ['removed', sub { unlink $img }]) {
    my ($what, $do) = @$case;
    write_file($img, $good, 0644);
    my $s = pool(image => $img);
    my @w = wait_workers($s, 2);
    my $before = drawn($s);
    $do->();
    is(join(' ', map { drawn($s) } 1 .. 6), join(' ', ($before) x 6), "$what: nothing is felt");
    is(join(' ', workers($s)), "@w", "$what: by the same workers");
    is(ctl($s, 'reload')->{exit}, 0, "$what: a reload goes well");
    like(drawn($s), qr/^one 0/, "$what: with the source");
    isnt(drawn($s), $before, "$what: not the image");
    ok(log_has($s, $what eq 'removed' ? qr/ error .*the image \Q$img\E is not used, the source is: No such file/
        : qr/ warn .*the source is used, not the image: \Q$img\E/), "$what: and the log says why");
    unlike(read_file($s->{log}), qr/SIG(BUS|SEGV|TRAP|ABRT|ILL)/, "$what: no signal");
    write_file($img, $good, 0644);
    is(ctl($s, 'reload')->{exit}, 0, "$what: when it is there again, a reload");
    is(drawn($s), $before, "$what: takes it");
    is(stop_process($s->{pid}), 0, "$what: exit 0");
}

{
    write_file($img, $good, 0644);
    my $s = pool(image => $img);
    my $load = load_start(2, $s->{socket}, $env, qr/^(one|two) 0\.\d+ 1$/);
    ok(same($s, 'one'), 'one image');
    my $id = figures($s)->{image};
    make('two', "$dir/next.img");
    rename "$dir/next.img", $img;
    ok(same($s, 'one'), 'replaced: nothing happens');
    is(ctl($s, 'reload')->{exit}, 0, 'before a reload');
    ok(wait_for(30, sub { same($s, 'two') }), 'which takes the new one');
    isnt(figures($s)->{image}, $id, 'with another id');
    my ($count, @bad) = load_stop($load);
    is("@bad", '', "none of $count requests is lost");
}

# ---- which is not there, or not this one ------------------------------------------------

for my $case (['missing', "$dir/none.img", qr/ error .*the image \S+none\.img is not used, the source is: No such file/],
    ['a directory', $dir, qr/ warn .*the source is used, not the image: \Q$dir\E.*regular file/],
    ['of another application', make('other', "$dir/other.img"), qr/ warn .*is an image of \S+, not of /]) {
    my ($what, $image, $why) = @$case;
    system('cp', "$dir/app.js", "$dir/third.js");
    my $s = pool(image => $image, $what =~ /another/ ? (app => "$dir/third.js") : ());
    like(say_it($s)->{body}, qr/^other 0/, "$what: the source serves");
    ok(log_has($s, $why), "$what: the log says why") or diag(read_file($s->{log}));
    is(stop_process($s->{pid}), 0, "$what: exit 0");
}

# ---- who may read it ---------------------------------------------------------------------

SKIP: {
    skip 'only root can be somebody else', 1 if $< != 0;
    skip 'the user nobody may not run the program', 1
        if (server_missing('apache-cgi') // '') =~ /closed/;
    make('one', $img);
    chmod 0600, $img;
    my $s = pool(image => $img, user => 'nobody', seccomp => 'on');
    ok(same($s, 'one'), 'root opens it, nobody uses it') or diag(read_file($s->{log}));
    stop_process($s->{pid});
    my $root = temp_dir();
    mkdir "$root/srv";
    system('cp', '-p', "$dir/app.js", "$root/srv/app.js");
    run_program(['image', 'build', "$root/srv/app.js"]);
    $s = pool(image => "$root/srv/app.img", user => 'nobody', chroot => $root, app => '/srv/app.js');
    like(say_it($s)->{body}, qr/^one/, 'chroot: it serves');
    note(log_like($s, qr/image/));
}

# ---- what a worker of an image does ---------------------------------------------------------

make('one', $img, 'const hog = [];' . "\n");
for my $case (['context', '1 1 1 1'], ['isolate', '1 1 1 1'], ['none', '1 2 3 4']) {
    my ($reset, $counts) = @$case;
    my $s = pool(image => $img, reset => $reset, max_children => 1);
    is(join(' ', map { (say_it($s)->{body} =~ / (\d+)$/)[0] } 1 .. 4), $counts,
        "reset = $reset: counts from the image");
    ok(same($s, 'one'), "reset = $reset: of the image");
}
{
    write_file("$dir/app.js", <<'JS');
const drawn = "one " + Math.random();
addEventListener("fetch", (e) => {
    const keep = [];
    if (e.request.url.includes("hog"))
        for (;;) keep.push(new Array(1000).fill(keep.length));
    if (e.request.url.includes("loop"))
        for (;;);
    e.respondWith(new Response(`${drawn} 1`));
});
JS
    run_program(['image', 'build', "$dir/app.js", '-o', $img]);
    my $s = pool(image => $img, heap_limit => '32m', request_timeout => '500ms', max_children => 1);
    my $before = drawn($s);
    for my $what (qw(hog loop)) {
        is(fcgi($s->{socket}, cgi_env('/a', QUERY_STRING => $what), seconds => 60)->{status},
            $what eq 'hog' ? 500 : 504, "$what: is ended");
        is(drawn($s), $before, "$what: then the image is there again");
    }
}

# ---- many requests to many images -----------------------------------------------------------

{
    my $own = temp_dir();
    my @pools = qw(a b c d);
    my $text = "[global]\nerror_log = $own/serve.log\nlog_level = notice\n";
    for my $name (@pools, 'plain') {
        write_file("$own/$name.js", qq{const drawn = "$name " + Math.random();\n}
            . qq{const table = new Map(Array.from({ length: 1000 }, (_, i) => [i, "$name" + i]));\n}
            . q{addEventListener("fetch", (e) => e.respondWith(new Response(}
            . q{`${drawn} ${table.get(+new URL(e.request.url).searchParams.get("n"))}`)));}, 0644);
        run_program(['image', 'build', "$own/$name.js"]) if $name ne 'plain';
        $text .= "[pool $name]\nlisten = $own/$name.sock\napp = $own/$name.js\npm = static\nmax_children = 1\n"
            . ($name eq 'plain' ? "image = off\n" : "image = $own/$name.img\n");
    }
    write_file("$own/c.conf", $text);
    my $pid = start([program(), 'serve', '-c', "$own/c.conf"], out => "$own/out");
    wait_socket("$own/$_.sock", $pid) for @pools, 'plain';
    my (%drawn, @bad);
    my $rounds = sanitized() ? 40 : 400;
    for my $n (1 .. $rounds) {
        for my $name (@pools, 'plain') {
            my $i = $n * 7 % 1000;
            my $r = eval { fcgi("$own/$name.sock", cgi_env('/a', QUERY_STRING => "n=$i"), seconds => 60) };
            my ($is) = ($r->{body} // '') =~ /^(\Q$name\E 0\S+) \Q$name$i\E$/;
            push @bad, "$name $n: " . ($r->{body} // $@) if !defined $is;
            $drawn{$name}{$is // '?'}++;
        }
    }
    is(join("\n", @bad), '', 5 * $rounds . ' requests over five pools: each reply is its own');
    is(join(' ', map { scalar keys %{$drawn{$_}} } @pools), '1 1 1 1', 'each of its image');
    cmp_ok(scalar keys %{$drawn{plain}}, '>', 1, 'the one without draws anew');
    unlike(read_file("$own/serve.log"), qr/ (warn|error|crit) (?!.*runs as root)/, 'the log has nothing to tell')
        or diag(read_file("$own/serve.log"));
    is(stop_process($pid), 0, 'exit 0');
}

done_testing();
