"""The file `expectations`: which sub-tests do not pass, and why.

    KIND[, V8 < N][, without PATH]: reason
        FILE[?variant]
            sub-test

Three steps of indentation. A sub-test is written as `run` prints it; a `*` in
it stands for any text, `\\*` for itself. PATH is a file that the checkout may
not have. KIND is one of

    skip    the file is not run; it has no sub-tests under it
    exempt  does not pass, and need not on a server: not in the rate
    fail    does not pass
    flaky   may pass or not

A sub-test that does not pass and is not named is unexpected. So is one that
passes although it is named, and a line that nothing matched. The first line
that matches decides.
"""

import operator
import os
import re
from dataclasses import dataclass

KINDS = ("skip", "exempt", "fail", "flaky")
HARNESS = "(harness)"  # stands for the file as a whole, beside its sub-tests
_HEAD = re.compile(r"(\w+)(?:, V8 (<|<=|==|>=|>) (\d+))?"
                   r"(?:, without ([^:]+))?: (.+)")
_COMPARE = {"<": operator.lt, "<=": operator.le, "==": operator.eq,
            ">=": operator.ge, ">": operator.gt}
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "*": "\\*"}


class ExpectationError(Exception):
    """A line that cannot be read."""


@dataclass
class Entry:
    """A line for sub-tests of a file; for `skip`, a line for a file."""

    kind: str
    reason: str
    file: str
    pattern: str
    line: int
    used: bool = False

    def matches(self, name):
        parts = re.split(r"((?:[^*\\]|\\.)+)", self.pattern)
        expression = "".join(".*" * len(part) if at % 2 == 0
                             else re.escape(_unescaped(part))
                             for at, part in enumerate(parts))
        return re.fullmatch(expression, name, re.S) is not None


class Expectations:
    def __init__(self, text, v8, root):
        """v8: its major version; root: the checkout's."""
        self.files = {}
        for entry in _entries(text, v8, root):
            self.files.setdefault(entry.file, []).append(entry)

    def skipped(self, test):
        """The entry that says not to run a test, or None."""
        return next((e for e in self._of(test) if e.kind == "skip"), None)

    def find(self, test, name):
        """The entry for a sub-test, or None."""
        for entry in self._of(test):
            if entry.kind != "skip" and entry.matches(name):
                entry.used = True
                return entry
        return None

    def unused(self, tests):
        """Entries for these tests that nothing has matched."""
        names = {n for test in tests for n in (test.file, test.name)}
        found = [entry for name in names for entry in self.files.get(name, ())
                 if entry.kind != "skip" and not entry.used]
        return sorted(found, key=lambda entry: entry.line)

    def _of(self, test):
        yield from self.files.get(test.name, ())
        if test.variant:
            yield from self.files.get(test.file, ())


def escaped(name):
    """A sub-test's name on one line, as the file has it."""
    plain = "".join(_NAMED.get(c) or (c if c.isprintable()
                                      else f"\\u{{{ord(c):x}}}")
                    for c in name)
    return re.sub(r"^ | $", r"\\u{20}", plain)


def _unescaped(text):
    def character(found):
        if found[1]:
            return chr(int(found[1], 16))
        return {"n": "\n", "r": "\r", "t": "\t"}.get(found[2], found[2])

    return re.sub(r"\\(?:u\{(\w+)\}|(.))", character, text)


def _entries(text, v8, root):
    """The entries whose conditions hold."""
    kind = file = None
    for number, line in enumerate(text.splitlines(), 1):
        depth, words = _depth(line, number), line.strip()
        if not words or words.startswith("#"):
            continue
        if depth == 0:
            kind, reason, holds = _head(words, number, v8, root)
            file = None
            continue
        if depth == 1:
            file = words
        if not kind or not file or (depth == 2 and kind == "skip"):
            raise ExpectationError(f"line {number}: nothing to belong to")
        if holds and (depth == 2 or kind == "skip"):
            yield Entry(kind, reason, file, words, number)


def _depth(line, number):
    spaces = len(line) - len(line.lstrip(" "))
    if spaces % 4 or spaces > 8:
        raise ExpectationError(f"line {number}: indented by {spaces}")
    return spaces // 4


def _head(words, number, v8, root):
    """(kind, reason, whether it holds)."""
    found = _HEAD.fullmatch(words)
    if not found or found[1] not in KINDS:
        raise ExpectationError(f"line {number}: not `KIND: reason`")
    kind, sign, major, path, reason = found.groups()
    holds = not sign or _COMPARE[sign](v8, int(major))
    if path and os.path.exists(os.path.join(root, path)):
        holds = False
    return kind, reason, holds
