"""Text in columns of a terminal: how wide it is there, and cut to fit. Knows nothing of what it says."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from loadgen.units import printable

# Of every table that is printed.
WIDTH = 80


def width_of(text: str) -> int:
    """Columns that a terminal gives it: none for accents set on letters, two for wide letters."""
    return sum(_columns(char) for char in text)


def pad(text: str, width: int) -> str:
    """Text cut in its middle, or filled up, to so many columns."""
    text = cut_middle(text, width)
    return text + " " * (width - width_of(text))


def cut_middle(text: str, width: int) -> str:
    """The beginning and the end of what is too long: labels differ at either."""
    if width_of(text) <= width:
        return text
    room = width - len("...")
    return f"{_take(text, room - room // 2)}...{_take(text[::-1], room // 2)[::-1]}"


def hanging(head: str, words: Sequence[str]) -> list[str]:
    """Words behind a head, and below the first of them those that find no room beside it."""
    lines, room = [""], WIDTH - len(head)
    for whole in words:
        word = cut_middle(whole, room)
        if lines[-1] and width_of(lines[-1]) + 1 + width_of(word) > room:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return [f"{' ' * len(head) if number else head}{line}" for number, line in enumerate(lines)]


def bullet(text: str) -> list[str]:
    """One of several remarks."""
    return hanging("  - ", text.split())


def fitted(text: str, width: int) -> str:
    """Text from outside, safe for a terminal and in so many columns. It may have megabytes."""
    if len(text) > 2 * width:
        text = f"{text[:width]}...{text[-width:]}"
    return cut_middle(printable(text), width)


def _take(text: str, width: int) -> str:
    taken = 0
    for index, char in enumerate(text):
        taken += _columns(char)
        if taken > width:
            return text[:index]
    return text


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
