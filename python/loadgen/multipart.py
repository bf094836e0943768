"""`files=`: a form with files in it, as httpx takes it. Files on a disk stay there until they are sent.

It opens no file by itself.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterable, Mapping
from mimetypes import guess_type
from typing import Any

from loadgen.units import format_bytes

# Of one request, files on a disk apart: each user that uploads holds as much.
LIMIT = 256_000_000
_EXPECTED = "expected bytes, text, an open file, or (name, content) or (name, content, type)"


def encode(data: Any, files: Any, boundary: str | None = None) -> tuple[str, list[Any]]:
    """Content type and body, the latter in pieces: bytes and open files. `boundary` is drawn unless given."""
    boundary = boundary or os.urandom(16).hex()
    pieces: list[Any] = []
    held = bytearray()
    size = 0
    for head, content in (*_fields(data), *_files(files)):
        size += len(head) + (len(content) if isinstance(content, bytes) else 0)
        if size > LIMIT:
            raise ValueError(
                f"files: a body is made in memory, of at most {format_bytes(LIMIT)}; this is more: "
                "give files on a disk, open as binary"
            )
        held += b"--%b\r\n%b\r\n\r\n" % (boundary.encode(), head)
        if isinstance(content, bytes):
            held += content
        else:
            pieces += [bytes(held), content]
            held.clear()
        held += b"\r\n"
    held += b"--%b--\r\n" % boundary.encode()
    return f"multipart/form-data; boundary={boundary}", [*pieces, bytes(held)]


def _fields(data: Any) -> Iterable[tuple[bytes, bytes]]:
    for name, value in _pairs(data):
        for one in value if isinstance(value, (list, tuple)) else [value]:
            content = one if isinstance(one, bytes) else _text(one).encode()
            yield f'Content-Disposition: form-data; name="{_quoted(name)}"'.encode(), content


def _files(files: Any) -> Iterable[tuple[bytes, Any]]:
    for field, file in _pairs(files):
        name, content, kind = _file(field, file)
        head = f'Content-Disposition: form-data; name="{_quoted(field)}"'
        if name is not None:
            head += f'; filename="{_quoted(name)}"'
            kind = kind or guess_type(name)[0] or "application/octet-stream"
        if kind is not None:
            if re.search(r"[\x00-\x1f\x7f]", kind):
                raise ValueError(f"files[{field!r}]: the content type has control characters")
            head += f"\r\nContent-Type: {kind}"
        yield head.encode(), content


def _file(field: str, file: Any) -> tuple[str | None, Any, str | None]:
    if isinstance(file, (tuple, list)):
        if not 2 <= len(file) <= 3:
            raise TypeError(f"files[{field!r}]: {_EXPECTED}")
        name, content, *kind = file
        return name, _content(field, content), kind[0] if kind else None
    path = getattr(file, "name", None)
    name = os.path.basename(path) if isinstance(path, str) else "upload"  # noqa: PTH119 - a name, not a path
    return name, _content(field, file), None


def _content(field: str, content: Any) -> Any:
    if _is_on_disk(content):
        return content
    if hasattr(content, "read"):
        # One byte more than would do is enough to see that it does not.
        content = content.read(LIMIT + 1)
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    raise TypeError(f"files[{field!r}]: {_EXPECTED}, got {type(content).__name__}")


def _is_on_disk(content: Any) -> bool:
    file = getattr(content, "file", content)  # what a temporary file with a name is wrapped around
    raw = getattr(file, "raw", file)
    return isinstance(raw, io.FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def _pairs(given: Any) -> Iterable[tuple[str, Any]]:
    return given.items() if isinstance(given, Mapping) else given or ()


def _text(value: object) -> str:
    """As httpx writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _quoted(text: str) -> str:
    """As HTML 5 wants names in a head: what would end them is encoded."""
    return re.sub(r'["\x00-\x1f\x7f]', lambda found: f"%{ord(found[0]):02X}", str(text))
