"""The expressions of ifTrue and of conditions."""

from __future__ import annotations

import math
from typing import Any

import pytest

from loadgen.importers.artillery.expressions import compile_expression
from loadgen.importers.artillery.values import is_true
from loadgen.importers.artillery.virtual_user import UNDEFINED


def value(text: str, **names: Any) -> Any:
    return compile_expression(text)(lambda name: names.get(name, UNDEFINED))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ^ 3", 8),
        ("7 % 4", 3),
        ("-2 + 5", 3),
        ("1 - 2 - 3", -4),
        ("10 / 4", 2.5),
        ("1 / 0", math.inf),
        ('"a" + "b"', "ab"),
        ('"5" == 5', 1),
        ("1 < 2 and 2 < 3", 1),
        ("1 > 2 or 3 > 2", 1),
        ("not 0", 1),
        ("not (1 > 2)", 1),
        ("not a == 1", 1),
        ("3 in (1, 2, 3)", 1),
        ('"x" not in ("y", "z")', 1),
        ("1 ? 2 : 3", 2),
        ("0 ? 2 : 0 ? 4 : 5", 5),
        ("max(1, 3, 2) + min(4, 5)", 7),
        ("round(2.5) + floor(1.9) + ceil(0.1) + abs(0 - 4)", 9),
        ("a.b > 1", 1),
        ("1 + 2 not in (3)", 2),
        ("order == 1", 0),
        ("missing > 1", 0),
        ("missing == 0", 0),
        ("not missing", 1),
    ],
)
def test_what_they_come_to(text: str, found: Any) -> None:
    assert value(text, **{"a": 0, "a.b": 2, "odd-name": 7}) == found


def test_conditions_are_read_by_a_later_grammar() -> None:
    compiled = compile_expression("'odd-name' == 7 and random() < 1", is_condition=True)
    assert is_true(compiled({"odd-name": 7}.get))


def test_truths_are_numbers() -> None:
    assert is_true(value("name and 1", name="1")) and not is_true(value("name and other", name="x", other=0))


@pytest.mark.parametrize(
    "text",
    [
        *("1 +", "a ==", "(1", "nope(1)", "$a > 1", "1 2", "in 3", "a = 1", "1 ? 2", "", "a == 'x'"),
        *("random()", "1 in ()", "not(1 > 2)", "1 in(1)"),
    ],
)
def test_what_has_no_meaning(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        compile_expression(text)
