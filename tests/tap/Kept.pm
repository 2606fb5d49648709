# Kept.pm - what the tests of kept state share: a pool that keeps the state of
# an application the test has written, and questions to it.
package Kept;

use strict;
use warnings;

use Exporter qw(import);
use Snap;
use Super;

our @EXPORT = qw(
    keeps_modules other_program start_kept app_of say_to told saved state_file why_not
    wait_phase kill_server in_background errors_of
);

# Does this V8 take modules into an image? 10.2 does not: there a classic
# script is kept whole, and of a module what freeze() gives.
my $modules;
sub keeps_modules {
    $modules //= run_program(['--version'])->{out} =~ /^V8 10\./m ? 0 : 1;
    return $modules;
}

# A snapcgi with the other of the two versions of V8, for what must go from one
# to the other: SNAPCGI_OTHER names it. Without it such tests are skipped; to
# run them, build both and give each the other's path.
sub other_program {
    my $other = $ENV{SNAPCGI_OTHER};
    return defined $other && -x $other ? $other : undef;
}

# The application's text: what it begins with, and the routes that it has, each
# the body of an async function of (request, url, ctx); a module where that is
# kept, or where it must be one.
sub app_of {
    my ($begin, $routes, %o) = @_;
    my $module = $o{module} // keeps_modules();
    my $table = join ",\n", map { "    async $_(request, url, env, ctx) {\n$routes->{$_}\n    }" }
        sort keys %$routes;
    return "$begin\nconst routes = {\n$table\n};\n" . <<'JS' . ($module ? <<'MODULE' : <<'CLASSIC');
async function answer(request, env, ctx) {
    const url = new URL(request.url);
    const route = routes[url.pathname.slice(1)];
    if (route === undefined)
        return new Response("no such route", { status: 404 });
    const value = await route(request, url, env, ctx);
    return value instanceof Response ? value
        : new Response(typeof value === "string" ? value : JSON.stringify(value));
}
JS
export default { fetch: answer };
MODULE
addEventListener("fetch", (e) => e.respondWith(answer(e.request, undefined, e)));
CLASSIC
}

# A server with one pool that keeps the application's state; app is its text,
# pool and global are settings besides. The same dir again: another server on
# the same files.
sub start_kept {
    my (%o) = @_;
    my $dir = $o{dir} // temp_dir();
    write_file("$dir/app.js", $o{app}, 0644) if defined $o{app};
    # A worker whose supervisor was killed may still listen there.
    unlink map { "$dir/$_.sock" } qw(www status control);
    my $s = serve_with_status(dir => $dir, program => $o{program},
        global => { control => "$dir/control.sock", %{$o{global} // {}} },
        pool => { pm => 'static', app => "$dir/app.js", state => "$dir/state",
            'listen.mode' => '0666', %{$o{pool} // {}} });
    $s->{state} = $o{pool}{state} // "$dir/state";
    wait_for(20, sub { !alive($s->{pid}) || -S "$dir/control.sock" && -S $s->{status} });
    return $s;
}

# One request; told() gives its body, or its status where that is not 200.
sub say_to {
    my ($s, $path, %o) = @_;
    return fcgi($s->{socket}, cgi_env('/x', SCRIPT_NAME => $path =~ s/\?.*//r,
        QUERY_STRING => $path =~ /\?(.*)/s ? $1 : '', %{$o{env} // {}}), seconds => 120,
        stdin => $o{stdin} // '');
}

sub told {
    my $r = say_to(@_);
    return $r->{status} == 200 ? $r->{body} : "status $r->{status}";
}

# `ctl save`: is it done?
sub saved { return ctl($_[0], 'save')->{exit} == 0 }

sub state_file { return read_file($_[0]{state}) }

# The reason that `ctl save` gives, "" where there is none.
sub why_not {
    my ($s, $verb) = @_;
    my $r = ctl($s, $verb // 'save', 'www');
    return $r->{exit} == 0 ? '' : $r->{err};
}

sub wait_phase {
    my ($s, $phase) = @_;
    return wait_for(60, sub { figures($s)->{state} eq $phase });
}

# Kills a supervisor, and waits until its workers have found out.
sub kill_server {
    my ($s) = @_;
    my @left = workers($s);
    stop_process($s->{pid}, 'KILL');
    wait_gone($_) for @left;
    return;
}

# Runs that in a process of its own; what it gives is in the file.
sub in_background {
    my ($file, $work) = @_;
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        alarm 0;
        my $text = eval { $work->() } // $@;
        write_file("$file.part", $text);
        rename "$file.part", $file;
        POSIX::_exit(0);
    }
    return $pid;
}

sub errors_of { return join "\n", log_like($_[0], qr/ (?:error|alert|emerg) /) }

1;
