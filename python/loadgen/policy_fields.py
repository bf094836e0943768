"""What fields of client policies may be. A check returns the value, or raises ValueError with its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loadgen.units import parse_duration_ns, quoted

MAX_WAIT_NS = 3_600_000_000_000


def check_count(field: str, value: object, limit: int) -> int:
    """A whole number from 1 on."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise ValueError(f"{field}: expected a whole number from 1 to {limit:,}, got {quoted(value)}")
    return value


def check_number(field: str, value: object, least: int, most: int) -> float:
    """A number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{field}: expected a number from {least} to {most}, got {quoted(value)}")
    return float(value)


def check_wait(field: str, value: Any) -> int:
    """A duration of an hour at the most, in ns."""
    try:
        ns = parse_duration_ns(value)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
    if ns > MAX_WAIT_NS:
        raise ValueError(f"{field}: expected at most 1h, got {quoted(value)}")
    return ns


def check_switch(field: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - a plan's mistakes are of one kind
            f"{field}: expected True or False, got {quoted(value)}"
        )
    return value


def check_list(field: str, value: object, words: str) -> list[object]:
    """A list, of whatever it is."""
    # A text is a sequence of texts too, and ("GET") is a text.
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(  # noqa: TRY004 - as above
            f"{field}: expected a list such as {words}, got {quoted(value)}"
        )
    return list(value)
