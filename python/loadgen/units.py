"""Values with units, as people write and read them: rates, durations, counts, sizes. Pure text, no policy."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction

_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_RATE = re.compile(rf"({_NUMBER})\s*([kM]?)\s*(?:/\s*(s|sec|second|m|min|minute|h|hour))?", re.ASCII)
_DURATION_PART = re.compile(rf"({_NUMBER})\s*(d|h|ms|min|m|us|µs|μs|ns|s)", re.ASCII)
_PER_SECOND = {"s": 1, "m": 60, "h": 3600}
_MULTIPLE = {"": 1, "k": 1_000, "M": 1_000_000}
_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,  # Greek mu: looks the same, and keyboards differ
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}


def quoted(value: object, most: int = 60) -> str:
    """A value as an error message shows it: in quotes, on one line, cut where it is long."""
    text = printable(str(value)[: most + 1])  # of megabytes, no more is looked at
    return f'"{text if len(text) <= most else text[: most - 3] + "..."}"'


def printable(text: str) -> str:
    """Text from outside, made safe for a terminal: what could steer it is shown as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def is_utf8(text: str) -> bool:
    """False where bytes that are none came from a shell: they are halves of surrogate pairs then."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_rate(value: str | float) -> float:
    """`5000`, `5000/s`, `300/m`, `10/h`, `2.5k/s` to arrivals per second."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value) or value < 0:
            raise ValueError(f'expected a rate such as "500/s", got {quoted(value)}')
        return float(value)
    match = _RATE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f'expected a rate such as "500/s", got {quoted(value)}')
    number, multiple, unit = match.groups()
    return float(Fraction(number) * _MULTIPLE[multiple] / _PER_SECOND[(unit or "s")[0]])


def parse_duration_ns(value: str | float) -> int:
    """`30s`, `5m`, `1h30m`, `250ms` to nanoseconds, exactly; a plain number is seconds."""
    complaint = f'expected a duration such as "30s", "5m" or "1h30m", got {quoted(value)}'
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value) or value < 0:
            raise ValueError(complaint)
        return round(Decimal(str(value)) * _NS["s"])
    text = str(value).strip()
    if re.fullmatch(_NUMBER, text, re.ASCII):
        return round(Fraction(text) * _NS["s"])
    total, position = Fraction(0), 0
    while match := _DURATION_PART.match(text, position):
        total += Fraction(match[1]) * _NS[match[2]]
        position = match.end()
    if position == 0 or position != len(text):
        raise ValueError(complaint)
    return round(total)


def parse_count(value: str | int, *, at_least: int = 1) -> int:
    """A whole number."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d+", text, re.ASCII) or int(text) < at_least:
        raise ValueError(f"expected a whole number, {at_least} or more, got {quoted(value)}")
    return int(text)


def format_count(value: float) -> str:
    """`50,000`."""
    return f"{value:,.0f}"


def counted(count: float, noun: str) -> str:
    """`1 user`, `2,000 users`."""
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"


def format_number(value: float) -> str:
    """A number whose unit only the reader knows: `1,200`, `0.25`, `∞`."""
    if math.isinf(value):
        return "∞"
    if abs(value) >= 1e9:
        return f"{value:.4g}"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.4g}"


def format_rate(per_second: float) -> str:
    """`5,000/s`, `12.5/s`, `6/m`: in the unit in which it is not a fraction."""
    if per_second >= 100 or per_second == 0:
        return f"{per_second:,.0f}/s"
    for factor, unit in ((1, "s"), (60, "m")):
        if per_second * factor >= 1:
            return f"{per_second * factor:.3g}/{unit}"
    return f"{per_second * 3600:.3g}/h"


def format_ns(value_ns: float | None) -> str:
    """A latency: `85 µs`, `1.23 ms`, `12.0 s`; `∞` for one that never ended, `-` for none."""
    if value_ns is None:
        return "-"
    if math.isinf(value_ns):
        return "∞"
    # The bounds are where rounding to three digits would reach the next unit.
    for bound, factor, unit in ((999.5, 1, "ns"), (999_500, 1e3, "µs"), (999_500_000, 1e6, "ms")):
        if value_ns < bound:
            return f"{_three_digits(value_ns / factor)} {unit}"
    return f"{_three_digits(value_ns / 1e9)} s"


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}"


def format_duration(ns: float) -> str:
    """A length of time as people would type it: `250ms`, `2.5s`, `1h30m`."""
    if ns == 0:
        return "0s"
    if ns < 1_000_000_000:
        return f"{ns / 1e6:g}ms" if ns >= 1_000_000 else f"{ns / 1e3:g}us" if ns >= 1_000 else f"{ns:g}ns"
    if ns < 60_000_000_000:
        return f"{ns / 1e9:.4g}s"
    seconds = round(ns / 1e9)
    parts = [
        (seconds // 86_400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    ]
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def format_bytes(count: float) -> str:
    """`950 B`, `1.20 MB`: powers of a thousand."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} B" if unit == "B" else f"{_three_digits(count)} {unit}"
        count /= 1000
    return f"{_three_digits(count)} TB"


def format_percent(share: float) -> str:
    """`0.04 %`, `12 %`, `250 %`: no more digits than it deserves, but never a false 0 or 100."""
    percent = share * 100
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if percent > 100:
        return f"{math.ceil(percent):,} %"
    if percent < 0.01:
        return "< 0.01 %"
    if 99.5 <= percent < 100:
        return f"{math.floor(percent * 100) / 100:g} %"
    return f"{percent:.2g} %"
