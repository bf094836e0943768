"""Files of requests: every format, and every mistake with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadgen.errors import PlanError
from loadgen.targets import WantedRequest, read_targets

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, text: str | bytes) -> list[tuple[object, ...]]:
    path = tmp_path / "targets"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [
        (wanted.weight, wanted.method, wanted.url, wanted.headers, wanted.body)
        for wanted in read_targets(path)
    ]


def mistakes(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(PlanError) as caught:
        read(tmp_path, text)
    return [str(mistake).removeprefix(f"{tmp_path}/") for mistake in caught.value.mistakes]


def test_plain_lines(tmp_path: Path) -> None:
    text = "\ufeff# all\r\n2.5 PATCH http://a/ü?b=c d\r\n/x\r\n\r\n7 http://b\r\n"
    assert read(tmp_path, text) == [
        (2.5, "PATCH", "http://a/ü?b=c d", [], None),
        (None, None, "/x", [], None),
        (7, None, "http://b", [], None),
    ]


def test_vegetas_text_with_headers_bodies_and_comments(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\x00\xff")
    text = f"GET http://a/\nGET http://b/\nX-A: 1: 2\n# no\nX-A:3\n\nPUT http://c/\n@{tmp_path}/body\nX-B:\n"
    assert read(tmp_path, text) == [
        (None, "GET", "http://a/", [], None),
        (None, "GET", "http://b/", [("X-A", "1: 2"), ("X-A", "3")], None),
        (None, "PUT", "http://c/", [("X-B", "")], b"\x00\xff"),
    ]


def test_vegetas_json(tmp_path: Path) -> None:
    text = '{"method":"POST","url":"http://a/","body":"aGk=","header":{"A":["b","c"]}}\n\n{"url":"/x","weight":2}\n'
    assert read(tmp_path, text) == [
        (None, "POST", "http://a/", [("A", "b"), ("A", "c")], b"hi"),
        (2, None, "/x", [], None),
    ]


def test_places_are_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("\n\n/x\n")
    assert read_targets(path) == [WantedRequest(f"{path}:3", None, "/x", [], None, None)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["targets: has no requests"]),
        (
            "GET\n\nX-A: b\n0 /x",
            ["targets:1: expected", "targets:3: expected", "targets:4: expected a weight"],
        ),
        ("/x\n@none\n/y\n@", ["targets:2: none cannot be read", "targets:4: @ cannot be read"]),
        ('{"url": 5}\n{"url": "/", "body": "?"}\n{', ["targets:1: ", "targets:2: body", "targets:3: "]),
        (b"/x\n/\xff", ["targets:2: not UTF-8"]),
    ],
)
def test_every_mistake_has_its_line(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    found = mistakes(tmp_path, text)
    assert len(found) == len(expected), found
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start), found


def test_more_mistakes_than_anybody_reads_are_counted(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "nothing\n\n" * 500)
    assert len(found) == 21
    assert found[-1].endswith("and 480 more mistakes")
