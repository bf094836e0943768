"""Parsers run one after another, their complaints kept with their places. It knows no field of a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from loadgen.errors import Mistake
from loadgen.units import parse_count, quoted

T = TypeVar("T")


class Checker:
    """Runs parsers and keeps their complaints, each with the place that the user knows it by."""

    def __init__(self, origins: Mapping[str, str]) -> None:
        self._origins = origins
        self.mistakes: list[Mistake] = []

    def optional(self, place: str, parse: Callable[[Any], T], value: Any) -> T | None:
        """None stays None."""
        return None if value is None else self(place, parse, value)

    def __call__(self, place: str, parse: Callable[[Any], T], value: Any) -> T | None:
        try:
            return parse(value)
        except ValueError as error:
            self.wrong(place, str(error))
            return None

    def wrong(self, place: str, text: str) -> None:
        """One mistake, at `field`, `field[1]` or `field[1].part`."""
        ways = (re.split(parting, place, maxsplit=1)[0] for parting in (r"\[", r"[.\[]"))
        field = next((way for way in ways if way in self._origins), None)
        self.mistakes.append(Mistake(place if field is None else self.named(field), text))

    def named(self, field: str) -> str:
        """What the user calls a field: `--tps`, `LOADGEN_TPS`, `rate`."""
        return self._origins.get(field, field)


def at_most(limit: int, *, at_least: int = 1) -> Callable[[str | int], int]:
    """A parser of whole numbers within bounds."""

    def parse(value: str | int) -> int:
        count = parse_count(value, at_least=at_least)
        if count > limit:
            raise ValueError(f"expected at most {limit:,}, got {quoted(value)}")
        return count

    return parse


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """A parser of names from a list."""

    def choose(value: str) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {quoted(value)}")
        return value

    return choose
