"""Values that a handler leaves for a later request."""

import threading


class Stashes:
    """The values of all requests, by path and key."""

    def __init__(self):
        self.lock = threading.RLock()
        self.values = {}


class Stash:
    """The stash as one request sees it: its own path unless it says one."""

    def __init__(self, stashes, path):
        self.stashes = stashes
        self.lock = stashes.lock
        self.path = path

    def put(self, key, value, path=None):
        with self.lock:
            self.stashes.values[path or self.path, _text(key)] = value

    def take(self, key, path=None):
        """The value, which is then gone, or None."""
        with self.lock:
            return self.stashes.values.pop((path or self.path, _text(key)),
                                           None)


def _text(key):
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)
