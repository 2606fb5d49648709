"""Decorators of handlers."""

import functools
import json


def json_handler(handler):
    """The last thing a handler returns is sent as JSON."""

    @functools.wraps(handler)
    def wrapped(request, response):
        answer = handler(request, response)
        *before, value = answer if isinstance(answer, tuple) else (answer,)
        response.headers.set(b"Content-Type", b"application/json")
        return (*before, json.dumps(value)) if before else json.dumps(value)

    return wrapped
