#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP qw(decode_json);
use Snap;
use Test::More;

# A state file gets its first key, another one, and none: its pool goes on.
my $dir = temp_dir();
my $state = "$dir/app.state";
write_file("$dir/app.js", <<'END');
let count = 0;
addEventListener("fetch", (event) =>
    event.respondWith(new Response(String(++count))));
END
write_file("$dir/one", "\x01" x 32, 0600);
write_file("$dir/two", ('02' x 32) . "\n", 0600);

sub recode { return run_program(['image', 'recode', $state, @_]) }

# What the function answers in one life of the pool with those keys.
sub live {
    my (%keys) = @_;
    my $s = serve(dir => $dir, pool => { app => "$dir/app.js", state => $state,
        pm => 'static', %keys });
    my $r = fcgi($s->{socket}, cgi_env('/app.js'));
    stop_process($s->{pid}, 'QUIT');
    return $r->{body};
}

is(live(), '1', 'a pool without a key saves');
my $plain = read_file($state);

my $r = recode('--new-key', "$dir/one");
plan(skip_all => 'no OpenSSL 3 here') if $r->{err} =~ /is needed/;
is($r->{exit}, 0, 'recode to a key') or diag($r->{err});
is((stat $state)[2] & 07777, 0600, 'the mode stays');
ok(read_file($state) ne $plain, 'and is not what it was');
is(live(state_key => "$dir/one"), '2', 'the pool goes on with the key');

my $before = read_file($state);
$r = recode('--key', "$dir/two", '--new-key', "$dir/one");
isnt($r->{exit}, 0, 'another key does not read it');
is(($r->{err} =~ tr/\n//), 1, 'which is one sentence');
$r = recode('--new-key', "$dir/two");
isnt($r->{exit}, 0, 'nor does none');
is(read_file($state), $before, 'and the file is as it was');
is_deeply([grep { /recode/ } glob("$dir/*")], [], 'with nothing beside it');

$r = recode('--key', "$dir/one", '--new-key', "$dir/two", '--json');
is($r->{exit}, 0, 'from one key to another') or diag($r->{err});
is(decode_json($r->{out})->{bytes}, -s $state, 'JSON says how long it is');
is(live(state_key => "$dir/two"), '3', 'and the pool goes on with that');

$r = recode('--key', "$dir/two");
is($r->{exit}, 0, 'and to none') or diag($r->{err});
is(live(), '4', 'as it began');

$r = run_program(['image', 'recode', "$dir/app.js"]);
isnt($r->{exit}, 0, 'what is no state is not recoded');
like($r->{err}, qr/app\.js/, 'and is named');
is(run_program(['image', 'recode', "$dir/none"])->{exit}, 66, 'nor what is not there');

done_testing();
