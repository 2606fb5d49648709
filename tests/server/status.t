#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# The status page behind each web server, by the snippets of contrib/ as they
# are: here it is shown, and to others it is not.
my $dir = temp_dir();
my $snap = serve(dir => $dir, global => {
    status_listen => "$dir/status.sock", 'status_listen.mode' => '0666' });
ok(wait_socket("$dir/status.sock", $snap->{pid}), 'the status socket is there');

sub snippet_of {
    my ($name, $edit) = @_;
    my $text = read_file(source('contrib', $name));
    $text =~ s{/run/snapcgi/status\.sock}{$dir/status.sock}g;
    $text = $edit->($text) if $edit;
    return $text;
}

# Where the test's own address is another one.
my %stranger = (
    lighttpd => sub { $_[0] =~ s/127\.0\.0\.1/192.0.2.1/gr },
    nginx => sub { $_[0] =~ s/(allow) 127\.0\.0\.1/$1 192.0.2.1/gr },
    apache => sub { $_[0] =~ s/Require local/Require ip 192.0.2.1/r },
);

sub try {
    my ($name, $kind) = @_;
    my $missing = server_missing($kind);
    return diag("$name: $missing") if $missing;
    my $module = $name eq 'apache' && -e Snap::apache_module('authz_host')
        ? "LoadModule authz_host_module " . Snap::apache_module('authz_host')
            . "\n" : '';
    my $s = server($kind, more => $module . snippet_of("$name/status.conf"));
    my $at = '/snapcgi-status';
    my $r = http($s->{port}, 'GET', $at);
    is($r->{status}, 200, "$name shows the page");
    like($r->{body}, qr/^pool:\s+www$/m, "$name: as text");
    is(http($s->{port}, 'GET', "$at?json&full")->json->{'process manager'},
        'static', "$name: as JSON");
    like(http($s->{port}, 'GET', "$at?html")->header('content-type') // '',
        qr{^text/html}, "$name: as HTML");
    is(http($s->{port}, 'GET', '/hello.js')->{status}, 200,
        "$name: functions are still served");
    my $other = server($kind, more => $module
        . snippet_of("$name/status.conf", $stranger{$name}));
    my $refused = http($other->{port}, 'GET', "$at?json&full");
    is($refused->{status}, 403, "$name refuses it to others");
    unlike($refused->{body}, qr/process manager/, "$name: with no word of it");
}

try('lighttpd', 'lighttpd-fastcgi');
try('nginx', 'nginx');
try('apache', 'apache-proxy');

done_testing();
