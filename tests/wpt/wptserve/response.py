"""A reply: filled in by a handler, or written by it piece by piece."""

import email.utils
import http.client


class ResponseHeaders:
    """Fields in the order they were set, each name as last spelt."""

    def __init__(self):
        self.fields = {}

    def set(self, name, value):
        self.fields[_bytes(name).lower()] = [(name, value)]

    def append(self, name, value):
        self.fields.setdefault(_bytes(name).lower(), []).append((name, value))

    def update(self, pairs):
        for name, value in pairs:
            self.append(name, value)

    def get(self, name, default=None):
        fields = self.fields.get(_bytes(name).lower())
        return fields[0][1] if fields else default

    def __contains__(self, name):
        return _bytes(name).lower() in self.fields

    def __getitem__(self, name):
        return self.fields[_bytes(name).lower()][0][1]

    __setitem__ = set

    def __iter__(self):
        for fields in self.fields.values():
            yield from fields


class Response:
    def __init__(self, connection, request):
        self.request = request
        self.headers = ResponseHeaders()
        self.status = 200
        self.content = []
        self.encoding = "utf-8"
        self.close_connection = False
        self.writer = Writer(self, connection)

    def set_error(self, code, message=""):
        self.status = (code, message)
        self.headers.set("Content-Type", "text/plain")
        self.content = message

    @property
    def bare(self):
        """Whether it has no content, whatever the handler says."""
        return self.request.method == "HEAD" or self._status()[0] in (204, 304)

    def _status(self):
        return (self.status if isinstance(self.status, tuple)
                else (int(self.status),))

    def write_status_headers(self):
        self.writer.write_status(*self._status())
        for name, value in self.headers:
            self.writer.write_header(name, value)
        self.writer.end_headers()

    def write(self):
        """Sends what the handler has filled in, if it has written nothing."""
        if self.writer.content_written:
            return
        if self.content == []:
            self.content = b""
        self.write_status_headers()
        pieces = self.content
        if isinstance(pieces, (str, bytes)):
            pieces = [pieces]
        if not self.bare:
            all(self.writer.write(piece) for piece in pieces)


class Writer:
    """The wire. A head is sent whole: by end_headers() or the first data."""

    def __init__(self, response, connection):
        self.response = response
        self.connection = connection
        self.content_written = False
        self.head = b""
        self.names = set()

    def write_status(self, code, message=None):
        if message is None:
            message = http.client.responses.get(int(code), "")
        self.head = b"HTTP/1.1 %d %s\r\n" % (int(code), _bytes(message))

    def write_header(self, name, value):
        self.names.add(_bytes(name).lower())
        self.head += b"%s: %s\r\n" % (_bytes(name), self._encode(value))

    def end_headers(self):
        content = self.response.content
        if b"date" not in self.names:
            self.write_header("Date", email.utils.formatdate(usegmt=True))
        framed = {b"content-length", b"transfer-encoding"} & self.names
        if isinstance(content, (str, bytes)) and not framed:
            self.write_header("Content-Length", len(self._encode(content)))
        elif b"content-length" not in self.names:
            self.response.close_connection = True
        self.head += b"\r\n"
        self.write(b"")

    def write_content(self, data):
        """Sends data, and before the first of it a head."""
        if not self.content_written:
            self.response.content = data
            self.response.write_status_headers()
        return self.write(b"" if self.response.bare else data)

    def write(self, data):
        """True, or False when the client is gone."""
        self.content_written = True
        data = self.head + self._encode(data)
        self.head = b""
        try:
            self.connection.send(data)
            return True
        except OSError:
            self.response.close_connection = True
            return False

    write_raw_content = write

    def flush(self):
        """Nothing waits but a head."""

    def _encode(self, data):
        return _bytes(data, self.response.encoding)


def _bytes(value, encoding="latin-1"):
    return value if isinstance(value, bytes) else str(value).encode(encoding)
