"""A request, read off a connection."""

import base64
import http.client
import io
from urllib.parse import parse_qsl, urlsplit

from .stash import Stash

LINE_MAX = 1 << 20
_MISSING = object()


class MultiDict(dict):
    """Names with lists of values; [] and first() give the first value."""

    def __init__(self, pairs=()):
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def __getitem__(self, name):
        return self.first(name)

    def first(self, name, default=_MISSING):
        values = dict.get(self, name)
        if values:
            return values[0]
        if default is _MISSING:
            raise KeyError(name)
        return default

    def get(self, name, default=None):
        return self.first(name, default)

    def get_list(self, name):
        return dict.get(self, name, [])


class RequestHeaders(dict):
    """Lower-case names with lists of values; [] and get() join them."""

    def __init__(self, pairs):
        super().__init__()
        for name, value in pairs:
            self.setdefault(name.lower(), []).append(value)

    def __contains__(self, name):
        return dict.__contains__(self, _key(name))

    def __getitem__(self, name):
        return b", ".join(dict.__getitem__(self, _key(name)))

    def get(self, name, default=None):
        return self[name] if name in self else default

    def get_list(self, name, default=_MISSING):
        if name not in self and default is not _MISSING:
            return default
        return dict.__getitem__(self, _key(name))


class Authentication:
    """Name and password of HTTP Basic, or None and None."""

    def __init__(self, headers):
        scheme, _, data = headers.get(b"authorization", b"").partition(b" ")
        self.username = self.password = None
        if scheme.lower() == b"basic":
            name, _, password = base64.b64decode(data).partition(b":")
            self.username, self.password = name, password


class Request:
    def __init__(self, connection, line, head):
        """line: the three parts of the request line; head: what follows it."""
        self.method, self.request_path, self.protocol_version = line
        self.connection = connection
        self.server = View(connection.site, self.request_path)
        self.doc_root = connection.site.root
        self.head = head
        self.headers = RequestHeaders(_fields(head))
        netloc = self.headers.get(b"host", b"").decode("latin-1")
        self.url = f"http://{netloc}{self.request_path}"
        self.url_parts = urlsplit(self.url)
        self.GET = MultiDict(_form(self.url_parts.query))
        self.auth = Authentication(self.headers)
        self._body = None

    @property
    def body(self):
        if self._body is None:
            self._body = self._read_body()
        return self._body

    @property
    def raw_input(self):
        return io.BytesIO(self.body)

    @property
    def raw_headers(self):
        return http.client.parse_headers(io.BytesIO(self.head))

    @property
    def POST(self):
        kind = self.headers.get(b"content-type", b"").split(b";")[0].strip()
        if kind != b"application/x-www-form-urlencoded":
            return MultiDict()
        return MultiDict(_form(self.body.decode("latin-1")))

    def _read_body(self):
        source = self.connection.source
        if self.headers.get(b"expect", b"").lower() == b"100-continue":
            self.connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if b"transfer-encoding" in self.headers:
            return b"".join(_chunks(source))
        return _exactly(source, int(self.headers.get(b"content-length", 0)))


class View:
    """What a handler calls request.server."""

    def __init__(self, site, path):
        self.stash = Stash(site.stashes, path.partition("?")[0])
        self.config = site.config


def read_request(connection):
    """The next request, or None when the client has closed."""
    line = connection.source.readline(LINE_MAX).decode("latin-1").split()
    if len(line) != 3:
        return None
    head = b""
    while True:
        field = connection.source.readline(LINE_MAX)
        if field in (b"\r\n", b"\n", b""):
            return Request(connection, line, head)
        head += field


def _fields(head):
    for field in head.splitlines():
        name, _, value = field.partition(b":")
        yield name.strip(), value.strip(b" \t")


def _form(text):
    """Pairs of bytes."""
    pairs = parse_qsl(text, keep_blank_values=True, encoding="latin-1")
    return [(_bytes(name), _bytes(value)) for name, value in pairs]


def _bytes(text):
    return text.encode("latin-1", "replace")


def _key(name):
    return (_bytes(name) if isinstance(name, str) else name).lower()


def _exactly(source, size):
    data = source.read(size)
    if len(data) != size:
        raise ConnectionError("the body is short")
    return data


def _chunks(source):
    """RFC 9112 section 7.1, without extensions and trailers."""
    while True:
        size = int(source.readline(LINE_MAX).split(b";")[0], 16)
        chunk = _exactly(source, size)
        source.readline(LINE_MAX)
        if size == 0:
            return
        yield chunk
