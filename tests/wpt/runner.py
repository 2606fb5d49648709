"""One file of tests in one process of snapcgi."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass

from checkout import HARNESS

STATUS = ("OK", "ERROR", "TIMEOUT", "PRECONDITION_FAILED")
SUBTEST = ("PASS", "FAIL", "TIMEOUT", "NOTRUN", "PRECONDITION_FAILED")
LONG = 6  # times as long may a test take that says timeout=long
GRACE = 15  # seconds between the end of a test's time and of its process's
PASSED_ON = ("ASAN_OPTIONS", "LD_LIBRARY_PATH", "LSAN_OPTIONS",
             "UBSAN_OPTIONS")
CONFIG = """\
[cgi]
root = {root}
request_timeout = {seconds}s
heap_limit = 512m
buffer_limit = 512m
max_body = 64m
fetch_allow = all
fetch_max = 1000
fetch_concurrent = 64
fetch_max_bytes = 1g
"""


# Then the log says when no image is used.
TELLING = """\
[global]
log_level = info
"""
UNUSED = "the source is used"


@dataclass
class Result:
    """What came of a test. status: one of STATUS, CRASH or HANG."""

    test: object
    status: str
    message: str = None
    subtests: tuple = ()  # of (name, one of SUBTEST, message)
    seconds: float = 0.0
    log: str = ""


def describe(snapcgi):
    """(its --version in one line, V8's major version)."""
    said = subprocess.run([snapcgi, "--version"], capture_output=True,
                          text=True, check=True).stdout
    major = re.search(r"^V8 (\d+)", said, re.M)
    if not major:
        raise OSError(f"{snapcgi} does not name its V8: {said}")
    return ", ".join(said.splitlines()[:2]), int(major[1])


class Runner:
    def __init__(self, snapcgi, checkout, site, folder, timeout, images=0):
        """folder: for applications; timeout: seconds for a short test.

        images: 0 to run them from source, 1 from an image, 2 from an image of
        an image.
        """
        self.images = images
        self.snapcgi = os.path.abspath(snapcgi)
        self.checkout = checkout
        self.site = site
        self.folder = folder
        self.timeout = timeout
        self.config = os.path.join(folder, "snapcgi.conf")
        self.harness = checkout.text(HARNESS, site.config)
        self.template = _read(os.path.join(os.path.dirname(__file__),
                                           "application.js"))
        _write(self.config, TELLING * (images > 0) + CONFIG.format(
            root=folder, seconds=int(timeout * LONG) + GRACE))

    def run(self, test):
        start = time.monotonic()
        try:
            self.build(test)
        except (OSError, UnicodeDecodeError) as error:
            return Result(test, "ERROR", f"cannot be built: {error}")
        process = subprocess.Popen(
            [self.snapcgi], env=self.environment(test), cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        try:
            out, log = process.communicate(timeout=self.limit(test) + GRACE)
            result = self.read_reply(test, process.returncode, out)
        except subprocess.TimeoutExpired:
            process.kill()
            out, log = process.communicate()
            result = Result(test, "HANG", "had to be killed")
        if _kill_group(process.pid):
            result.status, result.message = "CRASH", "left a process behind"
        result.seconds = time.monotonic() - start
        result.log = log.decode("utf-8", "replace")
        if self.images and UNUSED in result.log:
            result.status, result.message = "ERROR", "no image was used"
        return result

    def read_reply(self, test, returncode, out):
        body = out.decode("utf-8", "replace").partition("\r\n\r\n")[2]
        if returncode < 0:
            return Result(test, "CRASH", signal.strsignal(-returncode))
        try:
            report = json.loads(body)
        except ValueError:
            return Result(test, "CRASH" if returncode else "ERROR",
                          f"no results; exit status {returncode}, replied "
                          + repr(body[:200] or out[:200]))
        subtests = tuple((self.site.stable(r["name"]), SUBTEST[r["status"]],
                          self.site.stable(r["message"] or ""))
                         for r in report["results"])
        if returncode:
            return Result(test, "CRASH", f"exit status {returncode} after its "
                          "reply", subtests)
        return Result(test, STATUS[report["status"]], report["message"],
                      subtests)

    def limit(self, test):
        return self.timeout * (LONG if test.long else 1)

    def application(self, test):
        """Where the application of a test lies."""
        return os.path.join(self.folder,
                            re.sub(r"\W", "_", test.name) + ".js")

    def build(self, test):
        texts = [self.checkout.text(path, self.site.config)
                 for path in (*test.scripts, test.file)]
        # In one script, the first directive would hold for all.
        strict = all(_is_strict(text) for text in texts)
        wpt = {"location": self.site.origin + test.page, "title": test.title,
               "timeout": int(self.limit(test) * 1000),
               "harness": self.harness,
               "script": ('"use strict";' if strict else ";")
               + "\n;\n".join(texts)}
        _write(self.application(test),
               f"const wpt = {json.dumps(wpt)};\n{self.template}")
        self.make_images(test)

    def make_images(self, test):
        application = self.application(test)
        image = application.removesuffix(".js") + ".img"
        for i in range(self.images):
            made = subprocess.run(
                [self.snapcgi, "image", "build", "-o", f"{image}.new"]
                + (["--from", image] if i else []) + [application],
                capture_output=True, text=True, check=False)
            if made.returncode:
                raise OSError(made.stderr)
            os.replace(f"{image}.new", image)

    def environment(self, test):
        """A web server's variables for a GET."""
        passed = {k: os.environ[k] for k in PASSED_ON if k in os.environ}
        return passed | {
            "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80",
            "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": "GET", "QUERY_STRING": "",
            "REQUEST_URI": "/test.js", "SCRIPT_NAME": "/test.js",
            "SCRIPT_FILENAME": self.application(test),
            "SNAPCGI_CONFIG": self.config}

    def command(self, test):
        """The same for a person to type."""
        return "env -i " + shlex.join(
            [f"{k}={v}" for k, v in self.environment(test).items()]
            + [self.snapcgi])


def _kill_group(group):
    """Whether there was anybody left in it."""
    try:
        os.killpg(group, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def _is_strict(text):
    before = r"(?:\s|//[^\n]*\n|/\*.*?\*/)*"
    return re.match(before + r"(['\"])use strict\1", text, re.S) is not None


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
