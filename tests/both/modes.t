#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Digest::MD5 qw(md5_hex);

# The same application says the same, to the byte, however js/ came into the
# process and however the request did.
my $by_source = "$ENV{SNAPCGI_BUILD}/tests/both/snapcgi-source";
plan(skip_all => "no $by_source") if !-x $by_source;

my $dir = temp_dir();
my $own_image = "$dir/own.image";
my $built = run_program(['image', 'build', '--api', '-o', $own_image]);
is($built->{exit}, 0, 'an image of the installation') or diag($built->{err});

my %settings = (root => source('tests'), request_timeout => '60s');
my $conf = write_config("$dir/cgi.conf", cgi => \%settings);

# Each takes the CGI variables and the body, and gives a reply.
my @modes = (
    ['CGI, from source', by_cgi(program => $by_source)],
    ['CGI, from an image of its own', by_cgi(image => $own_image)],
    map({ ["FastCGI, reset = $_", by_fcgi(reset => $_)] }
        qw(context none isolate)),
    ['FastCGI, from source', by_fcgi(program => $by_source)],
    ['FastCGI, from an image of its own', by_fcgi(image => $own_image)],
);
my $reference = by_cgi();

sub by_cgi {
    my (%o) = @_;
    return sub {
        my ($env, $stdin) = @_;
        my %all = (%$env, $o{image} ? (SNAPCGI_IMAGE => $o{image}) : ());
        return cgi(\%all, stdin => $stdin, conf => $conf, seconds => 60,
            program => $o{program});
    };
}

sub by_fcgi {
    my (%o) = @_;
    local $ENV{SNAPCGI_IMAGE} = $o{image} if $o{image};
    my $s = serve(program => $o{program},
        pool => { %settings, reset => $o{reset} // 'context' });
    return sub {
        my ($env, $stdin) = @_;
        return fcgi($s->{socket}, $env, stdin => $stdin, seconds => 60);
    };
}

sub view {
    my ($r) = @_;
    my @fields = sort map { lc($_->[0]) . ": $_->[1]" } @{$r->{headers}};
    return join("\n", $r->{status}, @fields, '', $r->{body});
}

sub same {
    my ($name, $script, $vars, $stdin) = @_;
    my $env = cgi_env($script, %$vars,
        $stdin eq '' ? () : (CONTENT_LENGTH => length $stdin));
    my $want = view($reference->($env, $stdin));
    for my $mode (@modes) {
        my ($how, $ask) = @$mode;
        my $got = view($ask->($env, $stdin));
        ok(md5_hex($got) eq md5_hex($want), "$name: $how")
            or diag(difference($got, $want));
    }
}

# The lines that only one has, the first few.
sub difference {
    my ($got, $want) = map { [split(/\n/, $_)] } @_;
    my %got = map { $_ => 1 } @$got;
    my %want = map { $_ => 1 } @$want;
    my @more = (map({ "got: $_" } grep { !$want{$_} } @$got),
        map({ "not: $_" } grep { !$got{$_} } @$want));
    return join("\n", @more > 20 ? @more[0 .. 19] : @more);
}

for my $script (qw(hello binary body classic cookies echo env function
        large ownheaders reason redirect status stream timer unicode)) {
    my $path = fixture("$script.js");
    same($script, $path, { QUERY_STRING => $script eq 'status' ? '418' : '' },
        '');
    same("$script, posted", $path, { REQUEST_METHOD => 'POST',
        CONTENT_TYPE => 'text/plain' }, "\x{e9}" x 70000)
        if $script =~ /^(?:body|echo|function|classic)$/;
}
for my $file (sort glob(source('tests/js/*.js'))) {
    my ($name) = $file =~ m{([^/]+)\.js$};
    same("tests/js/$name", $file, {}, '') if $name ne 'tap';
}

done_testing();
