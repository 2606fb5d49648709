#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# Processor time: a loop is ended by cpu_limit long before its wall time, and
# who only waits uses none.
my $dir = temp_dir();
my %scripts = (
    loop => 'for (;;);',
    microtasks => 'for (;;) await null;',
    timers => 'for (;;) { await new Promise((r) => setTimeout(r, 1)); '
        . 'for (const t = Date.now(); Date.now() < t + 20;); }',
    waits => 'await new Promise((r) => setTimeout(r, 2500));',
    hello => '',
    after => 'ctx.waitUntil(new Promise((r) => setTimeout(r, 50))'
        . '.then(() => { for (;;); }));',
);
for my $name (keys %scripts) {
    write_file("$dir/$name.js", 'export default { async fetch(request, env, '
        . "ctx) {\n$scripts{$name}\nreturn new Response('$name'); } };\n");
}
my %settings = (root => $dir, cpu_limit => '2s', request_timeout => '60s',
    wait_until_timeout => '60s');
my $log = write_file("$dir/cgi.log", '');
my $conf = write_config("$dir/c.conf", cgi => \%settings,
    global => { error_log => $log });
my $s = serve(pool => { %settings, pm => 'static', max_children => 1 });

sub ask {
    my ($by, $name) = @_;
    my $env = cgi_env("$dir/$name.js");
    return $by eq 'CGI' ? cgi($env, conf => $conf) : fcgi($s->{socket}, $env);
}

for my $by (qw(CGI FastCGI)) {
    for my $name (qw(loop microtasks timers)) {
        my $r = ask($by, $name);
        is($r->{status}, 500, "$by, $name: 500");
        my $id = $r->header('x-request-id') // 'none';
        is($r->{body}, "500 Internal Server Error\n\nRequest $id\n",
            "$by, $name: the whole page");
        is(ask($by, 'hello')->{body}, 'hello', "$by, $name: and the next");
    }
    is(ask($by, 'waits')->{body}, 'waits', "$by: waiting uses none");
    is(ask($by, 'after')->{body}, 'after', "$by: after the reply");
    is(ask($by, 'hello')->{body}, 'hello', "$by: it is limited too");
}
like(read_file($s->{log}), qr/ 500: the request used more than 2000 ms of processor time \(cpu_limit\)$/m,
    'FastCGI: the log names the limit');
like(read_file($s->{log}), qr/ work given to waitUntil\(\) was ended after 2000 ms of processor time \(cpu_limit\)$/m,
    'FastCGI: after the reply, too');
like(read_file($log), qr/used more processor time than cpu_limit/,
    'CGI: the log names the limit');

# When the processor time is used up in a load.
write_file("$dir/load.js", "for (;;);\nexport default {};\n");
is(ask('FastCGI', 'load')->{status}, 500, 'a load is limited');
like(read_file($s->{log}), qr/the processor time limit was reached/,
    'a load is limited: the log says so');

done_testing();
