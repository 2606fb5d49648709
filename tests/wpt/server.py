"""The HTTP server that tests talk to: a checkout's files and handlers."""

import contextlib
import mimetypes
import os
import socket
import socketserver
import sys
import threading
import time
import traceback
from urllib.parse import unquote

from wptserve import pipes
from wptserve.request import read_request
from wptserve.response import Response
from wptserve.stash import Stashes

HOST = "localhost"
TYPES = {".any.html": "text/html", ".window.html": "text/html",
         ".js": "text/javascript", ".mjs": "text/javascript",
         ".json": "application/json", ".idl": "text/plain",
         ".wasm": "application/wasm", ".md": "text/plain"}


class Connection(socketserver.StreamRequestHandler):
    """One client: requests until one side closes."""

    disable_nagle_algorithm = True

    def handle(self):
        self.site = self.server.site
        self.source = self.rfile
        try:
            while self._one():
                pass
        except (OSError, ValueError):
            pass  # the client is gone, or sent what no client sends

    def send(self, data):
        self.wfile.write(data)

    def _one(self):
        request = read_request(self)
        if request is None:
            return False
        response = Response(self, request)
        with self.site.counted():
            answer(self.site, request, response)
            response.write()
        if response.close_connection:
            return False
        request.body  # what no handler has read is not the next request
        return True


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, site):
        super().__init__(("127.0.0.1", 0), Connection)
        self.site = site
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Site:
    """The servers of one checkout, and what their requests share."""

    def __init__(self, root):
        self.root = os.path.realpath(root)
        self.stashes = Stashes()
        self.active = 0
        self.lock = threading.Lock()
        self.listeners = [Listener(self), Listener(self)]
        # Ports at which nobody answers: there is no TLS, no WebSocket here.
        self.closed = [socket.socket() for _ in range(2)]
        for one in self.closed:
            one.bind(("127.0.0.1", 0))
        self.config = configuration(
            [one.server_address[1] for one in self.listeners],
            [one.getsockname()[1] for one in self.closed])
        sys.path.append(self.root)  # handlers import what lies beside them

    @property
    def origin(self):
        return f"http://{HOST}:{self.config['ports']['http'][0]}"

    def stable(self, text):
        """text with its ports as {{ports[...][N]}}, the same in every run."""
        for name in ("http", "https"):
            for at, port in enumerate(self.config["ports"][name]):
                text = text.replace(f"{HOST}:{port}",
                                    f"{HOST}:{{{{ports[{name}][{at}]}}}}")
        return text

    @contextlib.contextmanager
    def counted(self):
        """A request in work."""
        with self.lock:
            self.active += 1
        try:
            yield
        finally:
            with self.lock:
                self.active -= 1

    def wait_idle(self, seconds):
        """How many requests are still in work after that time at most."""
        end = time.monotonic() + seconds
        while self.active and time.monotonic() < end:
            time.sleep(0.05)
        return self.active


def configuration(ports, closed):
    """The values of {{...}}; every name leads to this machine."""
    domains = {name: f"{name}.{HOST}" for name in ("www", "www1", "www2")}
    other = {name: f"{name}.other.{HOST}" for name in domains}
    return {"host": HOST, "browser_host": HOST,
            "domains": {"": HOST, **domains},
            "hosts": {"": {"": HOST, **domains},
                      "alt": {"": "127.0.0.1", **other}},
            "ports": {"http": ports, "https": closed, "h2": closed,
                      "ws": closed, "wss": closed}}


def answer(site, request, response):
    """Fills in a reply, or lets a handler write it."""
    path = os.path.realpath(site.root + unquote(request.url_parts.path))
    if not path.startswith(site.root + os.sep):
        response.set_error(404, "outside the checkout")
    elif path.endswith(".py") and os.path.isfile(path):
        run_handler(path, request, response)
    elif os.path.isfile(path):
        send_file(path, request, response)
    elif is_page(path):
        response.headers.set("Content-Type", "text/html")
        response.content = b"<!doctype html>\n"
    else:
        response.set_error(404, "no such file")


def is_page(path):
    """The page that a browser would load to run a test."""
    return (path.endswith((".any.html", ".window.html"))
            and os.path.isfile(path[:-len("html")] + "js"))


def run_handler(path, request, response):
    """Runs main(request, response) of a file, and takes what it returns."""
    names = {"__name__": "handler", "__file__": path}
    try:
        with open(path, encoding="utf-8") as file:
            exec(compile(file.read(), path, "exec"), names)
        result = names["main"](request, response)
    except OSError:
        raise
    except Exception:
        response.set_error(500, traceback.format_exc())
        return
    if isinstance(result, tuple):
        *status, headers, result = result
        response.status = status[0] if status else response.status
        response.headers.update(headers)
    if result is not None:
        response.content = result
    run_pipes(path, request, response)


def send_file(path, request, response):
    with open(path, "rb") as file:
        content = file.read()
    if path.endswith(".asis"):
        response.close_connection = True
        response.writer.write(content)
        return
    response.headers.set("Content-Type", type_of(path))
    for fields in (os.path.join(os.path.dirname(path), "__dir__.headers"),
                   path + ".headers"):
        add_headers(fields, response)
    response.content = content
    run_pipes(path, request, response)


def run_pipes(path, request, response):
    wanted = request.GET.first(b"pipe", b"").decode("latin-1")
    if ".sub." in os.path.basename(path):
        wanted = "sub|" + wanted
    if isinstance(response.content, bytes):
        pipes.apply(wanted, request, response)


def add_headers(path, response):
    if os.path.isfile(path):
        with open(path, encoding="latin-1") as file:
            for line in file:
                name, colon, value = line.partition(":")
                if colon:
                    response.headers.set(name.strip(), value.strip())


def type_of(path):
    for end, kind in TYPES.items():
        if path.endswith(end):
            return kind
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
