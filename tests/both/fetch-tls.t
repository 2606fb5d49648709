#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use HTTP;
use Snap;
use Test::More;

# fetch() by https: certificates are verified, HTTP/2 is spoken, and the
# authorities are the system's or those of SSL_CERT_FILE.
my ($nginx, $openssl) = map { find_program($_) } qw(nginx openssl);
plan skip_all => 'nginx or openssl is not installed' if !$nginx || !$openssl;

my $dir = temp_dir();

# A key and a certificate for a name, by the authority in ca.pem or by itself.
sub certificate {
    my ($name, %o) = @_;
    my $conf = write_file("$dir/$name.cnf", "[req]\nprompt = no\n"
        . "distinguished_name = dn\nx509_extensions = v3\n[dn]\nCN = $name\n"
        . "[v3]\n" . ($o{ca} ? "basicConstraints = critical,CA:true\n"
            : "subjectAltName = DNS:$name\n"));
    my @new = ($openssl, 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-config', $conf,
        '-keyout', "$dir/$name.key", '-out', "$dir/$name.pem");
    push @new, '-CA', "$dir/ca.pem", '-CAkey', "$dir/ca.key" if $o{by_ca};
    system("@new 2>$dir/openssl.log") == 0
        or plan skip_all => 'openssl made no certificate: '
            . read_file("$dir/openssl.log");
}
certificate('ca', ca => 1);
certificate('localhost', by_ca => 1);
certificate('elsewhere', by_ca => 1);
certificate('self');

my %port = map { $_ => free_port() } qw(localhost elsewhere self old);
my $servers = join('', map { my $c = $_ eq 'old' ? 'localhost' : $_; <<"END" }
    server {
        listen 127.0.0.1:$port{$_} ssl http2;
        ssl_certificate $dir/$c.pem;
        ssl_certificate_key $dir/$c.key;
        ssl_protocols @{[$_ eq 'old' ? 'TLSv1.1' : 'TLSv1.2 TLSv1.3']};
        ssl_ciphers ALL:\@SECLEVEL=0;
        root $dir/www;
        location /say { return 200 "\$server_protocol \$ssl_protocol"; }
        location /long { proxy_pass http://127.0.0.1:1/; }
    }
END
    sort keys %port);
mkdir "$dir/www";
write_file("$dir/www/large", join('', map { "line $_\n" } 1 .. 300000), 0644);
my $temp = join("\n", map { "${_}_temp_path $dir/$_;" }
    qw(client_body proxy fastcgi uwsgi scgi));
my $user = $< == 0 ? 'user root;' : '';
my $conf = write_file("$dir/nginx.conf", <<"END");
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx.log;
$user
events { worker_connections 64; }
http {
    access_log $dir/access.log;
    $temp
$servers
}
END
my $pid = start([$nginx, '-p', $dir, '-e', "$dir/nginx.log", '-c', $conf],
    out => "$dir/nginx.log");
ref wait_port($port{localhost}, $pid)
    or plan skip_all => 'nginx did not start: ' . read_file("$dir/nginx.log");

my %settings = (root => fixture(), fetch_allow => '127.0.0.1');
my $cgi = write_config("$dir/cgi.conf", cgi => \%settings);
my %server;
for my $roots ("$dir/ca.pem", '') {
    local $ENV{SSL_CERT_FILE} = $roots;
    $server{$roots} = serve(pool => { %settings, reset => 'none' });
}

# ask(authorities, query, check): by CGI and by FastCGI.
sub ask {
    my ($roots, $query, $check) = @_;
    my $env = cgi_env(fixture('fetch.js'), QUERY_STRING => $query);
    $check->(cgi({ %$env, SSL_CERT_FILE => $roots }, conf => $cgi)->{body},
        'CGI');
    $check->(fcgi($server{$roots}{socket}, $env)->{body}, 'FastCGI');
}

my $url = sub { "case=other&path=https://localhost:$port{$_[0]}/$_[1]" };
my $ca = "$dir/ca.pem";
ask($ca, $url->('localhost', 'say'), sub {
    is($_[0], 'HTTP/2.0 TLSv1.3', "$_[1]: HTTP/2 and TLS 1.3");
});
ask($ca, $url->('localhost', 'large'), sub {
    is($_[0], read_file("$dir/www/large"), "$_[1]: a large reply");
});
ask($ca, "case=tls&port=$port{localhost}", sub {
    is($_[0], join(' ', (length read_file("$dir/www/large")) x 8),
        "$_[1]: many at once, of which the last is read first");
});
ask($ca, "case=tlspart&port=$port{localhost}", sub {
    is($_[0], 'HTTP/2.0 TLSv1.3', "$_[1]: one is left, another goes on");
});
my $tls = qr/\ATypeError: fetch failed: localhost:\d+: TLS: /;
for my $case (['elsewhere', 'a certificate for another name', qr/match|name/i],
    ['self', 'a certificate by itself', qr/self[- ]signed|issuer/i],
    ['old', 'a version that is not safe', qr/\S/]) {
    my ($which, $what, $why) = @$case;
    ask($ca, $url->($which, 'say'), sub {
        like($_[0], qr/$tls.*$why/, "$_[1]: $what is refused");
    });
}
ask('', $url->('localhost', 'say'), sub {
    like($_[0], qr/$tls.*(?:issuer|self)/i,
        "$_[1]: an authority that the system does not know is refused");
});

done_testing();
