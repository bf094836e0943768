"""JavaScript's values: lengths of time with their traps, texts, numbers, conditions, paths."""

from __future__ import annotations

import math
from typing import Any

import pytest

from loadgen.importers.artillery.values import (
    are_equal,
    are_same,
    get_path,
    is_true,
    json_text,
    leading_int,
    number_of,
    parse_path,
    seconds,
    set_path,
    string_of,
    text_of,
)
from loadgen.importers.artillery.virtual_user import UNDEFINED


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (5, 5.0),
        ("5", 5.0),
        (" 5 ", 5.0),
        ("1m", 60.0),
        ("10 minutes", 600.0),
        ("500ms", 0.5),
        ("1.5h", 5400.0),
        ("2 days", 172_800.0),
        ("1w", 604_800.0),
        (".5s", 0.5),
        ("1.5", 0.0015),  # the trap: without a unit, milliseconds
        (1.5, None),
        ("soon", None),
        ("", 0.0),
        ("5 parsecs", None),
        (None, 0.0),
        ([], None),
    ],
)
def test_lengths_of_time(written: Any, found: float | None) -> None:
    assert seconds(written) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (UNDEFINED, "undefined"),
        (None, "null"),
        (True, "true"),
        (5.0, "5"),
        (1.5, "1.5"),
        (math.nan, "NaN"),
        (0.00005, "0.00005"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-0.0, "0"),
        (-math.inf, "-Infinity"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ("x", "x"),
    ],
)
def test_texts(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_json_leaves_out_what_is_undefined() -> None:
    assert json_text({"a": UNDEFINED, "b": [UNDEFINED, 1.0], "c": math.nan}) == '{"b":[null,1],"c":null}'


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *(("", 0), (" 7 ", 7), ("0x10", 16), ("1e3", 1000), (None, 0), (True, 1), ("7up", None)),
        *(("1_000", None), ("nan", None), ("inf", None), ("Infinity", math.inf), ("-0x10", None), ("5.", 5)),
        *((".5", 0.5), (".", None), ("0b11", 3), ("\u0663", None)),
    ],
)
def test_numbers(value: Any, number: float | None) -> None:
    found = number_of(value)
    assert math.isnan(found) if number is None else found == number


@pytest.mark.parametrize(
    ("value", "number"),
    [("250ms", 250), (" -3.9", -3), (7.5, 7), ("x", None), (True, None), (UNDEFINED, None)],
)
def test_whole_numbers_that_texts_begin_with(value: Any, number: int | None) -> None:
    assert leading_int(value) == number


def test_texts_where_a_template_would_have_json() -> None:
    assert string_of([1, [2, None], {"a": 1}, UNDEFINED]) == "1,2,,[object Object],"
    assert (string_of(None), string_of(1.0), string_of("x")) == ("null", "1", "x")


def test_conditions() -> None:
    nothing: list[Any] = ["", 0, None, UNDEFINED, math.nan, False]
    assert [is_true(value) for value in nothing] == [False] * 6
    something: list[Any] = ["0", 1, [], {}, "false", True]
    assert [is_true(value) for value in something] == [True] * 6


def test_two_kinds_of_equality() -> None:
    assert are_equal("5", 5) and are_equal(None, UNDEFINED) and are_equal(1, True)
    assert not are_equal("a", 5) and not are_equal(None, 0)
    assert are_same(5, 5.0) and are_same("a", "a") and not are_same("5", 5) and not are_same(1, True)
    assert not are_same(None, UNDEFINED) and are_same(None, None)


def test_paths() -> None:
    assert parse_path("a.b[0]['c d'].e") == ("a", "b", "0", "c d", "e")
    holder = {"a": {"b": [{"c d": 1}]}, "x.y": 2, "t": "text"}
    assert get_path(holder, "a.b[0]['c d']") == 1
    assert get_path(holder, "x.y") == 2  # the whole text comes first
    assert get_path(holder, "a.b.length") == 1
    assert get_path(holder, "t[1]") == "e"
    assert get_path(holder, "a.nope.b") is UNDEFINED


def test_what_is_on_the_way_is_copied() -> None:
    shared = {"list": [{"n": 1}], "same": {"m": 2}}
    holder: dict[str, Any] = {"a": shared}
    set_path(holder, "a.list[0].n", 5)
    assert holder == {"a": {"list": [{"n": 5}], "same": {"m": 2}}}
    assert shared == {"list": [{"n": 1}], "same": {"m": 2}}


def test_values_are_put_at_paths() -> None:
    holder: dict[str, Any] = {}
    set_path(holder, "plain", 1)
    set_path(holder, "user.names[1]", "b")
    set_path(holder, "user.names[0]", "a")
    assert holder == {"plain": 1, "user": {"names": ["a", "b"]}}
