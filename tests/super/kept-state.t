#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# A pool that keeps its state, from the supervisor's side: who saves, when, who
# may start, and what is believed. The worker is that of test_crew_state, which
# keeps a number and dies where it is told to.
my $build = $ENV{SNAPCGI_BUILD} // '.';
my $fake = "$build/tests/unit/test_crew_state";
plan skip_all => 'test_crew_state is not built' if !-x $fake;

sub start_pool {
    my ($pool, %global) = @_;
    my $dir = temp_dir();
    return serve_with_status(program => $fake, dir => $dir,
        global => { control => "$dir/control.sock", %global },
        pool => { pm => 'static', app => '/srv/app.js', state => "$dir/state", %$pool });
}

# The worker's answer to that query: its number and process.
sub act {
    my ($s, $query) = @_;
    my $r = fcgi($s->{socket}, cgi_env('/a', QUERY_STRING => $query // ''), seconds => 60);
    return ($r->{body} // '') =~ /^(\d+) (\d+)$/ ? ($1, $2) : ("status $r->{status}", 0);
}

sub number { return (act(@_))[0] }
sub state_of { return figures($_[0])->{state} }

sub wait_state {
    my ($s, $state) = @_;
    return wait_for(30, sub { state_of($s) eq $state });
}

# Asks from another process, whose answer is answer_to()'s.
sub ask_apart {
    my ($s, @words) = @_;
    my $pid = fork() // die;
    return $pid if $pid;
    my $r = ctl($s, @words);
    write_file("$s->{dir}/$words[0].new", "$r->{exit} $r->{out}$r->{err}");
    rename "$s->{dir}/$words[0].new", "$s->{dir}/$words[0].answer";
    POSIX::_exit(0);
}

sub answer_to {
    my ($s, $verb) = @_;
    my $file = "$s->{dir}/$verb.answer";
    return wait_for(30, sub { -e $file }) ? read_file($file) : 'no answer';
}

sub text_of { return read_file("$_[0]{dir}/state" . ($_[1] // '')) }

# ---- by hand ---------------------------------------------------------------

{
    my $s = start_pool({});
    is(number($s), 1, 'a pool without a state file begins');
    is(text_of($s), '', 'and has none before it saves');
    is(number($s), 2, 'the second request finds what the first has left');
    my ($two, $pid) = act($s, 'look');
    my $r = ctl($s, 'save', 'www');
    like($r->{out}, qr/\Awww: saved, \d+ bytes in \d+ ms\n\z/, 'ctl save says what it has saved');
    is(text_of($s), "one 2\n", 'and then the file has it');
    is(join(' ', map { sprintf '%04o', (stat)[2] & 07777 } "$s->{dir}/state"), '0600',
        'for the pool alone');
    ok(!-e "$s->{dir}/state.1", 'with none before it');
    my ($still, $other) = act($s, 'look');
    is($still, 2, 'the next worker goes on from it');
    isnt($other, $pid, 'and is another one');
    ok(log_has($s, qr/notice .*the state is saved: \d+ bytes in \d+ ms/), 'the log has it');

    $r = ctl($s, 'pause');
    like($r->{out}, qr/\Awww: paused, \d+ bytes/, 'ctl pause is of all pools');
    is(scalar(workers($s)), 0, 'a paused pool has no worker');
    is(state_of($s), 'paused', 'the status page says so');
    ok(log_has($s, qr/notice .*paused: who comes waits until snapcgi ctl resume www/), 'and the log');
    like(ctl($s, 'pause', 'www')->{out}, qr/was paused already/, 'a second time is no mistake');
    like(ctl($s, 'save')->{out}, qr/is paused, and what was saved last/, 'nor is it to save then');

    my @waiting = map { begin_request($s->{socket}, cgi_env('/a')) } 1 .. 3;
    sleep 3; # longer than a pool without workers keeps who waits
    is(scalar(workers($s)), 0, 'who comes does not end a pause');
    is(figures($s)->{shed}, 0, 'and is not turned away');
    is(ctl($s, 'reload')->{exit}, 0, 'a paused pool can be reloaded');
    is(state_of($s), 'paused', 'and is paused after it');
    is(scalar(workers($s)), 0, 'without a worker');
    like(ctl($s, 'resume', 'www')->{out}, qr/\Awww: resumed\n\z/, 'ctl resume');
    is(join(' ', sort map { ($_->reply(60)->{body} // '?') =~ s/ .*//r } @waiting),
        '3 4 5', 'then those who waited are served');
    ok(log_has($s, qr/notice .*resumed/), 'the log has it');
    like(ctl($s, 'resume')->{out}, qr/was not paused/, 'a pool that runs is not resumed');
    is(text_of($s, '.1'), "one 2\n", 'the state before is kept');
    my $f = figures($s);
    is($f->{saves}, 2, 'saves are counted');
    is($f->{'failed saves'}, 0, 'and failures');
    is($f->{'last save size'}, 6, 'the size is there');
    ok($f->{'last save'} > 1e9 && $f->{'last save duration'} > 0, 'with time and duration');

    like(ctl($s, 'pause', 'none')->{err}, qr/there is no pool none/, 'an unknown pool is told');
    my ($before, $old) = act($s, 'look');
    is(ctl($s, 'restart')->{exit}, 0, 'a restart');
    my ($after, $new) = act($s, 'look');
    is("$before " . ($old != $new ? 'new' : 'old'), "$after new", 'keeps the state, too');
    is(ctl($s, 'reload')->{exit}, 0, 'a reload');
    my ($later, $newer) = act($s, 'look');
    is("$before " . ($newer != $new ? 'new' : 'old'), "$later new", 'does as well');
    is(number($s), 6, 'and it goes on');
    is(stop_process($s->{pid}, 'QUIT'), 0, 'QUIT stops');
    is(text_of($s), "one 6\n", 'and saves');
    ok(!-e "$s->{dir}/state.new", 'nothing else is left');
}

# ---- the end, and what cannot be saved ---------------------------------------

{
    my $s = start_pool({});
    number($s) for 1 .. 3;
    is(stop_process($s->{pid}), 0, 'TERM stops');
    is(text_of($s), "one 3\n", 'and saves');
}

{
    my $s = start_pool({}, process_control_timeout => '20s');
    number($s) for 1 .. 4;
    act($s, 'refuse');
    my ($n, $pid) = act($s, 'look');
    my $r = ctl($s, 'pause', 'www');
    is($r->{exit}, 1, 'what cannot be saved cannot be paused');
    like($r->{err}, qr/www: .*its worker serves on: a fork holds the spoon/, 'and the reason is told');
    ok(log_has($s, qr/error .*cannot be saved: a fork holds the spoon; worker \d+ serves on/),
        'to the log, too');
    is(state_of($s), 'running', 'the pool is not paused');
    is(join(' ', act($s, 'look')), "4 $pid", 'the same worker goes on');
    is(figures($s)->{'failed saves'}, 1, 'the failure is counted');
    $r = ctl($s, 'reload');
    like($r->{err}, qr/pool www: .*a fork holds the spoon/, 'nor can it be reloaded');
    is(join(' ', act($s, 'look')), "4 $pid", 'and still it goes on');
    act($s, 'accept');
    is(ctl($s, 'save')->{exit}, 0, 'when it can be saved again');
    is(text_of($s), "one 4\n", 'it is');
    wait_workers($s, 1);
    isnt((act($s, 'look'))[1], $pid, 'and the worker of before is gone');
    number($s);
    act($s, 'refuse');
    stop_process($s->{pid});
    is(text_of($s), "one 4\n", 'told to end, one that cannot save ends');
    ok(log_has($s, qr/error .*the state of worker \d+ since \d{4}-.* is lost, with 3 requests in it: it cannot be saved: a fork holds the spoon/),
        'and the log says what is lost');
}

{
    my $s = start_pool({});
    number($s);
    act($s, 'refuse');
    ctl($s, 'save');
    fcgi($s->{socket}, cgi_env('/a', QUERY_STRING => 'crash'), seconds => 30);
    ok(log_has($s, qr/is lost, with 3 requests in it: it was ended by signal 9/),
        'one that could not save and crashes later, was lost by that');
}

# ---- dying on the way --------------------------------------------------------

for my $where (qw(half synced told status lie more)) {
    my $s = start_pool({});
    number($s);
    ctl($s, 'save');
    number($s);
    act($s, "die=$where");
    my $r = ctl($s, 'save');
    is($r->{exit}, 1, "$where: a save that came to nothing is told");
    like($r->{err}, qr/the state since \d{4}-\S+ is lost/, "$where: with what is lost");
    is(text_of($s), "one 1\n", "$where: nothing of it is believed");
    is(number($s), 2, "$where: the next worker goes on from the last good one");
    ok(log_has($s, qr/error .*the state of worker \d+ since .* is lost/), "$where: the log has it");
    ok(wait_for(20, sub { ctl($s, 'save')->{exit} == 0 && text_of($s) eq "one 2\n" }),
        "$where: and it can save");
}

{
    my $s = start_pool({});
    number($s);
    ctl($s, 'save');
    number($s);
    fcgi($s->{socket}, cgi_env('/a', QUERY_STRING => 'crash'), seconds => 30);
    is(number($s), 2, 'a crash costs what came since the last save');
    ok(log_has($s, qr/error .*is lost, with 2 requests in it: it was ended by signal 9/), 'and is told');
    my ($n, $pid) = act($s, 'die=half');
    my $r = ctl($s, 'pause');
    like($r->{err}, qr/www: it is paused, but the state since/, 'a pause that loses it says so');
    is(state_of($s), 'paused', 'and is a pause');
    is(scalar(workers($s)), 0, 'without a worker');
    ctl($s, 'resume');
    is(number($s), 2, 'it can be resumed');
}

# ---- never two, never cut ----------------------------------------------------

{
    my $s = start_pool({});
    my $gate = "$s->{dir}/gate";
    number($s);
    act($s, "gate=$gate");
    my $slow = begin_request($s->{socket}, cgi_env('/a', QUERY_STRING => "wait=$s->{dir}/go"));
    ok(wait_for(20, sub { figures($s)->{'active processes'} == 1 }), 'a request is in flight');
    my $pid = fork() // die;
    if (!$pid) {
        my $r = ctl($s, 'save');
        write_file("$s->{dir}/answer.new", $r->{out} . $r->{err});
        rename "$s->{dir}/answer.new", "$s->{dir}/answer";
        POSIX::_exit(0);
    }
    ok(wait_state($s, 'saving'), 'a save waits for it');
    ok(!-e "$s->{dir}/answer", 'and so does who asked');
    write_file("$s->{dir}/go", '');
    is($slow->reply(60)->{status}, 200, 'it gets its reply');
    my @waiting = map { begin_request($s->{socket}, cgi_env('/a')) } 1 .. 4;
    ok(wait_for(20, sub { figures($s, '&full')->{processes}[0]{state} eq 'Saving' }),
        'then the worker saves');
    sleep 3;
    is(scalar(workers($s)), 1, 'and no second one is started');
    is(figures($s)->{shed}, 0, 'nor is anybody turned away');
    write_file($gate, '');
    ok(wait_for(30, sub { -e "$s->{dir}/answer" }), 'who asked is told');
    like(read_file("$s->{dir}/answer"), qr/\Awww: saved, /, 'that it is saved');
    is(join(' ', sort map { ($_->reply(60)->{body} // '?') =~ s/ .*//r } @waiting),
        '2 3 4 5', 'and those who came meanwhile are served');
    waitpid($pid, 0);
}

# Told to end, it is waited for: its request, and its state.
{
    my $s = start_pool({}, process_control_timeout => '500ms');
    number($s);
    my $slow = begin_request($s->{socket}, cgi_env('/a', QUERY_STRING => "wait=$s->{dir}/go"));
    ok(wait_for(20, sub { figures($s)->{'active processes'} == 1 }), 'a request is in flight');
    kill 'TERM', $s->{pid};
    ok(log_has($s, qr/notice .*stopping/), 'the supervisor is told to end');
    sleep 3; # much longer than process_control_timeout
    write_file("$s->{dir}/go", '');
    is($slow->reply(60)->{status}, 200, 'the request has its reply');
    is(stop_process($s->{pid}), 0, 'and then it ends');
    is(text_of($s), "one 1\n", 'with the state saved');
}

# A resume that comes while one saves ends nothing.
{
    my $s = start_pool({});
    number($s);
    act($s, "gate=$s->{dir}/gate");
    my $answer = ask_apart($s, 'save');
    ok(wait_state($s, 'saving'), 'a save has begun');
    my $resume = ask_apart($s, 'resume');
    sleep 1;
    ok(!-e "$s->{dir}/save.answer", 'to resume what is not paused does not end it');
    write_file("$s->{dir}/gate", '');
    like(answer_to($s, 'save'), qr/\A0 www: saved, /, 'who asked for it is told of its end');
    like(answer_to($s, 'resume'), qr/\A0 www: /, 'and who asked to resume, too');
    waitpid($_, 0) for $answer, $resume;
}

# Nobody who comes meanwhile is lost, and no change.
{
    my $s = start_pool({});
    my $load = load_start(3, $s->{socket}, cgi_env('/a'), qr/^\d+ \d+$/);
    my $kept = begin_request($s->{socket}, cgi_env('/a', QUERY_STRING => 'look'), keep => 1);
    like($kept->reply(60)->{body}, qr/^\d+ \d+$/, 'a connection that is kept');
    my @failed;
    for my $n (1 .. 12) {
        my $verb = (qw(save pause restart reload))[$n % 4];
        my $r = ctl($s, $verb);
        push @failed, "$verb: $r->{err}" if $r->{exit} != 0;
        ctl($s, 'resume') if $verb eq 'pause';
        push @failed, 'two workers' if workers($s) > 1;
    }
    is("@failed", '', 'saves, pauses, restarts and reloads under load');
    $kept->request(cgi_env('/a', QUERY_STRING => 'look'), '');
    like($kept->reply(60)->{body} // 'closed', qr/^\d+ \d+$/, 'it is served after them');
    my ($count, @bad) = load_stop($load);
    is("@bad", '', 'no request is lost');
    is(number($s), $count + 1, 'and no change');
    my @all = log_like($s, qr/ error /);
    is("@all", '', 'the log has no error');
}

# The supervisor is killed, in the middle of it.
{
    my $s = start_pool({});
    number($s);
    ctl($s, 'save');
    number($s);
    act($s, "gate=$s->{dir}/gate");
    my ($worker) = workers($s);
    kill 'QUIT', $worker;
    ok(wait_state($s, 'running') && wait_for(20, sub { figures($s, '&full')->{processes}[0]{state} eq 'Saving' }),
        'a worker that saves');
    stop_process($s->{pid}, 'KILL');
    is(text_of($s), "one 1\n", 'loses its supervisor: the last good state is there');
    my $next = start_pool({ state => "$s->{dir}/state" });
    is(number($next), 2, 'and the next supervisor goes on from it');
    is(ctl($next, 'save')->{exit}, 0, 'and saves');
    is(text_of($s), "one 2\n", 'whatever was left');
}

# The supervisor is killed, and its worker is not.
{
    my $s = start_pool({});
    number($s);
    ctl($s, 'save');
    act($s, "gate=$s->{dir}/gate");
    my ($worker) = workers($s);
    kill 'KILL', $s->{pid};
    my $next = start_pool({ state => "$s->{dir}/state" });
    ok(log_has($next, qr/error .*no worker can be started: another worker keeps its state in \S+state: of another pool, or another supervisor/),
        'as long as a worker of before is there, no other is started');
    is(scalar(workers($next)), 0, 'by the next supervisor');
    write_file("$s->{dir}/gate", '');
    ok(wait_for(20, sub { !kill 0, $worker }), 'when it has gone');
    is(number($next), 2, 'another goes on from the last good state');
    is(ctl($next, 'save')->{exit}, 0, 'and saves');
}

# A reload while a worker saves: the next program knows what becomes of it.
{
    my $s = start_pool({});
    my $gate = "$s->{dir}/gate";
    number($s);
    act($s, "gate=$gate");
    my @asked = ask_apart($s, 'pause');
    wait_state($s, 'saving');
    push @asked, ask_apart($s, 'reload');
    ok(log_has($s, qr/reloading: the configuration is tried first/), 'a reload during a pause');
    ok(wait_for(30, sub { (eval { figures($s)->{reloads} } // 0) == 1 }), 'comes to its end');
    is(scalar(workers($s)), 1, 'the worker still saves');
    write_file($gate, '');
    like(answer_to($s, 'pause'), qr/\A0 www: /, 'who asked is told that it is paused');
    like(answer_to($s, 'reload'), qr/\A0 /, 'and reloaded');
    is(text_of($s), "one 1\n", 'what the old worker wrote is the state');
    is(state_of($s), 'paused', 'and the pool is paused');
    ctl($s, 'resume');
    is(number($s), 2, 'until it goes on');
    waitpid($_, 0) for @asked;
}

# The pool is taken out of the configuration, or keeps its state elsewhere.
{
    my $s = start_pool({});
    number($s) for 1 .. 2;
    my $text = read_file($s->{conf});
    write_file($s->{conf}, $text =~ s/^state = .*$/state = $s->{dir}\/other/mr);
    is(ctl($s, 'reload')->{exit}, 0, 'the state moves to another file');
    is(text_of($s), "one 2\n", 'the old worker has saved to its own');
    is(number($s), 1, 'the new one begins');
    is(state_of($s), 'running', 'and nothing is left to be done');
    ask_apart($s, 'save');
    like(answer_to($s, 'save'), qr/\A0 www: saved, /, 'so it can be saved');
    is(read_file("$s->{dir}/other"), "one 1\n", 'to that file');
    write_file($s->{conf}, $text =~ s/^\[pool www\]$/[pool web]/mr);
    is(ctl($s, 'reload')->{exit}, 0, 'the pool gets another name, and its first file');
    is(read_file("$s->{dir}/other"), "one 1\n", 'the old worker has saved to the other');
    is(number($s), 3, 'and the new one goes on from the first');
}

# Who waits for the state of a pool that a reload takes away.
{
    my $s = start_pool({});
    number($s);
    act($s, "gate=$s->{dir}/gate");
    my @asked = ask_apart($s, 'pause', 'www');
    wait_state($s, 'saving');
    write_file($s->{conf}, read_file($s->{conf}) =~ s/^\[pool www\]$/[pool web]/mr);
    push @asked, ask_apart($s, 'reload');
    like(answer_to($s, 'pause'), qr/\A1 .*there is no pool www any more/, 'is told that');
    write_file("$s->{dir}/gate", '');
    answer_to($s, 'reload');
    waitpid($_, 0) for @asked;
}

# A new image is for who begins anew.
{
    my $s = start_pool({ image => 'auto' }, log_level => 'info');
    my ($n, $pid) = act($s, 'look');
    ok(log_has($s, qr/image maker \d+ has ended with status 1/), 'an image was made');
    sleep 2; # longer than the supervisor waits between two looks
    is((act($s, 'look'))[1], $pid, 'and the worker serves on with its state');
    is(figures($s)->{saves}, 0, 'which nobody has saved');
}

# Another pool, at another socket, takes over the file.
{
    my $s = start_pool({});
    number($s);
    act($s, "gate=$s->{dir}/gate");
    write_file($s->{conf}, read_file($s->{conf}) =~ s/^\[pool www\]$/[pool web]/mr
        =~ s/^(listen = .*)$/$1.other/mr);
    my $pid = fork() // die;
    if (!$pid) {
        ctl($s, 'reload');
        POSIX::_exit(0);
    }
    ok(wait_for(30, sub { (eval { figures($s)->{reloads} } // 0) == 1 }), 'another pool is to have the state');
    my $c = begin_request("$s->{socket}.other", cgi_env('/a'));
    sleep 1;
    is(scalar(workers($s)), 1, 'and waits until the worker of the first has saved');
    write_file("$s->{dir}/gate", '');
    like($c->reply(60)->{body}, qr/\A2 /, 'then it goes on from there');
    waitpid($pid, 0);
}

# ---- by itself ----------------------------------------------------------------

{
    my $s = start_pool({ pm => 'ondemand', hibernate_after => '100ms' });
    is(number($s), 1, 'a pool that hibernates starts on demand');
    ok(wait_for(30, sub { text_of($s) eq "one 1\n" }), 'saves');
    ok(wait_state($s, 'hibernating'), 'and hibernates');
    is(scalar(workers($s)), 0, 'without a worker');
    is(number($s), 2, 'who comes wakes it');
    ok(wait_state($s, 'hibernating'), 'it hibernates again');
    ok(log_has($s, qr/notice .*hibernating until somebody comes/), 'the log has it');
    ctl($s, 'pause');
    is(state_of($s), 'paused', 'it can be paused then');
    my $c = begin_request($s->{socket}, cgi_env('/a'));
    sleep 1;
    is(scalar(workers($s)), 0, 'and is not woken by who comes');
    ctl($s, 'resume');
    like($c->reply(60)->{body}, qr/\A3 /, 'before it is resumed');
    is(ctl($s, 'reload')->{exit}, 0, 'a reload');
    is(number($s), 4, 'loses nothing');
    stop_process($s->{pid}, 'QUIT');
    is(text_of($s), "one 4\n", 'nor does a stop');
}

{
    my $s = start_pool({ hibernate_after => '1h', pm => 'ondemand' });
    number($s);
    my ($n, $pid) = act($s, 'look');
    is(ctl($s, 'save')->{exit}, 0, 'a pool that is not to hibernate yet is saved');
    ok(wait_for(20, sub { my @w = workers($s); @w == 1 && $w[0] != $pid }),
        'and the next worker does not wait for a request');
}

{
    my $s = start_pool({ save_every => '100ms' });
    number($s);
    ok(wait_for(30, sub { text_of($s) eq "one 1\n" }), 'save_every saves what was served');
    ok(wait_for(30, sub { state_of($s) eq 'running' }), 'and the pool runs on');
    my $saves = figures($s)->{saves};
    sleep 2;
    is(figures($s)->{saves}, $saves, 'without requests nothing is saved');
    act($s, 'asks');
    ok(wait_for(30, sub { figures($s)->{saves} > $saves }), 'the application may ask for it');
}

# ---- rights --------------------------------------------------------------------

{
    my $dir = temp_dir();
    my $s = serve(global => { control => "$dir/control.sock" }, dir => $dir);
    like(ctl($s, 'save')->{err}, qr/no pool keeps a state/, 'without state nothing is saved');
    like(ctl($s, 'pause', 'www')->{err}, qr/pool www keeps no state: only one with state = FILE/,
        'nor paused');
}

SKIP: {
    skip 'only root has other users', 3 if $< != 0;
    my $dir = temp_dir();
    mkdir("$dir/kept", 0700);
    my $s = start_pool({ user => 'nobody', state => "$dir/kept/state" });
    is(number($s), 1, "a folder of root's");
    is(ctl($s, 'save')->{exit}, 0, 'will do');
    is((stat "$dir/kept/state")[4], (getpwnam('nobody'))[2], "for a file of the pool's user");
}

# ---- other code ----------------------------------------------------------------

{
    my $s = start_pool({});
    number($s) for 1 .. 2;
    stop_process($s->{pid});
    local $ENV{FAKE_CODE} = 'two';
    my $other = start_pool({ state => "$s->{dir}/state", on_mismatch => 'fresh' });
    is(number($other), 1, 'other code may begin afresh');
    is(text_of($s), "one 2\n", 'the old state is there until it saves');
    is(ctl($other, 'save')->{exit}, 0, 'it saves');
    is(text_of($s), "two 1\n", 'its own');
    my ($aside) = glob "$s->{dir}/state.aside-*";
    is(read_file($aside // ''), "one 2\n", 'and the old one is kept aside');
    ok(!-e "$s->{dir}/state.1", 'where it stays');
}

{
    my $s = start_pool({});
    number($s);
    stop_process($s->{pid});
    local $ENV{FAKE_CODE} = 'two';
    local $ENV{FAKE_GATE} = "$s->{dir}/go";
    my $other = start_pool({ state => "$s->{dir}/state" });
    ok(wait_for(20, sub { workers($other) == 1 }), 'a worker that starts');
    my $pid = ask_apart($other, 'save');
    ok(wait_state($other, 'saving'), 'is told to save');
    write_file("$s->{dir}/go", '');
    like(answer_to($other, 'save'), qr/\A1 .*www: no worker has started; what was saved at \d{4}-\S+ stays: it has ended with status 78/,
        'and cannot start: nothing is said to be lost');
    is(figures($other)->{'failed saves'}, 0, 'nor is it a failed save');
    is(text_of($s), "one 1\n", 'the state is as it was');
    waitpid($pid, 0);
}

# ---- what is said before anything is done ---------------------------------------

sub refused {
    my ($words, $name, %pool) = @_;
    my $dir = temp_dir();
    write_file("$dir/short", 'x');
    chmod 0600, "$dir/short";
    my %all = (listen => "$dir/s", app => '/a.js', state => "$dir/state",
        map { $_ => $pool{$_} =~ s/DIR/$dir/r } keys %pool);
    my $conf = write_config("$dir/c", pool => \%all);
    my $r = run_program(['serve', '-t', '-c', $conf]);
    isnt($r->{exit}, 0, $name);
    like($r->{err}, qr/pool www: $words/, "$name: that is told");
}

refused('the key file \S+none: No such file', 'a key that is not there', state_key => 'DIR/none');
refused('the key file \S+short must hold', 'a key that is none', state_key => 'DIR/short');

{
    my $dir = temp_dir();
    my @pools = map { "[pool p$_]\nlisten = $dir/$_\napp = /a.js\nstate = $dir/" . ($_ == 1 ? '' : './') . "state\n" } 1, 2;
    write_file("$dir/c", join('', @pools));
    for my $try ([qw(serve -t)], ['check']) {
        my $r = run_program([@$try, '-c', "$dir/c"]);
        isnt($r->{exit}, 0, "@$try: two pools with one file");
        like($r->{err}, qr/pool p1 of line 1 keeps its state there, too/,
            "@$try: that is told, however it is written");
    }
}

{
    my $dir = temp_dir();
    my $conf = write_config("$dir/c", pool => { listen => "$dir/s", app => '/a.js',
        state => "$dir/none/state" });
    my $r = run_program(['serve', '-t', '-c', $conf]);
    isnt($r->{exit}, 0, 'a folder that is not there');
    like($r->{err}, qr/pool www: the folder of the state file .* is not there: make it/, 'is told');
}

done_testing();
