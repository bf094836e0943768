"""What is looked for in messages: paths, replies, stamps, as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loadgen.engine_plan import Correlation, Expected, Stamp
from loadgen.message_paths import parse_correlation, parse_expected, parse_path, parse_stamp


@pytest.mark.parametrize(
    "text", ["id", "data.id", "params[0].seq", "[1]", "[1][2].a", "$.a", "$[0]", "a b.ü"]
)
def test_paths(text: str) -> None:
    assert parse_path(text) == text


@pytest.mark.parametrize(
    "text", ["", "$", "$.", ".a", "a.", "a..b", "a[", "a[x]", "a.[0]", "a]", "[-1]", "[٣]", "a[9999999999]"]
)
@pytest.mark.parametrize("parse", [parse_path, parse_expected, parse_correlation, parse_stamp])
def test_what_is_no_path_is_refused(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="expected a path"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("any", None, None),
        ("$.any", "$.any", None),
        ("op", "op", None),
        ("op=subscribed", "op", '"subscribed"'),
        ('op="subscribed"', "op", '"subscribed"'),
        ("op = say hi", "op", '"say hi"'),
        ("a.b=7", "a.b", "7"),
        ("a=1.50", "a", "1.50"),
        ("ok=true", "ok", "true"),
        ("ok=null", "ok", "null"),
        ("a=x=y", "a", '"x=y"'),
        ("a=", "a", '""'),
        ('a={"b": [1, 2]}', "a", '{"b":[1,2]}'),
    ],
)
def test_replies(text: str, path: str | None, value: str | None) -> None:
    assert parse_expected(text) == Expected(path, value)


def test_correlations() -> None:
    assert parse_correlation("id") == Correlation("id", "id")
    assert parse_correlation("id = request.id") == Correlation("id", "request.id")
    with pytest.raises(ValueError, match="expected a path"):
        parse_correlation("id=")


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("t", Stamp("t", 1, "monotonic")),
        ("data.t:us", Stamp("data.t", 1_000, "monotonic")),
        ("t:ms:wall", Stamp("t", 1_000_000, "wall")),
        ("t:wall", Stamp("t", 1, "wall")),
        ("a:b:s", Stamp("a:b", 1_000_000_000, "monotonic")),
    ],
)
def test_stamps(text: str, stamp: Stamp) -> None:
    assert parse_stamp(text) == stamp


def test_a_unit_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected PATH\[:ns\|us\|ms\|s\]\[:wall\]"):
        parse_stamp("t:minutes")
