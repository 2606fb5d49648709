"""{{...}} in a file's text, and what ?pipe= does to a reply."""

import gzip
import re
import time


def substitute(data, config, request=None):
    """data with {{name[index]...}} replaced; what is unknown is left."""

    def value(found):
        name, *path = re.findall(r"[^\[\]]+(?=\[|$)|(?<=\[)[^\]]*(?=\])",
                                 found[1].decode("latin-1"))
        try:
            return _look_up(name, path, config, request).encode("latin-1")
        except (LookupError, TypeError, ValueError):
            return found[0]

    return re.sub(rb"\{\{([^{}\s]+)\}\}", value, data)


def _look_up(name, path, config, request):
    if name == "GET":
        return request.GET[path[0].encode("latin-1")].decode("latin-1")
    if name == "headers":
        return request.headers[path[0]].decode("latin-1")
    if name == "location":
        return _location(path[0], request.url_parts)
    found = config[name]
    for index in path:
        found = found[int(index) if isinstance(found, list) else index]
    return str(found)


def _location(part, url):
    return {"server": f"{url.scheme}://{url.netloc}", "scheme": url.scheme,
            "host": url.netloc, "hostname": url.hostname, "port": url.port,
            "path": url.path, "pathname": url.path,
            "query": f"?{url.query}"}[part]


def apply(text, request, response):
    """Runs name(argument,...)|name(...) over a filled-in reply."""
    for name, arguments in re.findall(r"(\w+)(?:\(((?:\\.|[^)\\])*)\))?",
                                      text):
        values = re.findall(r"(?:\\.|[^,\\])+", arguments)
        PIPES[name](request, response,
                    *[re.sub(r"\\(.)", r"\1", v) for v in values])


def _header(_, response, name, value, append="False"):
    put = response.headers.append if append == "True" else response.headers.set
    put(name, value)


def _status(_, response, code):
    response.status = int(code)


def _slice(_, response, start, end="null"):
    first, last = (None if v == "null" else int(v) for v in (start, end))
    response.content = response.content[first:last]


def _sub(request, response, _escape="html"):
    response.content = substitute(response.content, request.server.config,
                                  request)


def _gzip(_, response):
    response.headers.set("Content-Encoding", "gzip")
    response.content = gzip.compress(response.content)


def _trickle(_, response, steps):
    """100: so many bytes; d1: wait so many seconds; r2: repeat two steps."""
    steps = steps.split(":")
    if steps[0].startswith("d"):
        time.sleep(float(steps.pop(0)[1:]))
    response.headers.set("Content-Length", len(response.content))
    response.content = _trickled(response.content, steps)


def _trickled(data, steps):
    at = 0
    while data and at < len(steps):
        step = steps[at]
        at += 1
        if step.startswith("d"):
            time.sleep(float(step[1:]))
        elif step.startswith("r"):
            at -= int(step[1:] or 1) + 1
        else:
            yield data[:int(step)]
            data = data[int(step):]
    yield data


PIPES = {"header": _header, "status": _status, "slice": _slice, "sub": _sub,
         "gzip": _gzip, "trickle": _trickle}
