"""Forms and parts, read back by others' parsers."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest

from loadgen.bodies import form_body, multipart_body

if TYPE_CHECKING:
    from pathlib import Path


def test_a_form_reads_back() -> None:
    body = form_body(["a b=c&d", "ü=é=1", "empty="]).decode()
    assert parse_qsl(body, keep_blank_values=True) == [("a b", "c&d"), ("ü", "é=1"), ("empty", "")]
    assert form_body(["a={{b c}}&"]) == b"a={{b c}}%26"


def test_parts_read_back(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n{{k}}")
    body, content_type = multipart_body(["title=a=b ü", f"photo=@{tmp_path}/cat.png"])
    whole = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    first, second = (part for part in whole.walk() if part is not whole and isinstance(part, Message))
    assert first.get_param("name", header="content-disposition") == "title"
    assert first.get_payload(decode=True) == "a=b ü".encode()
    assert (second.get_filename(), second.get_content_type()) == ("cat.png", "image/png")
    assert b"{{open}}k}}" in body  # a file holds no values: the engine puts the braces back


@pytest.mark.parametrize("text", ["a", "=b"])
def test_fields_have_names(text: str) -> None:
    for make in (form_body, multipart_body):
        with pytest.raises(ValueError, match="expected NAME=VALUE"):
            make([text])
