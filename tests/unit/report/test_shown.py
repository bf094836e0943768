"""Text from outside: short, and without what steers a reader's eye."""

from __future__ import annotations

import pytest

from loadgen.report.shown import LONGEST, document, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET /items", "GET /items"),
        ("a\0b", "a\\x00b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("<b>größer</b> 👍", "<b>größer</b> 👍"),
        ("line\nline", "line\\nline"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_steers_is_escaped(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_ten_megabytes_are_a_line() -> None:
    found = shown("\0" * 10_000_000)
    assert len(found) < 5 * LONGEST
    assert found.endswith("(10,000,000 characters)")


def test_a_document_is_cut_everywhere() -> None:
    found = document({"rows": list(range(1000)), "deep": [{"body": "x" * 10_000}], "none": None})
    assert len(found["rows"]) == 101
    assert found["rows"][-1] == "… and 900 more"
    assert len(found["deep"][0]["body"]) < 2 * LONGEST
    assert found["none"] is None
