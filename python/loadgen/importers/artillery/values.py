"""Values as JavaScript has them: as text, as number, as condition; and paths into them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

from loadgen.importers.artillery.virtual_user import UNDEFINED

# 10 ms · "1.5h": a number, and maybe a unit.
_MS = re.compile(
    r"(-?(?:\d+)?\.?\d+) *"
    r"(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w|years?|yrs?|y)?",
    re.IGNORECASE | re.ASCII,
)
_UNIT_MS = {
    "y": 31_557_600_000.0,
    "w": 604_800_000.0,
    "d": 86_400_000.0,
    "h": 3_600_000.0,
    "m": 60_000.0,
    "s": 1_000.0,
}
# What `Number` reads: no underscores, and of words "Infinity" alone.
_DECIMAL = re.compile(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|Infinity)", re.ASCII)
_BASED = re.compile(r"0(?:[xX][\da-fA-F]+|[oO][0-7]+|[bB][01]+)", re.ASCII)
_PATH = re.compile(r"""\[\s*(?:"([^"]*)"|'([^']*)'|([^\]]*?))\s*\]|([^.\[\]]+)""")


def text_of(value: Any) -> str:
    """As a text: `true`, `5` for 5.0, JSON for what has parts."""
    if isinstance(value, str):
        return value
    if value is UNDEFINED:
        return "undefined"
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        return _number_text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return json_text(value)


def _number_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    # A power of ten is written further down than here.
    return f"{Decimal(text):f}" if 1e-6 <= abs(value) < 1e-4 else text.replace("e-0", "e-")


def string_of(value: Any) -> str:
    """As `String` has it, where a template has JSON: lists are joined, and objects have no text."""
    if isinstance(value, Mapping):
        return "[object Object]"
    if isinstance(value, (list, tuple)):
        return ",".join("" if one is None or one is UNDEFINED else string_of(one) for one in value)
    return text_of(value)


def json_text(value: Any) -> str:
    """As `JSON.stringify` has it."""
    return json_bytes(value).decode()


def json_bytes(value: Any) -> bytes:
    """The same, encoded."""
    return msgspec.json.encode(jsonable(value))


def jsonable(value: Any) -> Any:
    """Without what JSON has not: undefined goes from objects, and is null in lists."""
    if isinstance(value, Mapping):
        return {text_of(name): jsonable(one) for name, one in value.items() if one is not UNDEFINED}
    if isinstance(value, (list, tuple)):
        return [jsonable(one) for one in value]
    if value is UNDEFINED:
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    return value


def number_of(value: Any) -> float:
    """As a number: NaN where it is none."""
    if isinstance(value, (int, float)):
        return float(value)
    if value is None:
        return 0.0
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return 0.0
        if _DECIMAL.fullmatch(text):
            return float(text)
        return float(int(text, 0)) if _BASED.fullmatch(text) else math.nan
    return math.nan


def leading_int(value: Any) -> int | None:
    """What `parseInt` reads: the whole number that a text begins with."""
    match = re.match(r"\s*([-+]?\d+)", text_of(value), re.ASCII)
    return int(match[1]) if match else None


def is_true(value: Any) -> bool:
    """As a condition: empty lists and objects are true."""
    if isinstance(value, (list, dict, tuple)):
        return True
    return not (isinstance(value, float) and math.isnan(value)) and bool(value)


def are_equal(one: Any, other: Any) -> bool:
    """`==`, which takes "5" for 5."""
    nothing = (None, UNDEFINED)
    if one in nothing or other in nothing:
        return one in nothing and other in nothing
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    if isinstance(one, (dict, list)) and isinstance(other, (dict, list)):
        return one is other
    if isinstance(one, (dict, list)) or isinstance(other, (dict, list)):
        return string_of(one) == string_of(other)
    return number_of(one) == number_of(other)


def are_same(one: Any, other: Any) -> bool:
    """`===`: of one kind, and equal."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (dict, list)) or isinstance(other, (dict, list)):
        return one is other
    kinds = ((int, float), str)
    return (any(isinstance(one, kind) and isinstance(other, kind) for kind in kinds) and one == other) or (
        one is other
    )


def milliseconds(text: str) -> float | None:
    """What npm's `ms` makes of a text: "10m", "1.5 hours"; without a unit it is milliseconds."""
    match = _MS.fullmatch(text) if 0 < len(text) <= 100 else None
    if match is None:
        return None
    unit = (match[2] or "ms").lower()
    if unit.startswith(("ms", "mil")):
        return float(match[1])
    return float(match[1]) * _UNIT_MS[unit[0]]


def seconds(value: Any) -> float | None:
    """A length of time: a whole number is seconds, all else is for `ms`. None: it is none.

    So "1.5" is a millisecond and a half.
    """
    number = number_of(value)
    if number.is_integer():
        return number
    taken = milliseconds(value) if isinstance(value, str) else None
    return None if taken is None else taken / 1e3


@lru_cache(4096)
def parse_path(path: str) -> tuple[str, ...]:
    """`a.b[0]["c d"]` to its names."""
    return tuple(next((part for part in match if part), "") for match in _PATH.findall(path))


def get_path(holder: Any, path: str) -> Any:
    """The value at a path, or `UNDEFINED`. A name that has the path's whole text comes first."""
    if isinstance(holder, Mapping) and path in holder:
        return holder[path]
    return follow(holder, parse_path(path))


def follow(value: Any, names: Sequence[str]) -> Any:
    """The value that names lead to."""
    for name in names:
        if isinstance(value, Mapping):
            value = value.get(name, UNDEFINED)
        elif isinstance(value, (list, str)):
            if name == "length":
                value = len(value)
            elif name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            else:
                return UNDEFINED
        else:
            return UNDEFINED
    return value


def set_path(holder: dict[str, Any], path: str, value: Any) -> None:
    """Puts a value at a path, and makes what is missing on the way.

    What is on the way is copied: it may be the variable of many.
    """
    names = parse_path(path)
    if len(names) < 2 or path in holder:
        holder[path] = value
        return
    place: Any = holder
    for name, after in pairwise(names):
        inner = follow(place, [name])
        inner = inner.copy() if isinstance(inner, (dict, list)) else [] if after.isdecimal() else {}
        _put(place, name, inner)
        place = inner
    _put(place, names[-1], value)


def _put(place: dict[str, Any] | list[Any], name: str, value: Any) -> None:
    if isinstance(place, dict):
        place[name] = value
    elif name.isdecimal():
        index = int(name)
        place.extend([None] * (index + 1 - len(place)))
        place[index] = value
