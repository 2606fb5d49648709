# SoakSite.pm - what bench/soak serves: functions, configurations that change,
# snapcgi, and lighttpd and nginx in front of it.
package SoakSite;

use strict;
use warnings;

use Snap;

# In a folder that is there, and empty.
sub new {
    my ($class, $dir) = @_;
    return bless { dir => $dir, code => 0, conf => 0,
        port => { nginx => free_port(), lighttpd => free_port() } }, $class;
}

sub pools { return qw(www app od kept) }

# Of the code and of the configuration; both only grow.
sub generations { return "$_[0]{code} $_[0]{conf}" }

# ---- functions and configurations ------------------------------------------

my %scripts = (
    'json.js' => <<'JS',
export default {
    async fetch(request) {
        const { id, list } = await request.json();
        return Response.json({ id, count: list.length,
            sum: list.reduce((a, b) => a + b, 0) });
    }
};
JS
    'upload.js' => <<'JS',
export default {
    async fetch(request) {
        let length = 0, sum = 0;
        for await (const piece of request.body ?? []) {
            length += piece.length;
            for (const byte of piece)
                sum += byte;
        }
        return new Response(`${length} ${sum}\n`);
    }
};
JS
    'echo.js' => <<'JS',
export default { fetch: (request) => new Response(request.body) };
JS
    'stream.js' => <<'JS',
export default {
    fetch() {
        let n = 0;
        return new Response(new ReadableStream({
            async pull(controller) {
                await new Promise((done) => setTimeout(done, 3));
                controller.enqueue(new TextEncoder().encode(`piece ${n}\n`));
                if (++n === 5)
                    controller.close();
            }
        }));
    }
};
JS
    'large.js' => <<'JS',
export default { fetch: () => new Response("x".repeat(1000000)) };
JS
    'fetch.js' => <<'JS',
export default {
    async fetch(request, env) {
        const text = await (await fetch(env.ORIGIN)).text();
        return new Response(`fetched ${text.length}\n`);
    }
};
JS
    'log.js' => <<'JS',
export default {
    fetch(request) {
        console.log(`soak line ${request.headers.get("x-request-id")}.`);
        return new Response("logged\n");
    }
};
JS
    'throw.js' => <<'JS',
export default { fetch() { throw new Error("a secret"); } };
JS
    'wait.js' => <<'JS',
export default {
    async fetch() {
        await new Promise((done) => setTimeout(done, 60000));
        return new Response("late\n");
    }
};
JS
    'loop.js' => <<'JS',
export default { fetch() { for (;;); } };
JS
    'sleep.js' => <<'JS',
export default {
    async fetch() {
        await new Promise((done) => setTimeout(done, 50));
        return new Response("slept\n");
    }
};
JS
);

# Counts what it is asked. A classic script, which every V8 can keep.
my $kept = <<'JS';
let count = 0;
addEventListener("fetch", (event) =>
    event.respondWith(new Response(`kept ${++count}\n`)));
JS

# Code that changes; the number is its generation.
sub hello_js {
    my ($generation) = @_;
    return <<"JS";
const generation = $generation;
export default {
    fetch: (request, env) =>
        new Response(`hello \${generation} \${env.CONF}\\n`)
};
JS
}

sub app_js {
    my ($generation) = @_;
    my $json = $scripts{'json.js'} =~ s/export default/const json =/r;
    return hello_js($generation) =~ s/export default/const hello =/r
        . $json . <<'JS';
export default {
    fetch(request, env) {
        switch (new URL(request.url).pathname) {
        case "/app/json": return json.fetch(request);
        case "/app/none": return new Response("none\n", { status: 404 });
        default: return hello.fetch(request, env);
        }
    }
};
JS
}

# Whole or not at all, for who reads it meanwhile.
sub replace_file {
    my ($path, $text) = @_;
    write_file("$path.new", $text, 0644);
    rename "$path.new", $path or die "$path: $!";
}

sub new_code {
    my ($s) = @_;
    $s->{code}++;
    replace_file("$s->{dir}/root/hello.js", hello_js($s->{code}));
    replace_file("$s->{dir}/$_.js", app_js($s->{code})) for qw(app od);
}

# Each configuration is another one; the settled one is that of the quiet
# phases, so that what is measured there can be compared.
sub new_conf {
    my ($s, %w) = @_;
    my ($dir, $origin) = ($s->{dir}, "127.0.0.1:$s->{port}{nginx}");
    my $conf = ++$s->{conf};
    my $odd = $w{settled} ? 0 : $conf % 2;
    my %own = (
        www => "pm = dynamic\nmax_children = @{[4 + $odd]}\n"
            . "root = $dir/root\nreset = context\n",
        app => "pm = static\nmax_children = @{[2 + $odd]}\n"
            . "app = $dir/app.js\nreset = none\nwatch = off\nimage = auto\n",
        od => "pm = ondemand\nmax_children = 2\nprocess_idle_timeout = 1s\n"
            . "app = $dir/od.js\nreset = isolate\nwatch = off\n"
            . "image = auto\nimage_warm = /od/hello\n",
        kept => "pm = static\nmax_children = 1\napp = $dir/kept.js\n"
            . "state = $dir/kept.state\nsave_every = @{[1 + $odd]}s\n");
    my $text = <<"END";
[global]
error_log = $dir/error.log
control = $dir/control.sock
status_listen = $dir/status.sock
END
    for my $pool (pools()) {
        $text .= <<"END" . $own{$pool} . ($< ? '' : "user = nobody\n");
[pool $pool]
listen = $dir/$pool.sock
listen.mode = 0666
access.log = $dir/access-$pool.log
access.format = %i %s %X %p %{milliseconds}d %m %r
max_requests = @{[200 * $odd]}
request_timeout = 8s
fetch_allow = $origin
image_cache = $dir/images
env[CONF] = $conf
env[ORIGIN] = http://$origin/origin.txt
END
    }
    replace_file("$dir/snapcgi.conf", $text);
}

# ---- servers ---------------------------------------------------------------

# Gives the supervisor's process.
sub start_snapcgi {
    my ($s) = @_;
    my $dir = $s->{dir};
    mkdir "$dir/root";
    chmod 0755, "$dir/root";
    write_file("$dir/root/$_", $scripts{$_}, 0644) for keys %scripts;
    write_file("$dir/root/origin.txt", 'o' x 3000, 0644);
    write_file("$dir/kept.js", $kept, 0644);
    $s->new_code;
    $s->new_conf(settled => 1);
    my $pid = start([program(), 'serve', '-c', "$dir/snapcgi.conf"],
        out => "$dir/snapcgi.out");
    for my $pool (pools()) {
        ref wait_socket("$dir/$pool.sock", $pid) or die
            'snapcgi did not start: ' . read_file("$dir/snapcgi.out")
            . read_file("$dir/error.log");
    }
    return $pid;
}

# Which requests are which pool's, for nginx and for lighttpd.
my @places = ((map { ["^~ /$_/", "/$_/", $_] } qw(app od kept)),
    ['~ \.js$', '.js', 'www']);

sub nginx {
    my ($dir, $port) = @_;
    my $text = read_file(source('contrib/nginx/snapcgi.conf'));
    my $params = join "\n", $text =~ /^ *(fastcgi_param .*)$/mg;
    my $temp = join ' ', map { "${_}_temp_path $dir/nginx-$_;" }
        qw(client_body proxy fastcgi uwsgi scgi);
    my $user = $< == 0 ? 'user root;' : '';
    my $locations = '';
    for my $place (@places) {
        $locations .= "location $place->[0] {\n$params\n"
            . "fastcgi_buffering off;\n"
            . "fastcgi_pass unix:$dir/$place->[2].sock;\n}\n";
    }
    write_file("$dir/nginx.conf", <<"END");
daemon off; worker_processes 1; pid $dir/nginx.pid; error_log $dir/nginx.log;
$user
events { worker_connections 512; }
http {
    access_log off; client_max_body_size 8m; $temp
    server {
        listen 127.0.0.1:$port; root $dir/root; keepalive_timeout 300;
        $locations
    }
}
END
    return [find_program('nginx'), '-p', $dir, '-e', "$dir/nginx.log",
        '-c', "$dir/nginx.conf"];
}

sub lighttpd {
    my ($dir, $port) = @_;
    my $hosts = join ', ', map { "\"$_->[1]\" => (( \"socket\" => "
            . "\"$dir/$_->[2].sock\", \"check-local\" => \"disable\" ))" }
        @places;
    write_file("$dir/lighttpd.conf", <<"END");
server.document-root = "$dir/root"
server.bind = "127.0.0.1"
server.port = $port
server.upload-dirs = ( "$dir" )
server.errorlog = "$dir/lighttpd.log"
server.modules = ( "mod_fastcgi" )
server.max-keep-alive-idle = 300
server.stream-response-body = 1
fastcgi.server = ( $hosts )
END
    return [find_program('lighttpd'), '-D', '-f', "$dir/lighttpd.conf"];
}

sub start_servers {
    my ($s) = @_;
    my %make = (nginx => \&nginx, lighttpd => \&lighttpd);
    for my $name (sort keys %make) {
        find_program($name) or die "$name is not installed\n";
        my $port = $s->{port}{$name};
        my $pid = start($make{$name}->($s->{dir}, $port),
            out => "$s->{dir}/$name.log");
        ref wait_port($port, $pid)
            or die "$name did not start: " . read_file("$s->{dir}/$name.log");
    }
}

1;
