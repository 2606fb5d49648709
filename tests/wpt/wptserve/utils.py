"""Bytes as text of the same code units, and back."""


def isomorphic_decode(data):
    return data.decode("latin-1") if isinstance(data, bytes) else data


def isomorphic_encode(text):
    return text.encode("latin-1") if isinstance(text, str) else text
