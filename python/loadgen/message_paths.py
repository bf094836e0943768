"""What is looked for in messages, as people write it: `data.id`, `op=subscribed`, `ts:us:wall`. Pure.

A path leads into a JSON document: names parted by dots, places in lists in brackets; `$.` may go before.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from loadgen.engine_plan import Correlation, Expected, Stamp
from loadgen.templates import around_values
from loadgen.units import quoted

ANY = "any"
UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_PATH = re.compile(r"(?:\$\.?)?(?:[^.\[\]]+|\[[0-9]{1,9}\])(?:\.[^.\[\]]+|\[[0-9]{1,9}\])*")


def parse_path(text: str) -> str:
    """A path, as it is."""
    if not _PATH.fullmatch(text) or text in ("$", "$."):
        raise ValueError(f'expected a path such as "data.id" or "params[0].seq", got {quoted(text)}')
    return text


def parse_expected(text: str) -> Expected:
    """`any`, `PATH` or `PATH=VALUE`. A value that is not JSON is a text."""
    if text == ANY:
        return Expected(path=None, value=None)
    path, equals, value = text.partition("=")
    return Expected(path=parse_path(path.strip()), value=_as_json(value.strip()) if equals else None)


def _as_json(text: str) -> str:
    """As a server would write it: compared is text with text."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return msgspec.json.encode(text).decode()
    # A number stays as it is written: 1.50 is not 1.5 there.
    return msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else text


def parse_correlation(text: str) -> Correlation:
    """`PATH`, or `PATH=PATH`: in the message, and in its reply."""
    request, equals, reply = (part.strip() for part in text.partition("="))
    return Correlation(request=parse_path(request), reply=parse_path(reply if equals else request))


def has_value(message: str, path: str) -> bool:
    """Whether a message has something at a path, whatever its values will be."""
    try:
        found = msgspec.json.decode(around_values(message, str, instead="0"))
    except msgspec.DecodeError:
        return False
    for name, place in re.findall(r"([^.\[\]$]+)|\[(\d+)\]", path):
        if place:
            found = found[int(place)] if isinstance(found, list) and int(place) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, dict) else None
        if found is None:
            return False
    return True


def parse_stamp(text: str) -> Stamp:
    """`PATH[:ns|us|ms|s][:wall]`."""
    rest = text.removesuffix(":wall")
    clock: Literal["monotonic", "wall"] = "monotonic" if rest == text else "wall"
    path, colon, unit = rest.rpartition(":")
    if not colon:
        path, unit = rest, "ns"
    elif unit not in UNITS_NS:
        raise ValueError(f'expected PATH[:ns|us|ms|s][:wall] such as "data.t:us", got {quoted(text)}')
    return Stamp(path=parse_path(path), unit_ns=UNITS_NS[unit], clock=clock)
