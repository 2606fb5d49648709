#!/usr/bin/perl
# What console prints, row by row, as it stands in the log.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Both;
use Snap;
use Test::More;

both_start();
both('a script that prints', 'console.js', {}, '', sub {
    my ($r, $by) = @_;
    is($r->{body}, "printed\n", "$by: it answers");
});

my @cases = (
    ['primitives', 'primitives: [', '  1,         -0,', q(  10n,       's',),
        q(  "it's",    true,), '  null,      undefined,', '  Symbol(y)', ']'],
    ['depth ends at two', 'nesting: { a: { b: { c: [Object] } } }'],
    ['a loop is marked', q(loop: <ref *1> { name: 'loop', self: [Circular *1] })],
    ['a class is named', 'class: Point { x: 1 }'],
    ['a null prototype', 'null: [Object: null prototype] {}'],
    ['a Map and a Set', q(map: Map(1) { 'a' => Set(2) { 1, 'b' } })],
    ['a hole', 'holes: [ 1, <1 empty item>, 3 ]'],
    ['a long list is cut', '  ... 2 more items'],
    ['a typed array', 'bytes: Uint8Array(2) [ 1, 2 ]'],
    ['a buffer', 'buffer: ArrayBuffer { [Uint8Contents]: <01 ff>, byteLength: 2 }'],
    ['a Date', 'date: 1970-01-01T00:00:00.000Z'],
    ['a RegExp', 'regexp: /a\/b/gi'],
    ['promises', 'promises: [ Promise { 1 }, Promise { <pending> } ]'],
    ['functions', 'functions: [ [Function: f], [class A extends Point], [Function (anonymous)] ]'],
    ['accessors are not run', 'accessors: { a: [Getter/Setter], b: [Getter] }'],
    ['a proxy shows its target', 'proxy: { a: 1 }'],
    ['keys are quoted where they must', q(keys: { 'a-b': 1, [Symbol(k)]: 2 })],
    ['a wide object has a row for each', 'wide: {', q(  first: ') . 'x' x 40 . q(',),
        q(  second: ') . 'y' x 40 . q('), '}'],
    ['an error, its own keys and its cause', 'error: Oops: outer', '    at somewhere {',
        q(  code: 'E1',), '  [cause]: TypeError: inner', '      at elsewhere', '}'],
    ['Headers show their list', q(headers: Headers { a: '1', b: '2' })],
    ['format specifiers', q(it is 50% 1 1.5 {"a":1} [ 2 ] . rest)],
    ['a group indents', 'group', '  in', '  it', 'out of it'],
    ['a table', '┌─────────┬───┬─────┐', '│ (index) │ a │ b   │', '├─────────┼───┼─────┤',
        q(│ 0       │ 1 │ 'x' │), '│ 1       │ 2 │     │', '└─────────┴───┴─────┘'],
    ['assert', 'Assertion failed: because so'],
    ['count', 'default: 1', 'default: 2'],
);

my @by = qw(CGI FastCGI);
for my $log (both_log()) {
    utf8::decode($log);
    my $by = shift @by;
    my @lines = split(/\n/, $log);
    for my $case (@cases) {
        my ($name, @rows) = @$case;
        ok(stands(\@lines, @rows), "$by: $name")
            or diag(join("\n", 'expected', @rows, 'in', @lines));
    }
    unlike($log, qr/not at this level/, "$by: debug is not written by default");
}

# Do the rows end log lines that follow one another?
sub stands {
    my ($lines, @rows) = @_;
    for my $at (0 .. @$lines - @rows) {
        my $good = 1;
        for my $i (0 .. $#rows) {
            my $tail = " $rows[$i]";
            $good &&= substr($lines->[$at + $i], -length $tail) eq $tail;
        }
        return 1 if $good;
    }
    return 0;
}

done_testing();
