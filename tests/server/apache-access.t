#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

# The file that Apache has allowed is the file that runs: no second decoding
# of its name, no cut at a question mark.
my $missing = server_missing('apache-proxy');
plan(skip_all => $missing) if $missing;
my $root = temp_dir();
write_file("$root/$_.js", read_file(fixture('hello.js'))) for qw(open secret);
my $deny = "<Files \"secret.js\">\nRequire all denied\n</Files>\n";

sub tried {
    my ($form, %o) = @_;
    my $s = server('apache-proxy', root => $root, more => $deny, %o);
    is(http($s->{port}, 'GET', '/open.js')->{status}, 200,
        "$form: an open file");
    for my $path ('/secret.js', '/%73ecret.js', '/%2573ecret.js',
        '/secret%252ejs', '/secret.js%3Fopen.js', '/secret.js%253Fopen.js',
        '//secret.js', '/./secret.js', '/secret.js%00.js',
        '/x/..%2Fsecret.js', '/x/..%252Fsecret.js', '/secret.js/.js') {
        my $r = http($s->{port}, 'GET', $path);
        like($r->{status}, qr/^(40[0-4]|500)$/,
            "$form: $path is not served ($r->{status})");
    }
}
tried('as in contrib');
tried('without the last slash', edit => sub {
    ${$_[0]} =~ s{(fcgi://\w+)/}{$1}g;
});

done_testing();
