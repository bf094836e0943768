"""The drawing: it keeps to the width of the terminal, and nothing in it steers the terminal."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from loadgen.live import drawing
from loadgen.live.curve import Curve
from loadgen.live.figures import Figures
from loadgen.report.columns import width_of
from loadgen.threshold_grammar import parse_threshold
from loadgen.units import format_ns, format_rate
from loadgen.watch import State
from tests.unit.live.test_terminal import tick

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\u202eevil\U000e0001日本" + "x" * 10_000_000


def draw(width: int, states: list[State], *, name: str = "a run", encoding: str = "utf-8") -> str:
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding, errors="backslashreplace", newline="")
    console = Console(file=file, width=width, color_system=None)
    rate, p99 = Curve(format_rate), Curve(format_ns)
    for second in range(60):
        rate.add(5000.0)
        p99.add(math.inf if second == 50 else 1e6 * second)
    console.print(drawing.head(name, 3, 10, "7s left"))
    console.print(drawing.curves(console, ("rate", rate, "received, "), ("p99", p99, "")))
    console.print(drawing.figures(console, Figures(tick(1))))
    for part in drawing.thresholds(console, states):
        console.print(part)
    file.flush()
    return buffer.getvalue().decode(encoding)


def states() -> list[State]:
    found = [("errors < 1%", 0.0), ("p99 < 250ms over 30s", 310.0), ("p99.9 < 1s", None)]
    found += [(f"label {number}: p50 < 1s", 5.0) for number in range(20)]
    return [State(parse_threshold(text), value) for text, value in found]


def test_what_fails_stands_first_and_the_others_are_counted() -> None:
    lines = draw(80, states()).splitlines()[-6:]
    assert [line.rstrip() for line in lines] == [
        "thresholds   FAIL      310 ms    p99 < 250ms over 30s",
        "             pass      0 %       errors < 1%",
        "             no data             p99.9 < 1s",
        "             pass      5.00 ms   label 0: p50 < 1s",
        "             pass      5.00 ms   label 1: p50 < 1s",
        "             and 18 more: 18 pass",
    ]


def test_at_80_columns_nothing_is_cut() -> None:
    text = draw(80, states())
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    assert "█" * 40 + "   received, up to 5,000/s" in text
    assert "∞" in text and "up to 59.0 ms" in text


def test_at_40_columns_figures_are_whole_too() -> None:
    """In more lines; and their curves do not say what they are of."""
    text = draw(40, states()[:3])
    assert "…" not in text and "..." not in text and max(map(width_of, text.splitlines())) <= 40
    for words in ("sent 5,000/s of 5,000/s", "max 1.00 ms", "12 connections", "p99 < 250ms over 30s"):
        assert words in text, text
    assert "█" * 10 + "   up to 5,000/s" in text


@pytest.mark.parametrize("width", [80, 40, 20])
def test_names_are_shown_as_text_and_cut(width: int) -> None:
    text = draw(width, [State(parse_threshold(f"{HOSTILE}: p50 < 1s"), 5.0)], name=HOSTILE)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert max(map(width_of, text.splitlines())) <= width
    if width == 80:
        assert "\\x1b]0;owned" in text and ": p50 < 1s" in text, text


def test_a_terminal_that_has_only_ascii() -> None:
    text = draw(80, states(), encoding="ascii")
    assert "#" * 40 in text and "!" in text
    assert "\\u" not in text, "neither bar nor curve"
