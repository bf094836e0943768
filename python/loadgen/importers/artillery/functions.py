"""The functions that templates may call: `$randomNumber`, `$randomString`. Others may be added to them."""

from __future__ import annotations

import math
import random
import string
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.values import number_of
from loadgen.importers.artillery.virtual_user import UNDEFINED

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Function
    from loadgen.importers.artillery.virtual_user import VirtualUser

_LETTERS = string.ascii_letters + string.digits


def random_number(vu: VirtualUser, least: Any = UNDEFINED, most: Any = UNDEFINED) -> int:
    """A whole number, both ends included; one argument alone is the upper end, none is 0 or 1."""
    if least is UNDEFINED and most is UNDEFINED:
        return vu.rng.getrandbits(1)
    low, high = _whole(least), _whole(most)
    if most is UNDEFINED:
        low, high = 0, low
    low, high = min(low, high), max(low, high)
    return low + int(vu.rng.random() * (high - low + 1))


def random_string(vu: VirtualUser, length: Any = UNDEFINED) -> str:
    """Letters and digits, ten unless it says how many."""
    count = 10 if length is UNDEFINED else _whole(length)
    return "".join(vu.rng.choices(_LETTERS, k=count)) if count > 0 else ""


def _whole(value: Any) -> int:
    number = number_of(value)
    return int(number) if math.isfinite(number) else 0


FUNCTIONS: dict[str, Function] = {"$randomNumber": random_number, "$randomString": random_string}


class Nobody:
    """Stands for the virtual user where there is none yet, as when `config` is read."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.vars = variables
        self.rng = random.Random()  # noqa: S311 - nothing secret is drawn
        self.uid = "undefined"
