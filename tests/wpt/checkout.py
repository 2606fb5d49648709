"""The tests: where they are, which there are, and what each needs."""

import os
import re
import tarfile
from dataclasses import dataclass, field

from wptserve.pipes import substitute

HARNESS = "resources/testharness.js"
PACKED = "wpt.tar.xz"
# What a function on a server is judged by, in a checkout without a list.
AREAS = ("FileAPI/", "WebCryptoAPI/", "compression/", "console/",
         "dom/abort/", "dom/events/", "encoding/", "fetch/api/",
         "fetch/data-urls/", "hr-time/", "html/webappapis/atob/",
         "html/webappapis/microtask-queuing/",
         "html/webappapis/structured-clone/", "html/webappapis/timers/",
         "streams/", "url/", "urlpattern/", "wasm/jsapi/", "wasm/webapi/",
         "webidl/ecmascript-binding/", "webmessaging/message-channels/",
         "xhr/formdata/")


class CheckoutError(Exception):
    """There is nothing to run; the text says why."""


@dataclass(frozen=True)
class Test:
    """A file in one of its variants."""

    file: str
    variant: str = ""
    title: str = None
    scripts: tuple = field(default=(), repr=False)
    long: bool = False

    @property
    def name(self):
        return self.file + self.variant

    @property
    def page(self):
        """The path of the page that a browser would load."""
        return f"/{self.file[:-len('js')]}html{self.variant}"


class Checkout:
    """A folder with web platform tests in it."""

    def __init__(self, root, files=None):
        self.root = os.path.abspath(root)
        if not os.path.isfile(os.path.join(self.root, HARNESS)):
            raise CheckoutError(f"{root} has no {HARNESS}")
        self.listed = files

    def tests(self, filters):
        """Those whose path or variant has one of the filters in it."""
        files = self.listed or sorted(self._walk())
        if not filters and not self.listed:
            files = [f for f in files if f.startswith(AREAS)]
        return [test for file in files for test in self.variants(file)
                if not filters or any(f in test.name for f in filters)]

    def variants(self, path):
        """The tests of one file."""
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            meta = re.findall(r"^// META: (\w+)=(.*?)\s*$", file.read(), re.M)
        values = {}
        for key, value in meta:
            values.setdefault(key, []).append(value)
        scripts = tuple(_resolved(path, s) for s in values.get("script", ()))
        return [Test(path, variant, values.get("title", [None])[0], scripts,
                     "long" in values.get("timeout", ()))
                for variant in values.get("variant", [""])]

    def text(self, path, config):
        """A script, as the server would send it."""
        with open(os.path.join(self.root, path), "rb") as file:
            data = file.read()
        if ".sub." in os.path.basename(path):
            data = substitute(data, config)
        return data.decode("utf-8")

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            here = os.path.relpath(folder, self.root)
            folders[:] = [f for f in folders if f != "resources"
                          and not f.startswith(".")
                          and (here, f) not in ((".", "tools"),
                                                (".", "common"))]
            for name in names:
                if name.endswith((".any.js", ".window.js")):
                    yield os.path.normpath(os.path.join(here, name))


def open_checkout(source, unpacked):
    """A folder of tests, or one with them packed: unpacked, once, to there."""
    packed = os.path.join(source, PACKED)
    if not os.path.isfile(packed):
        return Checkout(source)
    stamp = os.path.join(unpacked, ".unpacked")
    made = str(os.stat(packed).st_mtime_ns)
    if not os.path.exists(stamp) or _read(stamp) != made:
        with tarfile.open(packed) as archive:
            archive.extractall(unpacked)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(made)
    listed = os.path.join(source, "files.list")
    files = _read(listed).split() if os.path.isfile(listed) else None
    return Checkout(os.path.join(unpacked, "wpt"), files)


def _resolved(path, script):
    script = script.partition("?")[0]
    if script == "/resources/WebIDLParser.js":  # an alias of the real server
        script = "/resources/webidl2/lib/webidl2.js"
    if script.startswith("/"):
        return script[1:]
    return os.path.normpath(os.path.join(os.path.dirname(path), script))


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()
