#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Digest::MD5 qw(md5_hex);

# The same application says the same, to the byte, however js/ and itself came
# into the process and however the request did.
my $by_source = "$ENV{SNAPCGI_BUILD}/tests/both/snapcgi-source";
plan(skip_all => "no $by_source") if !-x $by_source;
alarm(1800); # about 1,500 processes

my $dir = temp_dir();
my $own_image = "$dir/own.image";
my $built = run_program(['image', 'build', '--api', '-o', $own_image]);
is($built->{exit}, 0, 'an image of the installation') or diag($built->{err});

# Images are beside what they are of, so that is a copy.
my $here = "$dir/tests";
for my $part ('', '/fixtures', '/js') {
    mkdir "$here$part" or die "$here$part: $!";
    write_file("$here$part/" . s{.*/}{}r, read_file($_))
        for grep { $part ne '' } glob(source("tests$part/*.js"));
}

my %settings = (root => $here, request_timeout => '60s');
my $conf = write_config("$dir/cgi.conf", cgi => \%settings);
my $beside = write_config("$dir/beside.conf", global => { log_level => 'info' },
    cgi => { %settings, image => 'auto', image_cache => "$dir/cache" });

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

# V8 before 12 cannot keep modules, but the one script that esbuild makes.
my ($v8) = run_program(['--version'])->{out} =~ /^V8 (\d+)/m;
my @bundle = $v8 < 12 ? '--bundle' : ();
my $images = !@bundle || find_program('esbuild');

sub by_cgi {
    my (%o) = @_;
    return sub {
        my ($env, $stdin) = @_;
        my %all = (%$env, $o{image} ? (SNAPCGI_IMAGE => $o{image}) : ());
        return cgi(\%all, stdin => $stdin, conf => $o{conf} // $conf,
            seconds => 60, program => $o{program});
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
    my ($name, $script, @requests) = @_;
    for my $request (@requests) {
        my ($env, $stdin) = @$request;
        push @$request, my $want = view($reference->($env, $stdin));
        compare("$name $env->{REQUEST_METHOD}: $_->[0]", $want,
            $_->[1]->($env, $stdin)) for @modes;
    }
    return if !$images;
    my $image = $script =~ s{\.js$}{.img}r;
    my $first = "$dir/first.img";
    from_image("$name: an image", $script, $image, \@requests, @bundle)
        or return;
    rename($image, $first) or die "$image: $!";
    from_image("$name: an image of an image", $script, $image, \@requests,
        '--from', $first);
    unlink $image;
}

sub from_image {
    my ($name, $script, $image, $requests, @options) = @_;
    my $r = run_program(['image', 'build', $script, '-o', $image, '--root',
        $here, @options], env => { PATH => $ENV{PATH} }, seconds => 90);
    is($r->{exit}, 0, $name) or diag($r->{err});
    return if $r->{exit} != 0;
    my $s = serve(pool => { app => $script, image => $image,
        request_timeout => '60s' });
    my $log = '';
    for my $request (@$requests) {
        my ($env, $stdin, $want) = @$request;
        my $method = $env->{REQUEST_METHOD};
        my $by_cgi = cgi($env, stdin => $stdin, conf => $beside, seconds => 60);
        compare("$name, $method by CGI", $want, $by_cgi);
        compare("$name, $method by FastCGI", $want,
            fcgi($s->{socket}, $env, stdin => $stdin, seconds => 60));
        $log .= $by_cgi->{err};
    }
    unlike($log . read_file($s->{log}), qr/the source is/, "$name: is used");
    stop_process($s->{pid});
    return 1;
}

sub compare {
    my ($name, $want, $reply) = @_;
    my $got = view($reply);
    ok(md5_hex($got) eq md5_hex($want), $name)
        or diag(difference($got, $want));
}

sub ask {
    my ($script, $stdin, %vars) = @_;
    return [cgi_env($script, %vars,
        $stdin eq '' ? () : (CONTENT_LENGTH => length $stdin)), $stdin];
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

# An image is used where one is beside: what was drawn at the top stays.
SKIP: {
    skip("images with V8 $v8 need esbuild, which is not installed", 3)
        if !$images;
    my $drawn = write_file("$here/drawn.js", <<'JS');
const drawn = Math.random();
export default { fetch: () => new Response(`${drawn}`) };
JS
    my $draw = sub { cgi(cgi_env($drawn), conf => $beside)->{body} };
    isnt($draw->(), $draw->(), 'no image: drawn anew');
    my $r = run_program(['image', 'build', @bundle, $drawn],
        env => { PATH => $ENV{PATH} });
    like($r->{err}, qr/Math\.random/, 'an image: it is warned of');
    is($draw->(), $draw->(), 'an image: drawn once');
}

for my $name (qw(hello binary body classic cookies echo env function
        large ownheaders reason redirect status stream timer unicode)) {
    my $script = "$here/fixtures/$name.js";
    my @requests = ask($script, '',
        QUERY_STRING => $name eq 'status' ? '418' : '');
    push @requests, ask($script, "\x{e9}" x 70000, REQUEST_METHOD => 'POST',
        CONTENT_TYPE => 'text/plain')
        if $name =~ /^(?:body|echo|function|classic)$/;
    same($name, $script, @requests);
}
for my $script (sort glob("$here/js/*.js")) {
    my ($name) = $script =~ m{([^/]+)\.js$};
    same("tests/js/$name", $script, ask($script, '')) if $name ne 'tap';
}

done_testing();
