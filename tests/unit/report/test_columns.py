"""Widths as terminals see them, and cuts that keep both ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.report.columns import cut_middle, fitted, pad, width_of


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("µs é", 4), ("日本", 4), ("e\u0301", 1), ("a\u200bb", 2), ("\uff46", 2)],
)
def test_widths(text: str, width: int) -> None:
    assert width_of(text) == width


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("GET /items", 10, "GET /items"),
        ("GET /a/very/long/path/to/items", 15, "GET /a.../items"),
        ("日本語日本語", 11, "日本...本語"),
        ("abcdef", 5, "a...f"),
    ],
)
def test_cuts(text: str, width: int, cut: str) -> None:
    assert cut_middle(text, width) == cut


@given(st.text(max_size=200), st.integers(5, 40))
def test_text_from_outside_fits_and_steers_nothing(text: str, width: int) -> None:
    shown = fitted(text, width)
    assert width_of(shown) <= width and shown.isprintable()


def test_a_name_of_megabytes_keeps_its_ends() -> None:
    assert fitted("GET /" + "\n" * 10_000_000 + "end", 15) == "GET /\\...n\\nend"


@given(st.text(max_size=60), st.integers(5, 40))
def test_what_is_padded_has_its_width(text: str, width: int) -> None:
    assert width_of(pad(text, width)) == width
