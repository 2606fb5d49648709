# Snap.pm - what the tests share: snapcgi run as CGI and as FastCGI, real web
# servers on loopback, raw clients for both protocols and for HTTP.
#
# Every process started here leads a session of its own and is ended, with
# all it started, when the test ends.
package Snap;

use strict;
use warnings;

use Cwd qw(abs_path getcwd);
use Errno qw(EINTR);
use Exporter qw(import);
use Fcntl qw(F_SETFD);
use File::Basename qw(dirname);
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h);
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(time sleep);

our @EXPORT = qw(
    program source fixture temp_dir free_port write_file read_file
    start stop_process alive wait_for wait_port wait_socket
    write_config config_text serve run_program
    cgi cgi_env fcgi http http_send
    server server_missing find_program sanitized signals_end_it
);

my $top = abs_path(dirname(__FILE__) . '/../..');
my $program = abs_path($ENV{SNAPCGI} // './snapcgi');
my $self = $$;
my %children;
my @temp;

# A test that hangs is a failed test, not a hung suite.
$SIG{ALRM} = sub { print "Bail out! the test took too long\n"; exit 1 };
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
$SIG{PIPE} = 'IGNORE';
$SIG{QUIT} = 'DEFAULT'; # a shell's background job ignores it
alarm($ENV{SNAPCGI_TEST_SECONDS} // 600);

sub program { return $program }
sub source { return join('/', $top, @_) }
sub fixture { return join('/', $top, 'tests/fixtures', @_) }

sub temp_dir {
    my $dir = File::Temp->newdir('snapcgi-XXXXXX', TMPDIR => 1);
    chmod 0755, "$dir";
    push @temp, $dir;
    return "$dir";
}

sub free_port {
    my $s = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Listen => 1, ReuseAddr => 1)
        or die "no free port: $!";
    return $s->sockport;
}

sub write_file {
    my ($path, $text, $mode) = @_;
    open(my $f, '>:raw', $path) or die "$path: $!";
    print $f $text;
    close($f) or die "$path: $!";
    chmod $mode, $path if defined $mode;
    return $path;
}

sub read_file {
    my ($path) = @_;
    open(my $f, '<:raw', $path) or return '';
    local $/;
    return scalar <$f> // '';
}

# ---- processes -------------------------------------------------------------

# start([command], env => {}, stdin => handle, out => file, only_env => 1)
sub start {
    my ($command, %o) = @_;
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        POSIX::setsid();
        %ENV = () if $o{only_env};
        $ENV{$_} = $o{env}{$_} for keys %{$o{env} // {}};
        if ($o{stdin}) {
            POSIX::dup2(fileno($o{stdin}), 0);
        } else {
            open(STDIN, '<', '/dev/null');
        }
        open(STDOUT, '>>', $o{out} // '/dev/null');
        open(STDERR, '>&', \*STDOUT);
        chdir($o{dir}) if defined $o{dir};
        no warnings 'exec';
        exec { $command->[0] } @$command;
        POSIX::_exit(127);
    }
    $children{$pid} = 1;
    return $pid;
}

sub alive {
    my ($pid) = @_;
    return 0 if !$children{$pid};
    return 1 if waitpid($pid, WNOHANG) == 0;
    $children{$pid} = 0;
    $Snap::last_status = $?;
    return 0;
}

# Ends a process and its session; gives the wait status.
sub stop_process {
    my ($pid, $signal) = @_;
    kill($signal // 'TERM', $pid) if alive($pid);
    my $patience = time + 60;
    sleep 0.01 while alive($pid) && time < $patience;
    kill('KILL', -$pid);
    sleep 0.01 while alive($pid);
    delete $children{$pid};
    return $Snap::last_status;
}

END {
    if ($$ == $self) {
        my $status = $?;
        local $@;
        stop_process($_) for keys %children;
        @temp = ();
        $? = $status;
    }
}

sub wait_for {
    my ($seconds, $test) = @_;
    my $end = time + $seconds;
    while (1) {
        my $r = $test->();
        return $r if $r;
        return undef if time > $end;
        sleep 0.02;
    }
}

sub wait_port {
    my ($port, $pid) = @_;
    return wait_for(20, sub {
        return -1 if $pid && !alive($pid);
        return IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 2);
    });
}

sub wait_socket {
    my ($path, $pid) = @_;
    return wait_for(20, sub {
        return -1 if $pid && !alive($pid);
        return IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path);
    });
}

# ---- snapcgi's configuration and its commands ------------------------------

# config_text(global => {}, cgi => {}, pool => {}): each section only when
# given; the pool is called www.
sub config_text {
    my (%o) = @_;
    my $text = '';
    for my $section (qw(global cgi pool)) {
        next unless $o{$section};
        $text .= $section eq 'pool' ? "[pool www]\n" : "[$section]\n";
        $text .= "$_ = $o{$section}{$_}\n" for sort keys %{$o{$section}};
    }
    return $text;
}

sub write_config {
    my ($path, %o) = @_;
    return write_file($path, config_text(%o), 0644);
}

# Runs snapcgi to its end with a bare environment. Gives exit, out, err.
sub run_program {
    my ($argv, %o) = @_;
    my $r = run_process([$program, @$argv], { env_of_tools(), %{$o{env} // {}} },
        $o{stdin} // '', $o{seconds} // 60);
    return $r;
}

# serve(pool => {}, global => {}): a listening snapcgi; its socket, process
# and log. The socket is a new unix one unless pool has listen, and there is
# one worker unless pool says how many.
sub serve {
    my (%o) = @_;
    my $dir = $o{dir} // temp_dir();
    my $log = "$dir/serve.log";
    my $socket = $o{pool}{listen} // "$dir/www.sock";
    my $conf = write_config("$dir/snapcgi.conf",
        global => { error_log => $log, %{$o{global} // {}} },
        pool => { 'listen.mode' => '0666', listen => $socket,
            $o{pool}{pm} ? () : (pm => 'static', max_children => 1),
            $o{pool}{app} ? () : (root => fixture()), %{$o{pool} // {}} });
    my $pid = start([$o{program} // $program, 'serve', '-c', $conf], out => "$dir/serve.out");
    my $peer = $socket =~ m{^/} ? wait_socket($socket, $pid)
        : wait_port($socket =~ /(\d+)$/, $pid);
    if (!ref $peer) {
        my $why = read_file("$dir/serve.out") . read_file($log);
        die "snapcgi serve did not start: $why";
    }
    close($peer);
    return { pid => $pid, socket => $socket, log => $log, dir => $dir,
        conf => $conf, out => "$dir/serve.out" };
}

# Is the program built with sanitizers? They take signals and address space.
sub sanitized { return ($ENV{SNAPCGI_SANITIZE} // '') ne '' }

# A sanitizer would make an exit status of a signal; not in what starts now.
sub signals_end_it {
    return if !sanitized();
    $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (),
        map { "handle_$_=0" } qw(segv abort sigbus sigill sigtrap);
    return;
}

# What a sanitizer build needs to find in any environment.
sub env_of_tools {
    return map { $_ => $ENV{$_} } grep { defined $ENV{$_} }
        qw(ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS LD_LIBRARY_PATH);
}

# ---- CGI -------------------------------------------------------------------

# The variables of a request, as a server would set them.
sub cgi_env {
    my ($script, %o) = @_;
    my $name = $o{SCRIPT_NAME} // '/' . ($script =~ s{.*/}{}r);
    my %env = (
        GATEWAY_INTERFACE => 'CGI/1.1', SERVER_PROTOCOL => 'HTTP/1.1',
        SERVER_SOFTWARE => 'test', SERVER_NAME => 'example.org',
        SERVER_PORT => '80', REQUEST_METHOD => 'GET', QUERY_STRING => '',
        REMOTE_ADDR => '192.0.2.7', HTTP_HOST => 'example.org',
        SCRIPT_NAME => $name, SCRIPT_FILENAME => $script, %o);
    $env{REQUEST_URI} //= $name
        . ($env{QUERY_STRING} ne '' ? "?$env{QUERY_STRING}" : '');
    return \%env;
}

# Runs a command with exactly this environment and standard input.
sub run_process {
    my ($command, $env, $stdin, $seconds, %o) = @_;
    my $dir = temp_dir();
    pipe(my $in_r, my $in_w) or die;
    pipe(my $out_r, my $out_w) or die;
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        POSIX::setsid();
        %ENV = %$env;
        POSIX::dup2(fileno($in_r), 0);
        POSIX::dup2(fileno($out_w), 1);
        open(my $err, '>', "$dir/err");
        POSIX::dup2(fileno($err), 2);
        POSIX::close($_) for 3 .. 63;
        $o{in_child}->() if $o{in_child};
        no warnings 'exec';
        exec { $command->[0] } @$command;
        POSIX::_exit(127);
    }
    $children{$pid} = 1;
    close($in_r);
    close($out_w);
    my $out = pump($in_w, $stdin, $out_r, $seconds);
    my $end = time + $seconds;
    sleep 0.002 while alive($pid) && time < $end;
    my $hung = alive($pid);
    my $status = $hung ? stop_process($pid, 'KILL') : $Snap::last_status;
    delete $children{$pid};
    return { out => $out, err => read_file("$dir/err"), hung => $hung,
        exit => WIFEXITED($status) ? WEXITSTATUS($status) : undef,
        signal => WIFSIGNALED($status) ? WTERMSIG($status) : 0 };
}

# Feeds stdin and reads stdout at the same time; an undefined stdin stays
# open without a byte.
sub pump {
    my ($in, $data, $out, $seconds) = @_;
    my $got = '';
    my $end = time + $seconds;
    my $feed = defined $data;
    close($in), $feed = 0 if $feed && $data eq '';
    $in->blocking(0) if $feed;
    while (time < $end) {
        my ($r, $w) = IO::Select->select(IO::Select->new($out),
            $feed ? IO::Select->new($in) : undef, undef, $end - time);
        if ($w && @$w) {
            my $n = syswrite($in, $data);
            substr($data, 0, $n, '') if $n;
            close($in), $feed = 0
                if $data eq '' || (!defined $n && !$!{EAGAIN});
        }
        if ($r && @$r) {
            my $n = sysread($out, $got, 65536, length $got);
            last if defined $n && $n == 0;
        }
    }
    return $got;
}

# cgi($env, stdin => ..., argv => [...], conf => file): one request by CGI.
sub cgi {
    my ($env, %o) = @_;
    my %all = (env_of_tools(), %$env);
    $all{SNAPCGI_CONFIG} = $o{conf} if defined $o{conf};
    my $r = run_process($o{command} // [$o{program} // $program, @{$o{argv} // []}], \%all,
        exists $o{stdin} ? $o{stdin} : '', $o{seconds} // 30,
        in_child => $o{in_child});
    my $reply = Snap::Reply->from_cgi($r->{out});
    $reply->{$_} = $r->{$_} for qw(err exit signal hung);
    return $reply;
}

# ---- FastCGI ---------------------------------------------------------------

# fcgi($socket, $env, stdin => ...): one request by FastCGI on a connection
# of its own.
sub fcgi {
    my ($socket, $env, %o) = @_;
    my $c = Snap::Fcgi->new($socket);
    $c->request($env, $o{stdin} // '');
    return $c->reply($o{seconds} // 30);
}

# ---- HTTP ------------------------------------------------------------------

# http($port, 'GET', '/x', headers => [name, value, ...], body => ...)
sub http {
    my ($port, $method, $target, %o) = @_;
    my $body = $o{body};
    my @h = ('Host', "127.0.0.1:$port", 'Connection', 'close',
        @{$o{headers} // []});
    push @h, 'Content-Length', length $body if defined $body;
    my $text = "$method $target HTTP/1.1\r\n";
    $text .= splice(@h, 0, 1) . ': ' . splice(@h, 0, 1) . "\r\n" while @h;
    return http_send($port, "$text\r\n" . ($body // ''),
        head => $method eq 'HEAD', %o);
}

# Sends bytes and reads until the server closes. $reply->{times} has the
# moment, in seconds, at which each piece came.
sub http_send {
    my ($port, $bytes, %o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
        Timeout => 5) or return Snap::Reply->failed("connect: $!");
    my $end = time + ($o{seconds} // 30);
    my $got = '';
    my @times;
    my $in = IO::Select->new($s);
    $s->blocking(0);
    while (time < $end) {
        my ($r, $w) = IO::Select->select($in,
            length $bytes ? $in : undef, undef, $end - time);
        if ($w && @$w) {
            my $n = syswrite($s, $bytes);
            substr($bytes, 0, $n, '') if $n;
            $bytes = '' if !defined $n && !$!{EAGAIN};
        }
        if ($r && @$r) {
            my $n = sysread($s, $got, 65536, length $got);
            next if !defined $n && ($!{EAGAIN} || $!{EINTR});
            last if !$n;
            push @times, [time, length $got];
        }
    }
    my $reply = Snap::Reply->from_http($got, $o{head});
    $reply->{times} = \@times;
    return $reply;
}

# ---- web servers -----------------------------------------------------------

my %kinds = (
    'lighttpd-cgi' => { make => \&lighttpd, snippet => 'lighttpd/cgi.conf' },
    'lighttpd-spawn' => { make => \&lighttpd,
        snippet => 'lighttpd/fastcgi-spawn.conf', spawns => 1 },
    'lighttpd-fastcgi' => { make => \&lighttpd,
        snippet => 'lighttpd/fastcgi.conf', listens => 1 },
    'apache-cgi' => { make => \&apache, snippet => 'apache/cgi.conf' },
    'apache-fcgid' => { make => \&apache, snippet => 'apache/fcgid.conf',
        spawns => 1 },
    'apache-proxy' => { make => \&apache, snippet => 'apache/proxy-fcgi.conf',
        listens => 1 },
    'nginx' => { make => \&nginx, snippet => 'nginx/snapcgi.conf',
        listens => 1 },
    'nginx-keep' => { make => \&nginx, snippet => 'nginx/snapcgi.conf',
        listens => 1, keep => 1 },
);

sub find_program {
    my ($name) = @_;
    for my $dir (split(/:/, $ENV{PATH} // ''), qw(/usr/sbin /usr/local/sbin)) {
        return "$dir/$name" if -x "$dir/$name";
    }
    return undef;
}

# Why this kind of server cannot be tested here; undef when it can.
sub server_missing {
    my ($kind) = @_;
    my ($name) = $kind =~ /^(\w+)/;
    my $command = $name eq 'apache' ? 'apache2' : $name;
    find_program($command) or return "$command is not installed";
    if ($kind eq 'apache-fcgid' && !-e apache_module('fcgid')) {
        return 'mod_fcgid is not installed';
    }
    if ($name eq 'apache' && $< == 0) {
        # Apache refuses to serve as root, and nobody must reach our files.
        for my $path ($program, fixture('hello.js')) {
            my $p = $path;
            while (($p = dirname($p)) ne '/') {
                return "$p is closed to the user nobody"
                    if !((stat $p)[2] & 001);
            }
        }
    }
    return undef;
}

# server($kind, root => dir, pool => {settings}, global => {settings},
# edit => sub, more => text): starts the web server, and snapcgi where it
# listens itself. edit gets a reference to the snippet, more goes behind it.
# Gives port, dir, log, pid.
sub server {
    my ($kind, %o) = @_;
    my $k = $kinds{$kind} or die "no server $kind";
    my $dir = temp_dir();
    my $s = { kind => $kind, dir => $dir, root => $o{root} // fixture(),
        edit => $o{edit}, log => "$dir/server.log", snaplog => "$dir/snapcgi.log" };
    my %settings = (root => $s->{root}, %{$o{pool} // {}});
    if ($k->{listens}) {
        my $serve = serve(dir => $dir, pool => \%settings,
            global => { error_log => $s->{snaplog}, %{$o{global} // {}} });
        @$s{qw(conf socket snapcgi)} = @$serve{qw(conf socket pid)};
    } else {
        $s->{conf} = write_config("$dir/snapcgi.conf",
            global => { error_log => $s->{snaplog}, %{$o{global} // {}} },
            $k->{spawns} ? (pool => { listen => 'fd 0', %settings })
                : (cgi => \%settings));
        $s->{socket} = "$dir/www.sock";
    }
    # The log is written by whoever the web server runs functions as.
    write_file($s->{snaplog}, '', 0666) if !-e $s->{snaplog};
    write_file($s->{log}, '', 0666);
    for my $try (1 .. 3) {
        $s->{port} = free_port();
        my ($command, %extra) = $k->{make}->($s, $k, $o{more} // '');
        $s->{pid} = start($command, out => $s->{log}, %extra);
        my $peer = wait_port($s->{port}, $s->{pid});
        return $s if ref $peer;
        stop_process($s->{pid});
    }
    die "$kind did not start: " . read_file($s->{log});
}

# A snippet of contrib/ with the places of this test.
sub snippet {
    my ($s, $name) = @_;
    my $text = read_file(source('contrib', $name));
    die "contrib/$name is missing" if $text eq '';
    my %places = (
        '/usr/bin/snapcgi' => $program, '/etc/snapcgi.conf' => $s->{conf},
        '/run/snapcgi/www.sock' => $s->{socket},
        '/run/lighttpd/snapcgi.sock' => "$s->{dir}/spawn.sock",
        '/var/www/functions' => $s->{root});
    my $any = join('|', map { quotemeta } keys %places);
    $text =~ s/($any)/$places{$1}/g;
    $s->{edit}->(\$text) if $s->{edit};
    return $text;
}

sub lighttpd {
    my ($s, $k, $more) = @_;
    my $text = <<"END" . snippet($s, $k->{snippet}) . $more;
server.document-root = "$s->{root}"
server.bind = "127.0.0.1"
server.port = $s->{port}
server.upload-dirs = ( "$s->{dir}" )
server.modules = ( "mod_setenv" )
setenv.set-environment = ( "SNAPCGI_CONFIG" => "$s->{conf}" )
END
    my $conf = write_file("$s->{dir}/lighttpd.conf", $text);
    return [find_program('lighttpd'), '-D', '-f', $conf];
}

sub apache_module {
    my ($name) = @_;
    for my $dir (qw(/usr/lib/apache2/modules /usr/lib64/httpd/modules)) {
        return "$dir/mod_$name.so" if -e "$dir/mod_$name.so";
    }
    return "/usr/lib/apache2/modules/mod_$name.so";
}

sub apache {
    my ($s, $k, $more) = @_;
    my @modules = qw(mpm_event authz_core alias mime env);
    push @modules, $s->{kind} eq 'apache-cgi' ? qw(cgid actions)
        : $s->{kind} eq 'apache-fcgid' ? qw(fcgid) : qw(proxy proxy_fcgi);
    my $text = "ServerRoot \"$s->{dir}\"\n";
    $text .= "LoadModule ${_}_module " . apache_module($_) . "\n"
        for grep { -e apache_module($_) } @modules;
    $text .= "User nobody\nGroup nogroup\n" if $< == 0;
    $text .= <<"END";
Listen 127.0.0.1:$s->{port}
ServerName 127.0.0.1
PidFile $s->{dir}/apache.pid
DefaultRuntimeDir $s->{dir}
ErrorLog $s->{log}
TypesConfig /dev/null
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 32
DocumentRoot "$s->{root}"
<Directory "$s->{root}">
    Require all granted
</Directory>
END
    my $sub = "$s->{dir}/run";
    mkdir $sub;
    chmod 0777, $sub;
    if ($s->{kind} eq 'apache-cgi') {
        $text .= "ScriptSock $sub/cgid.sock\n"
            . "SetEnv SNAPCGI_CONFIG $s->{conf}\n";
    } elsif ($s->{kind} eq 'apache-fcgid') {
        $text .= "FcgidIPCDir $sub\nFcgidProcessTableFile $sub/shm\n";
    }
    $text .= snippet($s, $k->{snippet}) . $more;
    my $conf = write_file("$s->{dir}/apache.conf", $text);
    return [find_program('apache2'), '-D', 'FOREGROUND', '-f', $conf];
}

sub nginx {
    my ($s, $k, $more) = @_;
    my $location = snippet($s, $k->{snippet});
    my $upstream = '';
    if ($k->{keep}) {
        $upstream = "upstream snapcgi { server unix:$s->{socket}; keepalive 4; }";
        $location =~ s{unix:\Q$s->{socket}\E}{snapcgi};
        $location =~ s{^\s*# (fastcgi_keep_conn on;)}{$1}m
            or die 'the nginx snippet does not name fastcgi_keep_conn';
    }
    my $user = $< == 0 ? 'user root;' : '';
    my $temp = join("\n", map { "${_}_temp_path $s->{dir}/$_;" }
        qw(client_body proxy fastcgi uwsgi scgi));
    my $conf = write_file("$s->{dir}/nginx.conf", <<"END");
daemon off;
worker_processes 1;
pid $s->{dir}/nginx.pid;
error_log $s->{log};
$user
events { worker_connections 64; }
http {
    access_log off;
    client_max_body_size 64m;
    $temp
    $upstream
    server {
        listen 127.0.0.1:$s->{port};
        root $s->{root};
        $location
        $more
    }
}
END
    return [find_program('nginx'), '-p', $s->{dir}, '-e', $s->{log},
        '-c', $conf];
}

# ---- one reply, whatever brought it ----------------------------------------

package Snap::Reply;

sub failed {
    my ($class, $why) = @_;
    return bless { status => 0, reason => $why, headers => [], body => '',
        raw => '' }, $class;
}

sub fields {
    my ($text) = @_;
    return [map { /^([^:\s]+)\s*:[ \t]*(.*?)[ \t]*$/s ? [lc $1, $2] : () }
        split(/\r?\n/, $text)];
}

sub from_cgi {
    my ($class, $raw) = @_;
    my ($head, $body) = $raw =~ /\A(.*?\r?\n)\r?\n(.*)\z/s;
    my $self = bless { raw => $raw, head => $head // '',
        headers => fields($head // ''), body => $body // '' }, $class;
    my $status = $self->header('status');
    ($self->{status}, $self->{reason}) =
        defined $status ? $status =~ /^(\d{3}) ?(.*)$/ : ();
    $self->{status} //= defined $head ? 200 : 0;
    return $self;
}

sub from_http {
    my ($class, $raw, $is_head) = @_;
    my ($line, $head, $body) =
        $raw =~ /\AHTTP\/1\.[01] ([^\r\n]*)\r\n((?:[^\r\n][^\n]*\n)*)\r\n(.*)\z/s;
    return $class->failed("no HTTP reply") if !defined $line;
    my $self = bless { raw => $raw, headers => fields($head), body => $body,
        whole => 1 }, $class;
    ($self->{status}, $self->{reason}) = $line =~ /^(\d+) ?(.*)$/;
    return $self if $is_head;
    if (($self->header('transfer-encoding') // '') =~ /chunked/i) {
        ($self->{body}, $self->{whole}) = unchunk($body);
    } elsif (defined $self->header('content-length')) {
        $self->{whole} = length $body == $self->header('content-length');
    }
    return $self;
}

sub unchunk {
    my ($in) = @_;
    my $out = '';
    while ($in =~ s/\A([0-9a-f]+)[^\r\n]*\r\n//i) {
        my $n = hex $1;
        return ($out, 1) if $n == 0;
        $out .= substr($in, 0, $n, '');
        $in =~ s/\A\r\n//;
    }
    return ($out, 0);
}

# All values of a field joined as HTTP joins them; undef when absent.
sub header {
    my ($self, $name) = @_;
    my @v = $self->all($name);
    return @v ? join(', ', @v) : undef;
}

sub all {
    my ($self, $name) = @_;
    return map { $_->[1] } grep { $_->[0] eq lc $name } @{$self->{headers}};
}

sub json {
    my ($self) = @_;
    require JSON::PP;
    my $v = eval { JSON::PP->new->utf8->decode($self->{body}) };
    return $v // { bad => $self->{body} };
}

# ---- a FastCGI connection, record by record --------------------------------

package Snap::Fcgi;

use Time::HiRes qw(time);

use constant {
    FCGI_BEGIN => 1, FCGI_ABORT => 2, FCGI_END => 3, FCGI_PARAMS => 4,
    FCGI_STDIN => 5, FCGI_STDOUT => 6, FCGI_STDERR => 7, FCGI_DATA => 8,
    FCGI_GET_VALUES => 9, FCGI_GET_VALUES_RESULT => 10, FCGI_UNKNOWN => 11,
    RESPONDER => 1, AUTHORIZER => 2, FILTER => 3, KEEP_CONN => 1,
};

sub new {
    my ($class, $peer) = @_;
    my $s = $peer =~ m{^/}
        ? IO::Socket::UNIX->new(Type => Socket::SOCK_STREAM(), Peer => $peer)
        : IO::Socket::INET->new(PeerAddr => $peer, Timeout => 5);
    die "connect to $peer: $!" if !$s;
    $s->blocking(0);
    return bless { socket => $s, in => '', closed => 0 }, $class;
}

sub record {
    my ($type, $id, $content, $padding) = @_;
    $padding //= 0;
    return pack('CCnnCx', 1, $type, $id, length $content, $padding)
        . $content . "\0" x $padding;
}

sub begin {
    my (%o) = @_;
    return record(FCGI_BEGIN, $o{id} // 1,
        pack('nCx5', $o{role} // RESPONDER, $o{keep} ? KEEP_CONN : 0));
}

sub size { return $_[0] < 128 ? pack('C', $_[0]) : pack('N', $_[0] | 1 << 31) }

# Name-value pairs out of a hash or a list reference, in its order.
sub pairs {
    my ($params) = @_;
    my @list = ref $params eq 'HASH'
        ? map { $_ => $params->{$_} } sort keys %$params : @$params;
    my $out = '';
    while (my ($n, $v) = splice(@list, 0, 2)) {
        $out .= size(length $n) . size(length $v) . $n . $v;
    }
    return $out;
}

sub stream {
    my ($type, $id, $data, $piece) = @_;
    $piece ||= 32768;
    my $out = '';
    $out .= record($type, $id, substr($data, 0, $piece, '')) while length $data;
    return $out . record($type, $id, '');
}

# A whole request as bytes. Options: id, role, keep, piece.
sub request_bytes {
    my ($params, $stdin, %o) = @_;
    my $id = $o{id} // 1;
    return begin(%o) . stream(FCGI_PARAMS, $id, pairs($params), $o{piece})
        . stream(FCGI_STDIN, $id, $stdin, $o{piece});
}

sub request {
    my ($self, $params, $stdin, %o) = @_;
    return $self->put(request_bytes($params, $stdin, %o));
}

# Sends all bytes, reading what comes meanwhile; false when the peer closed.
sub put {
    my ($self, $bytes) = @_;
    my $end = time + 30;
    my $sel = IO::Select->new($self->{socket});
    while (length $bytes && time < $end) {
        my ($r, $w) = IO::Select->select($sel, $sel, undef, 1);
        $self->fill if $r && @$r;
        return 0 if $self->{closed};
        next unless $w && @$w;
        my $n = syswrite($self->{socket}, $bytes);
        if (defined $n) {
            substr($bytes, 0, $n, '');
        } elsif (!$!{EAGAIN}) {
            return 0;
        }
    }
    return !length $bytes;
}

sub fill {
    my ($self) = @_;
    my $n = sysread($self->{socket}, $self->{in}, 65536, length $self->{in});
    return if !defined $n && ($!{EAGAIN} || $!{EINTR});
    $self->{closed} = 1 if !$n;
    return;
}

# The next record as [type, id, content], or undef at end or time-out.
sub next_record {
    my ($self, $seconds) = @_;
    my $end = time + ($seconds // 10);
    my $sel = IO::Select->new($self->{socket});
    while (1) {
        if (length $self->{in} >= 8) {
            my ($v, $type, $id, $n, $pad) = unpack('CCnnC', $self->{in});
            if (length $self->{in} >= 8 + $n + $pad) {
                my $bytes = substr($self->{in}, 0, 8 + $n + $pad, '');
                return [$type, $id, substr($bytes, 8, $n)];
            }
        }
        return undef if $self->{closed} || time >= $end;
        $self->fill if $sel->can_read($end - time);
    }
}

# Everything up to END_REQUEST, as a Snap::Reply with stderr, app, protocol,
# ended. Without END_REQUEST, ended is 0.
sub reply {
    my ($self, $seconds, $id) = @_;
    my ($out, $err, @end) = ('', '');
    my $limit = time + ($seconds // 30);
    while (my $r = $self->next_record($limit - time)) {
        my ($type, $rid, $content) = @$r;
        next if defined $id && $rid != $id;
        $out .= $content if $type == FCGI_STDOUT;
        $err .= $content if $type == FCGI_STDERR;
        if ($type == FCGI_END) {
            @end = unpack('NC', $content);
            last;
        }
    }
    my $reply = Snap::Reply->from_cgi($out);
    @$reply{qw(err ended app protocol)} =
        ($err, @end ? 1 : 0, $end[0], $end[1]);
    $reply->{hung} = !@end && !$self->{closed};
    return $reply;
}

# True when the peer closes within so many seconds.
sub closes {
    my ($self, $seconds) = @_;
    my $end = time + $seconds;
    my $sel = IO::Select->new($self->{socket});
    while (!$self->{closed} && time < $end) {
        $self->fill if $sel->can_read($end - time);
    }
    return $self->{closed};
}

sub half_close { return shutdown($_[0]{socket}, 1) }
sub hang_up { return CORE::close($_[0]{socket}) }

1;
