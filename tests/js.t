#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/tap";
use Snap;
use Test::More;

# Each tests/js/NAME.js is an application that answers with TAP. It runs by
# CGI and by FastCGI, and both must say the same.
my @files = sort glob(source('tests/js/*.js'));
plan(skip_all => 'no files') if !@files;
my $conf = write_config(temp_dir() . '/c.conf', cgi => { root => source('tests/js') });
my $s = serve(pool => { root => source('tests/js') });

for my $file (@files) {
    my ($name) = $file =~ m{([^/]+)\.js$};
    my $env = cgi_env($file);
    my $by_cgi = tap(cgi($env, conf => $conf), "$name by CGI");
    my $by_fcgi = tap(fcgi($s->{socket}, $env), "$name by FastCGI");
    my $same = join("\n", map { "$_->[0] $_->[1]" } @$by_cgi)
        eq join("\n", map { "$_->[0] $_->[1]" } @$by_fcgi);
    ok($same, "$name: CGI and FastCGI say the same");
    emit($name, $by_cgi);
    emit("$name (FastCGI)", [grep { !$_->[0] } @$by_fcgi]) if !$same;
}

# A reply as a list of [good, text, directive, diagnostics].
sub tap {
    my ($r, $what) = @_;
    my (@list, $planned);
    for my $line (split(/\n/, $r->{body})) {
        if ($line =~ /^(not )?ok\b\s*\d*\s*(?:- )?(.*?)(?:\s*# ((?:SKIP|TODO)\b.*))?$/i) {
            push @list, [$1 ? 0 : 1, $2, $3, ''];
        } elsif ($line =~ /^1\.\.(\d+)/) {
            $planned = $1;
        } elsif (@list) {
            $list[-1][3] .= "$line\n";
        }
    }
    ok($r->{status} == 200 && @list && ($planned // -1) == @list,
        "$what: as many tests as planned")
        or diag("status $r->{status}, ", scalar @list, ' of ', $planned // '?',
            "\n", substr($r->{body}, -500), $r->{err} // '',
            substr(read_file($s->{log}), -1500));
    return \@list;
}

sub emit {
    my ($name, $list) = @_;
    for my $t (@$list) {
        my ($good, $text, $directive, $more) = @$t;
        SKIP: {
            skip("$name: $text ($directive)", 1) if $directive;
            ok($good, "$name: $text") or diag($more);
        }
    }
}

done_testing();
