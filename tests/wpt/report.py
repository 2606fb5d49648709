"""Results held against expectations, and what is said of them."""

import json
from collections import Counter
from dataclasses import dataclass, field

from expect import HARNESS, escaped

SHOWN = 20  # sub-tests of a file that a person is shown
COLUMNS = ("pass", "fail", "known", "exempt")


@dataclass
class Judgement:
    """A result and what of it was not expected.

    counts: pass; fail; known, those of fail that are expected; exempt; and
    optional, what a test says need not be there.
    """

    result: object
    counts: Counter = field(default_factory=Counter)
    surprises: list = field(default_factory=list)  # of (name, message)

    @property
    def complete(self):
        """Whether there is a result for every sub-test."""
        return self.result.status in ("OK", "TIMEOUT")


def judge(result, expectations):
    judgement = Judgement(result)
    if result.status in ("CRASH", "HANG"):
        judgement.surprises.append((result.status, result.message))
    elif result.status != "OK":
        _judge_one(judgement, expectations, HARNESS,
                   ": ".join(filter(None, (result.status, result.message))))
    for name, status, message in result.subtests:
        if status == "PRECONDITION_FAILED":
            judgement.counts["optional"] += 1
        elif status == "PASS":
            _judge_pass(judgement, expectations, name)
        else:
            if status != "FAIL":
                message = f"{status}: {message}"
            _judge_one(judgement, expectations, name, message)
    return judgement


def _judge_pass(judgement, expectations, name):
    judgement.counts["pass"] += 1
    entry = expectations.find(judgement.result.test, name)
    if entry and entry.kind != "flaky":
        judgement.surprises.append(
            (name, f"passes, but see line {entry.line} of expectations"))


def _judge_one(judgement, expectations, name, message):
    """Something that did not pass. The harness itself is not counted."""
    entry = expectations.find(judgement.result.test, name)
    if not entry:
        judgement.surprises.append((name, message))
    if name == HARNESS:
        return
    if entry and entry.kind == "exempt":
        judgement.counts["exempt"] += 1
        return
    judgement.counts["fail"] += 1
    judgement.counts["known"] += entry is not None


def lines(judgement, verbose):
    """A file for a person: what was not expected, or with verbose anything."""
    result, counts = judgement.result, judgement.counts
    if not judgement.surprises and not verbose:
        return []
    word = "FAIL" if judgement.surprises else "ok  "
    said = [f"{word} {result.test.name}: {counts['pass']} pass, "
            f"{counts['fail'] + counts['exempt']} fail, "
            f"{result.seconds:.1f} s"]
    shown = len(judgement.surprises) if verbose else SHOWN
    for name, message in judgement.surprises[:shown]:
        said += [f"    {escaped(name)}",
                 f"        {escaped(message or '')[:400]}"]
    if len(judgement.surprises) > shown:
        said.append(f"    and {len(judgement.surprises) - shown} more")
    if result.log and (verbose or result.status != "OK"):
        said += [f"    log: {line}" for line in result.log.splitlines()[-30:]]
    return said


def tap_lines(number, judgement):
    counts = judgement.counts
    word = "not ok" if judgement.surprises else "ok"
    name = judgement.result.test.name.replace("#", "\\#")
    return [f"{word} {number} - {name}, {counts['pass']} pass",
            *(f"# {line}" for line in lines(judgement, False)[1:])]


class Summary:
    """A table of folders, and the sums."""

    def __init__(self, judgements, skipped, baseline):
        """baseline: how many sub-tests another program passes, by file."""
        self.rows, self.sum, self.baseline = {}, Counter(), baseline
        for judgement in judgements:
            self._row(judgement.result.test).update(judgement.counts)
        tests = {j.result.test.file: j.result.test for j in judgements}
        for file, test in tests.items():
            self._row(test)["files"] += 1
            self._row(test)["baseline"] += baseline.get(file, 0)
        for test in skipped:
            self._row(test)["skipped"] += 1
        for row in self.rows.values():
            self.sum.update(row)

    def _row(self, test):
        folder = "/".join(test.file.split("/")[:-1][:2])
        return self.rows.setdefault(folder, Counter())

    def lines(self):
        columns = ("files", *COLUMNS, *(["baseline"] if self.baseline else []))
        yield " " * 34 + "".join(f"{c:>10}" for c in columns)
        for name, row in [*sorted(self.rows.items()), ("all", self.sum)]:
            below = self.baseline and row["pass"] < row["baseline"]
            yield (f"{name:34}" + "".join(f"{row[c]:10}" for c in columns)
                   + ("  below" if below else ""))
        tried = self.sum["pass"] + self.sum["fail"]
        yield (f"{100 * self.sum['pass'] / max(1, tried):.2f} % of {tried} "
               f"sub-tests pass; {self.sum['exempt']} exempt, "
               f"{self.sum['optional']} optional, "
               f"{self.sum['skipped']} files skipped")


def write_json(path, engine, judgements, skipped):
    """Counts by file, and results in the form that wpt.fyi takes."""
    judgements = sorted(judgements, key=lambda j: j.result.test.name)
    files = {}
    for judgement in judgements:
        counts = files.setdefault(judgement.result.test.file, Counter())
        counts.update(judgement.counts)
        counts["unexpected"] += len(judgement.surprises)
    report = {
        "engine": engine,
        "files": files,
        "skipped": {test.name: reason for test, reason in skipped.items()},
        "results": [{
            "test": f"/{r.test.name}", "status": r.status,
            "message": r.message, "duration": int(r.seconds * 1000),
            "subtests": [{"name": n, "status": s, "message": m or None}
                         for n, s, m in r.subtests],
        } for r in (j.result for j in judgements)]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
