"""Bodies: what `data`, `json` and `files` come to, by the rules of either client."""

from __future__ import annotations

import io
from typing import Any

import pytest

from loadgen.importers.locust.bodies import FORM, Body, body_of_fast, body_of_requests, encode_pairs


@pytest.mark.parametrize(
    ("data", "json", "expected"),
    [
        (None, None, Body(None)),
        ({}, None, Body(None)),
        ({}, {"a": 1}, Body(b'{"a": 1}', "application/json")),
        ({"a": 1, "b": ["x", "y"]}, None, Body(b"a=1&b=x&b=y", FORM)),
        ([("a", "1"), ("a", "2")], None, Body(b"a=1&a=2", FORM)),
        ("h\u00e9", None, Body("h\u00e9".encode())),
        (b"raw", {"ignored": 1}, Body(b"raw")),
        (None, {"a": "\u00fc"}, Body(b'{"a": "\\u00fc"}', "application/json")),
        (None, [], Body(b"[]", "application/json")),
    ],
)
def test_bodies_of_requests(data: Any, json: Any, expected: Body) -> None:
    assert body_of_requests(data, json, None) == expected


@pytest.mark.parametrize(
    ("data", "json", "expected"),
    [
        (None, None, Body(None)),
        ({"a": 1, "b": ["x"]}, None, Body(b"a=1&b=%5B%27x%27%5D", f"{FORM}; charset=utf-8")),
        ("text", None, Body(b"text", "text/plain; charset=utf-8")),
        (b"raw", None, Body(b"raw", "application/octet-stream")),
        ("ignored", {"a": 1}, Body(b'{"a": 1}', "application/json")),
    ],
)
def test_bodies_of_the_fast_client(data: Any, json: Any, expected: Body) -> None:
    assert body_of_fast(data, json, None) == expected


def test_a_file_is_sent_with_its_length_by_one_and_in_chunks_by_the_other() -> None:
    assert body_of_requests(io.BytesIO(b"abc"), None, None) == Body(b"abc")
    chunked = body_of_fast(io.BytesIO(b"abc"), None, None)
    assert chunked == Body(b"3\r\nabc\r\n0\r\n\r\n", "application/octet-stream", is_chunked=True)


def test_what_is_made_piece_by_piece_is_sent_in_chunks() -> None:
    pieces = (piece for piece in (b"ab", b"", "c"))
    assert body_of_requests(pieces, None, None) == Body(
        b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", None, is_chunked=True
    )


def test_the_fast_client_takes_no_list() -> None:
    with pytest.raises(AttributeError, match="read"):
        body_of_fast([("a", "1")], None, None)


def test_files_are_parts_of_a_form() -> None:
    named = io.StringIO("two")
    named.name = "folder/two.txt"
    files = {"one": ("1.txt", b"one", "text/plain", {"X-Of": "it"}), "two": named, "three": "3"}
    body = body_of_requests({"field": ["a", "b"]}, None, files)
    kind, _, boundary = (body.kind or "").partition("; boundary=")
    assert kind == "multipart/form-data"
    parts = (body.content or b"").decode().split(f"--{boundary}")
    assert parts[0] == ""
    assert parts[-1] == "--\r\n"
    assert parts[1:-1] == [
        '\r\nContent-Disposition: form-data; name="field"\r\n\r\na\r\n',
        '\r\nContent-Disposition: form-data; name="field"\r\n\r\nb\r\n',
        (
            '\r\nContent-Disposition: form-data; name="one"; filename="1.txt"\r\nContent-Type: text/plain\r\n'
            "X-Of: it\r\n\r\none\r\n"
        ),
        '\r\nContent-Disposition: form-data; name="two"; filename="two.txt"\r\n\r\ntwo\r\n',
        '\r\nContent-Disposition: form-data; name="three"; filename="three"\r\n\r\n3\r\n',
    ]


def test_a_query_leaves_out_what_is_none() -> None:
    assert encode_pairs({"a": None, "b": [1, None, 2], "c": "x y"}) == "b=1&b=2&c=x+y"
    assert encode_pairs("a=%20") == "a=%20"
    assert encode_pairs(b"a=1") == "a=1"
