"""The expressions of `ifTrue` and of conditions: names, arithmetic, and, or, not, in, x ? y : z.

Compiled to a function of a look-up: `compile_expression("a > 1 and not b")({"a": 2}.get)`. What has no
meaning raises a ValueError when it is compiled. Conditions are read by a later grammar than `ifTrue`: there
alone, what stands between single quotes is a name, and a call may be without arguments.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from loadgen.importers.artillery.values import are_equal, is_true, number_of, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED

LookUp: TypeAlias = Callable[[str], Any]
Expression: TypeAlias = Callable[[LookUp], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)(?![\w.])
    |(?P<text>"[^"]*")|(?P<quoted>'[^']*')
    |(?P<word>(?:and|or|not|in)\W)  # with the sign after it, as there: "not(a)" has one parenthesis alone
    |(?P<name>[a-zA-Z][.\w]*)
    |(?P<sign>==|!=|>=|<=|[-*/+^%(),<>?:]))""",
    re.VERBOSE | re.ASCII,
)
# How strongly they bind: the loosest first.
_BINDING = {
    "?": 1,
    "or": 2,
    "and": 3,
    "in": 4,
    "not": 10,
    "==": 5,
    "!=": 5,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "+": 7,
    "-": 7,
    "*": 8,
    "/": 8,
    "%": 8,
    "^": 9,
}
_NOT, _MINUS = 10, 11


def _divided(one: float, other: float) -> float:
    if other:
        return one / other
    return math.nan if not one or math.isnan(one) else math.copysign(math.inf, one)


def _power(one: float, other: float) -> float:
    try:
        made = one**other
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return math.nan if isinstance(made, complex) else made


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, str) or isinstance(other, str):
        return text_of(one) + text_of(other)
    return number_of(one) + number_of(other)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], int]:
    def of(one: Any, other: Any) -> int:
        if isinstance(one, str) and isinstance(other, str):
            return int(compare(one, other))
        return int(compare(number_of(one), number_of(other)))

    return of


def _rounded(value: float) -> float:
    return float(math.floor(value + 0.5)) if math.isfinite(value) else value


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": _sum,
    "-": lambda one, other: number_of(one) - number_of(other),
    "*": lambda one, other: number_of(one) * number_of(other),
    "/": lambda one, other: _divided(number_of(one), number_of(other)),
    "%": lambda one, other: math.fmod(number_of(one), number_of(other)) if number_of(other) else math.nan,
    "^": lambda one, other: _power(number_of(one), number_of(other)),
    "==": lambda one, other: int(are_equal(one, other)),
    "!=": lambda one, other: int(not are_equal(one, other)),
    "<": _ordered(lambda one, other: one < other),
    "<=": _ordered(lambda one, other: one <= other),
    ">": _ordered(lambda one, other: one > other),
    ">=": _ordered(lambda one, other: one >= other),
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": lambda value: float(math.ceil(value)) if math.isfinite(value) else value,
    "floor": lambda value: float(math.floor(value)) if math.isfinite(value) else value,
    "log": lambda value: math.log(value) if value > 0 else (-math.inf if value == 0 else math.nan),
    "max": lambda *values: max(values),
    "min": lambda *values: min(values),
    "random": random.random,
    "round": _rounded,
    "sqrt": lambda value: math.sqrt(value) if value >= 0 else math.nan,
}


def compile_expression(text: str, *, is_condition: bool = False) -> Expression:
    """The expression as a function; a ValueError says what is wrong with it."""
    return _Parser(text, is_condition).whole()


class _Parser:
    """Reads an expression by how strongly its signs bind."""

    def __init__(self, text: str, is_condition: bool) -> None:
        self._is_condition = is_condition
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise ValueError(f"not understood from {text[at:].strip()!r} on")
            kind = match.lastgroup or ""
            word = match[kind]
            if kind == "word":
                kind, word = "sign", word[:-1]
            if kind == "quoted" and not is_condition:
                raise ValueError(f"{word}: texts stand in double quotes")
            self._tokens.append((kind, word))
            at = match.end()
        self._at = 0

    def whole(self) -> Expression:
        found = self._expression(0)
        if self._at < len(self._tokens):
            raise ValueError(f"{self._tokens[self._at][1]!r} is not expected here")
        return found

    def _peek(self) -> str | None:
        """The sign that comes next."""
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "sign":
            return self._tokens[self._at][1]
        return None

    def _take(self, sign: str) -> None:
        if self._peek() != sign:
            raise ValueError(f"{sign!r} is missing")
        self._at += 1

    def _expression(self, least: int) -> Expression:
        left = self._operand()
        while (sign := self._peek()) is not None and _BINDING.get(sign, 0) > least:
            self._at += 1
            left = self._joined(left, sign)
        return left

    def _joined(self, left: Expression, sign: str) -> Expression:
        if sign == "?":
            then = self._expression(0)
            self._take(":")
            other = self._expression(1)
            return lambda find: then(find) if is_true(left(find)) else other(find)
        if sign in ("in", "not"):
            if sign == "not":
                self._take("in")
            among = self._arguments()
            wanted = sign == "in"
            return lambda find: int((text_of(left(find)) in [text_of(one(find)) for one in among]) is wanted)
        right = self._expression(_BINDING[sign])
        if sign == "and":
            return lambda find: _number_if(right(find) if is_true(left(find)) else left(find))
        if sign == "or":
            return lambda find: _number_if(left(find) if is_true(left(find)) else right(find))
        operator = _BINARY[sign]
        return lambda find: operator(left(find), right(find))

    def _operand(self) -> Expression:
        if self._at >= len(self._tokens):
            raise ValueError("something is missing at its end")
        kind, word = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            number = float(word)
            return lambda _find: number
        if kind == "text":
            return lambda _find: word[1:-1]
        if kind == "quoted":
            return lambda find: find(word[1:-1])
        if kind == "name":
            return self._called(word) if self._peek() == "(" else lambda find: find(word)
        if word == "(":
            inner = self._expression(0)
            self._take(")")
            return inner
        if word == "-":
            inner = self._expression(_MINUS)
            return lambda find: -number_of(inner(find))
        if word == "not":
            inner = self._expression(_NOT)
            return lambda find: int(not is_true(inner(find)))
        raise ValueError(f"{word!r} is not expected here")

    def _called(self, name: str) -> Expression:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise ValueError(f"{name} is no function: there are {', '.join(_FUNCTIONS)}")
        arguments = self._arguments(may_be_none=self._is_condition)
        return lambda find: function(*(number_of(argument(find)) for argument in arguments))

    def _arguments(self, *, may_be_none: bool = False) -> list[Expression]:
        self._take("(")
        found: list[Expression] = []
        while not (self._peek() == ")" and (found or may_be_none)):
            if found:
                self._take(",")
            found.append(self._expression(0))
        self._take(")")
        return found


def _number_if(value: Any) -> Any:
    """`and` and `or` make numbers: of a text that is none, not a number, which is false."""
    return math.nan if value is UNDEFINED else number_of(value)
