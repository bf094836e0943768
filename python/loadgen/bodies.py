"""Forms, and parts with files, in curl's words. `{{name}}` stays for the engine to put in."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote_plus

from loadgen.templates import around_values
from loadgen.units import quoted

FORM_TYPE = "application/x-www-form-urlencoded"


def form_body(texts: Sequence[str]) -> bytes:
    """`NAME=VALUE` each, encoded as a browser does. Values from rows are encoded when they are put in."""
    pairs = [_pair(text, "user=ann") for text in texts]
    parts = [f"{around_values(name, quote_plus)}={around_values(value, quote_plus)}" for name, value in pairs]
    return "&".join(parts).encode()


def multipart_body(texts: Sequence[str]) -> tuple[bytes, str]:
    """`NAME=VALUE` or `NAME=@FILE` each: the body and its Content-Type. Files are sent as they are."""
    parts = []
    for text in texts:
        name, value = _pair(text, "photo=@cat.png")
        disposition = f'Content-Disposition: form-data; name="{_in_quotes(name)}"'
        if value.startswith("@"):
            path = Path(value[1:]).expanduser()
            try:
                content = path.read_bytes()
            except OSError as error:
                raise ValueError(f"{value[1:]} cannot be read: {error.strerror or error}") from None
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            head = f'{disposition}; filename="{_in_quotes(path.name)}"\r\nContent-Type: {kind}'
            # What looks like a value in a file is none.
            content = content.replace(b"{{", b"{{open}}")
        else:
            head, content = disposition, value.encode(errors="surrogateescape")
        parts.append(head.encode() + b"\r\n\r\n" + content + b"\r\n")
    # Of the parts alone, so that a run can be repeated; no part can hold its own digest.
    boundary = f"loadgen-{sha256(b''.join(parts)).hexdigest()[:32]}"
    opened = b"".join(f"--{boundary}\r\n".encode() + part for part in parts)
    return opened + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _pair(text: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f'expected NAME=VALUE such as "{example}", got {quoted(text)}')
    return name, value


def _in_quotes(text: str) -> str:
    """As browsers write names into a header."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
