"""Forms with files as they go over the wire, and where they end."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from loadgen import multipart

if TYPE_CHECKING:
    from pathlib import Path


def test_a_form_to_the_last_byte() -> None:
    kind, body = multipart.encode({"a": True, "b": None}, {"f": ("f.txt", io.StringIO("hi"))}, "x")
    assert kind == "multipart/form-data; boundary=x"
    assert b"".join(body) == (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ntrue\r\n'
        b'--x\r\nContent-Disposition: form-data; name="b"\r\n\r\n\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nhi\r\n"
        b"--x--\r\n"
    )


def test_files_on_a_disk_stay_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "LIMIT", 1000)
    path = tmp_path / "large"
    path.write_bytes(bytes(5000))
    with path.open("rb") as file, path.open() as text:
        _, body = multipart.encode(None, {"f": file}, "x")
        assert body[1] is file
        assert body[0].endswith(b"\r\n\r\n")
        assert body[2] == b"\r\n--x--\r\n"
        with pytest.raises(ValueError, match="give files on a disk, open as binary"):
            multipart.encode(None, {"f": text})


def test_what_is_too_large_is_refused_before_it_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "LIMIT", 1000)
    multipart.encode(None, {"f": bytes(900)})
    for content in (bytes(1001), io.BytesIO(bytes(5000))):
        with pytest.raises(ValueError, match=r"a body is made in memory, of at most 1\.00 kB"):
            multipart.encode(None, {"f": content})


def test_a_content_type_is_one_line() -> None:
    with pytest.raises(ValueError, match="control characters"):
        multipart.encode(None, {"f": ("f", b"", "text/plain\r\nX: y")})
