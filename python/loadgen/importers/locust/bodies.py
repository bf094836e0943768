"""From `data`, `json` and `files` to the bytes of a body and what it is, by the rules of either client."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from os import urandom
from pathlib import PurePath
from typing import Any, NamedTuple
from urllib.parse import urlencode

from loadgen.importers.locust.exceptions import InvalidJSONError

FORM = "application/x-www-form-urlencoded"


class Body(NamedTuple):
    """What is sent, of which type; `is_chunked` where its length is not said."""

    content: bytes | None
    kind: str | None = None
    is_chunked: bool = False


def body_of_requests(data: Any, json: Any, files: Any) -> Body:
    """As `requests` has it."""
    if files:
        return _multipart(data, files)
    if not data and json is not None:
        try:
            return Body(json_module.dumps(json, allow_nan=False).encode(), "application/json")
        except ValueError as error:
            raise InvalidJSONError(error) from None
    if not data and not hasattr(data, "read"):
        return Body(None)
    if isinstance(data, str | bytes | bytearray | memoryview):
        return Body(_bytes(data))
    if hasattr(data, "read"):
        return Body(_bytes(data.read()))
    if isinstance(data, Mapping | list | tuple):
        return Body(encode_pairs(data).encode(), FORM)
    return _chunked(data, None)


def body_of_fast(data: Any, json: Any, files: Any) -> Body:
    """As the other client has it."""
    if files:
        return _multipart(data, files)
    if json is not None:
        return Body(json_module.dumps(json).encode(), "application/json")
    if data is None:
        return Body(None)
    if isinstance(data, Mapping):
        return Body(urlencode(data).encode(), f"{FORM}; charset=utf-8")
    if isinstance(data, str):
        return Body(data.encode(), "text/plain; charset=utf-8")
    if isinstance(data, bytes | bytearray | memoryview):
        return Body(bytes(data), "application/octet-stream")
    if hasattr(data, "read"):
        return _chunked([data.read()], "application/octet-stream")
    if hasattr(data, "__next__"):
        return _chunked(data, "application/octet-stream")
    raise AttributeError(f"{type(data).__name__!r} object has no attribute 'read'")


def encode_pairs(data: Any) -> str:
    """A query or a form; lists are several values of one name, and None is none."""
    if isinstance(data, str | bytes):
        return data if isinstance(data, str) else data.decode()
    pairs = data.items() if isinstance(data, Mapping) else data
    found = []
    for name, values in pairs:
        many = [values] if isinstance(values, str | bytes) or not hasattr(values, "__iter__") else values
        found += [(name, value) for value in many if value is not None]
    return urlencode(found)


def _chunked(pieces: Any, kind: str | None) -> Body:
    framed = b"".join(
        b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (_bytes(one) for one in pieces) if piece
    )
    return Body(framed + b"0\r\n\r\n", kind, is_chunked=True)


def _multipart(data: Any, files: Any) -> Body:
    boundary = urandom(16).hex()
    fields = data.items() if isinstance(data, Mapping) else (data or ())
    parts: list[tuple[str, Mapping[str, str], bytes]] = []
    for name, values in fields:
        many = [values] if isinstance(values, str | bytes) or not hasattr(values, "__iter__") else values
        parts += [(_disposition(name), {}, _bytes(_said(one))) for one in many if one is not None]
    for name, given in files.items() if isinstance(files, Mapping) else files:
        if given is None:
            continue
        file_name, content, kind, more = _file(name, given)
        headers = {"Content-Type": kind} if kind else {}
        parts.append((_disposition(name, file_name), {**headers, **(more or {})}, content))
    pieces = []
    for disposition, more_headers, content in parts:
        lines = "".join(f"{header}: {value}\r\n" for header, value in more_headers.items())
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n{lines}\r\n"
        pieces.append(head.encode("utf-8", "surrogateescape") + content)
    body = b"\r\n".join(pieces) + f"\r\n--{boundary}--\r\n".encode()
    return Body(body, f"multipart/form-data; boundary={boundary}")


def _disposition(name: str | bytes, file_name: str | bytes | None = None) -> str:
    """Of a part, as browsers write it: what would end a name there is encoded."""
    named = "" if file_name is None else f'; filename="{_escaped(file_name)}"'
    return f'form-data; name="{_escaped(name)}"{named}'


def _escaped(name: str | bytes) -> str:
    text = name.decode() if isinstance(name, bytes) else name
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _file(name: str, given: Any) -> tuple[str | None, bytes, str | None, Mapping[str, str]]:
    """Its name, its content, its type, and more headers."""
    kind: str | None = None
    more: Mapping[str, str] = {}
    if isinstance(given, tuple | list):
        file_name, content, *rest = given
        kind = rest[0] if rest else None
        more = rest[1] if len(rest) > 1 else {}
    else:
        told = getattr(given, "name", None)
        is_named = isinstance(told, str) and told and not told.startswith("<")
        file_name, content = PurePath(str(told)).name if is_named else name, given
    read = content.read() if hasattr(content, "read") else content
    return file_name, _bytes(read), kind, more


def _said(value: Any) -> Any:
    return value if isinstance(value, str | bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
