"""A curve of numbers: its scale, its gaps, and what it does where there is little to draw."""

from __future__ import annotations

import math

import pytest

from loadgen.live.curve import WIDEST, Curve
from loadgen.units import format_rate


@pytest.mark.parametrize(
    ("sentence", "values", "line", "top"),
    [
        ("from zero to the largest", [0, 1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇██", "up to 8/s"),
        ("what is steady is full", [5, 5, 5], "███", "up to 5/s"),
        ("nothing is low", [0, 0], "▁▁", "up to 0/s"),
        ("a second without samples is a gap", [8, None, 8], "█ █", "up to 8/s"),
        ("what never ended is no scale", [4, math.inf, 8], "▅∞█", "up to 8/s"),
        ("only what never ended", [math.inf], "∞", ""),
        ("nothing at all", [], "", ""),
    ],
)
def test_the_line(sentence: str, values: list[float | None], line: str, top: str) -> None:
    curve = Curve(format_rate)
    for value in values:
        curve.add(value)
    assert curve.draw(20) == (line, top), sentence


@pytest.mark.parametrize(("width", "drawn"), [(5, 5), (100, WIDEST), (-3, 1)])
def test_the_last_seconds_are_drawn_as_far_as_there_is_room(width: int, drawn: int) -> None:
    curve = Curve(format_rate)
    for second in range(1000):
        curve.add(1000 if second < 900 else 10)
    assert curve.draw(width) == ("█" * drawn, "up to 10/s")


def test_a_terminal_without_blocks_gets_others() -> None:
    curve = Curve(format_rate)
    for value in (0, 4, 8, math.inf):
        curve.add(value)
    assert curve.draw(20, ascii_only=True)[0] == "_+#!"
