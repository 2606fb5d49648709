# Both.pm - one request by CGI and by FastCGI, and what must agree.
package Both;

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Exporter qw(import);
use Snap;
use Test::More;

our @EXPORT = qw(both_start both both_log);

my ($served, $cgi_conf, $cgi_log);

# both_start(%settings): the same settings for the pool and for [cgi].
sub both_start {
    my (%settings) = @_;
    my $dir = temp_dir();
    $settings{root} //= fixture();
    $cgi_log = write_file("$dir/cgi.log", '', 0666);
    $cgi_conf = write_config("$dir/cgi.conf", cgi => \%settings,
        global => { error_log => $cgi_log });
    $served = serve(pool => \%settings);
    return $served;
}

# Both logs, for messages that must be in each.
sub both_log { return (read_file($cgi_log), read_file($served->{log})) }

# both(name, script, { variables }, stdin, check): check gets each reply and
# "CGI" or "FastCGI"; then status, fields and body are compared.
sub both {
    my ($name, $script, $vars, $stdin, $check) = @_;
    $vars = { %$vars };
    $stdin //= '';
    $vars->{CONTENT_LENGTH} //= length $stdin if $stdin ne '';
    delete $vars->{CONTENT_LENGTH} if ($vars->{CONTENT_LENGTH} // '') eq 'none';
    my $path = $script =~ m{^(/|proxy:)} || $script eq '' ? $script : fixture($script);
    my $env = cgi_env($path, %$vars);
    my %reply = (
        CGI => cgi($env, stdin => $stdin, conf => $cgi_conf),
        FastCGI => fcgi($served->{socket}, $env, stdin => $stdin));
    for my $by (sort keys %reply) {
        ok(!$reply{$by}{hung}, "$name: $by does not hang");
        $check->($reply{$by}, $by) if $check;
    }
    is(view($reply{FastCGI}), view($reply{CGI}), "$name: both agree");
    return @reply{qw(CGI FastCGI)};
}

sub view {
    my ($r) = @_;
    # An error page names the request by a number of its own.
    my @fields = sort map { "$_->[0]: $_->[1]"
        =~ s/^x-request-id: \K[0-9a-f]{16}$/NUMBER/r } @{$r->{headers}};
    my $body = $r->{body} =~ s/^Request \K[0-9a-f]{16}$/NUMBER/mr;
    $body = length($body) . ' bytes, MD5 ' . md5_hex($body)
        if length $body > 1000;
    return join("\n", $r->{status}, @fields, '', $body);
}

1;
