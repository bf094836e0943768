"""Captures and matches: what is taken, what fails, and what failing does."""

from __future__ import annotations

from typing import Any, cast

import pytest

from loadgen.importers.artillery.answer import Answer
from loadgen.importers.artillery.captures import compile_captures
from loadgen.importers.artillery.virtual_user import UNDEFINED
from tests.unit.importers.artillery.people import Reply, compiler, vu

JSON = (
    b'{"id": 7, "no": "", "word": "words", "nil": null,'
    b' "items": [{"n": 1, "on": true}, {"n": 2, "l": [1, 2]}, {"n": 3, "on": true}]}'
)
HTML = b"<html><a class='x' href='/1'>a</a><a class='x' href='/2'>b</a><p></p></html>"
XML = b"<r><item id='5'>one</item><item id='6'>two</item></r>"


def taken(body: bytes, capture: Any, seed: int = 1, **reply: Any) -> tuple[bool, Any]:
    one = compiler()
    take = compile_captures({"capture": {**capture, "as": "v"}}, "here", one)
    assert take is not None and not one.mistakes, one.mistakes
    user = vu(seed=seed)
    ok = take(Answer(cast("Any", Reply(body, **reply))), user)
    return ok, user.vars.get("v", UNDEFINED)


@pytest.mark.parametrize(
    ("capture", "found"),
    [
        ({"json": "$.id"}, 7),
        ({"json": "id"}, 7),
        ({"json": "$.nil"}, None),
        ({"json": "$.items[1].n"}, 2),
        ({"json": "$['items'][0]['n']"}, 1),
        ({"json": "$.items.length"}, 3),
        ({"json": "$.items[?(@.n === 2)].n"}, 2),
        ({"json": "$.items[(@.length-1)].n"}, 3),
        ({"json": "$.items[*].n", "multiple": False}, [1, 2, 3]),
        ({"json": "$.items[?(@.n == 2)].n", "multiple": False}, [2]),  # there might have been more
        ({"json": "$.items[(@.length-1)].n", "multiple": False}, 3),
        ({"json": "$.items[1].n", "multiple": False}, 2),
        ({"json": "$.items[?(@.l.length > 1)].n"}, 2),
        ({"json": "$.word.length"}, 5),
        ({"json": "$.word[1]"}, "o"),
        ({"regexp": '"id": (\\d+)', "group": 1}, "7"),
        ({"regexp": "(?<what>i[dt])", "group": "what"}, "id"),
        ({"regexp": "ID", "flags": "i"}, "id"),
        ({"header": "set-cookie"}, ["a=1; Path=/"]),
        ({"header": "x-token"}, "secret"),
        ({"regexp": "nope", "strict": False}, ""),
    ],
)
def test_what_is_taken(capture: Any, found: Any) -> None:
    assert taken(JSON, capture, headers={"X-Token": "secret", "Set-Cookie": "a=1; Path=/"}) == (
        True,
        found,
    )


@pytest.mark.parametrize(
    "capture",
    [
        {"json": "$.nope"},
        {"json": "$.no"},
        {"regexp": "nope"},
        {"header": "nope"},
        {"json": "$.items[?(@.n > 5)].n"},
    ],
)
def test_what_is_not_there_fails(capture: Any) -> None:
    assert taken(JSON, capture) == (False, UNDEFINED)


def test_of_several_hits_one_is_drawn() -> None:
    assert {taken(JSON, {"json": "$.items[*].n"}, seed)[1] for seed in range(50)} == {1, 2, 3}


def test_any_sign_is_none_that_ends_a_line() -> None:
    lines = b"token=abc\r\nnext=d"
    assert taken(lines, {"regexp": "token=(.*)", "group": 1}) == (True, "abc")
    assert taken(lines, {"regexp": "token=(.*)", "group": 1, "flags": "s"}) == (True, "abc\r\nnext=d")
    assert taken(lines, {"regexp": "[.[&&]|x="}) == (False, UNDEFINED)


def test_what_is_no_json_fails() -> None:
    assert taken(b"<html>", {"json": "$.id"}) == (False, UNDEFINED)


def test_attributes_of_a_page() -> None:
    pytest.importorskip("lxml")
    assert taken(HTML, {"selector": "a.x", "attr": "href"}) == (True, "/1")
    assert taken(HTML, {"selector": "a.x", "attr": "href", "index": 1}) == (True, "/2")
    assert taken(HTML, {"selector": "a.x", "attr": "href", "index": "last"}) == (True, "/2")
    found = {
        taken(HTML, {"selector": "a.x", "attr": "href", "index": "random"}, seed)[1] for seed in range(30)
    }
    assert found == {"/1", "/2"}
    assert taken(HTML, {"selector": "p", "attr": "id"}) == (False, UNDEFINED)


def test_xpath() -> None:
    pytest.importorskip("lxml")
    assert taken(XML, {"xpath": "//item[@id='6']"}) == (True, "two")
    assert taken(XML, {"xpath": "//item[1]/@id"}) == (True, "5")
    assert taken(b"no xml", {"xpath": "//item"}) == (False, UNDEFINED)


def test_a_failed_one_leaves_all_as_it_was() -> None:
    take = compile_captures(
        {"capture": [{"json": "$.id", "as": "a"}, {"json": "$.nope", "as": "b"}]}, "here", compiler()
    )
    assert take is not None
    user = vu({"a": "old"})
    assert take(Answer(cast("Any", Reply(JSON))), user) is False
    assert user.vars == {"a": "old"}


def test_of_several_for_one_variable_the_last_counts() -> None:
    def takes(*paths: str) -> tuple[bool, Any]:
        spec = {"capture": [{"json": path, "as": "a"} for path in paths]}
        take, user = compile_captures(spec, "here", compiler()), vu()
        assert take is not None
        return take(Answer(cast("Any", Reply(JSON))), user), user.vars.get("a", UNDEFINED)

    assert takes("$.nope", "$.id") == (True, 7)
    assert takes("$.id", "$.nope") == (False, UNDEFINED)


def test_what_a_capture_says_besides_is_told() -> None:
    one = compiler()
    compile_captures({"capture": {"json": "$.id", "as": "a", "transform": "x"}}, "here", one)
    assert list(one.notes) == ["here.capture.transform is not known, and without effect"]


def test_strict_by_default_unless_said() -> None:
    config = {"http": {"defaults": {"strictCapture": False}}}
    answer = Answer(cast("Any", Reply(JSON)))
    loose = compile_captures({"capture": {"json": "$.nope", "as": "a"}}, "here", compiler(config))
    strict = compile_captures(
        {"capture": {"json": "$.nope", "as": "a", "strict": True}}, "here", compiler(config)
    )
    assert loose is not None and loose(answer, vu()) is True
    assert strict is not None and strict(answer, vu()) is False


def test_matches() -> None:
    answer = Answer(cast("Any", Reply(JSON)))

    def matched(match: Any) -> bool:
        take = compile_captures({"match": match}, "here", compiler())
        assert take is not None
        return take(answer, vu({"seven": 7}))

    assert matched({"json": "$.id", "value": 7}) and matched({"json": "$.id", "value": "{{ seven }}"})
    assert not matched({"json": "$.id", "value": "7"})
    assert matched({"json": "$.id", "value": "7", "strict": False})


@pytest.mark.parametrize(
    ("spec", "place", "text"),
    [
        ({"capture": {"json": "$.a"}}, "here.capture.as", "is missing"),
        ({"capture": [{"as": "a"}]}, "here.capture[0]", "expected one of"),
        ({"capture": {"json": "$.[?", "as": "a"}}, "here.capture.json", "is no JSONPath"),
        ({"capture": {"regexp": "(", "as": "a"}}, "here.capture.regexp", "is no regular expression"),
        ({"match": {"json": "$.a"}}, "here.match.value", "is missing"),
        ({"capture": "x"}, "here.capture", "expected json"),
    ],
)
def test_mistakes_have_their_places(spec: Any, place: str, text: str) -> None:
    one = compiler()
    compile_captures(spec, "here", one)
    assert one.mistakes[0][0] == place and text in one.mistakes[0][1]
