"""The plugin `expect`: every expectation, met and not met."""

from __future__ import annotations

from typing import Any, cast

import pytest

from loadgen.importers.artillery.answer import Answer
from loadgen.importers.artillery.expectations import compile_expectations
from loadgen.importers.artillery.virtual_user import VuFailed
from tests.unit.importers.artillery.people import Nobody, Reply, compiler, vu

JSON = {"Content-Type": "application/json; charset=utf-8", "X-Cache": "HIT from edge", "ETag": "5"}


def looked_at(expect: Any, *, settings: Any = None, **reply: Any) -> list[tuple[str, bool]]:
    one = compiler({"plugins": {"expect": settings or {"outputFormat": "silent"}}})
    check = compile_expectations({"expect": expect}, "GET /", "here", one)
    assert check is not None and not one.mistakes, one.mistakes
    user = vu({"five": 5, "name": "x"})
    reply = {"body": b'{"a": {"b": null}, "list": [1]}', "headers": JSON, **reply}
    check(Answer(cast("Any", Reply(reply.pop("body"), **reply))), user, "named")
    return cast("Nobody", user.user).checks


@pytest.mark.parametrize(
    ("expect", "ok"),
    [
        ({"statusCode": 200}, True),
        ({"statusCode": "200"}, True),
        ({"statusCode": [201, "200"]}, True),
        ({"statusCode": 404}, False),
        ({"notStatusCode": [500, 502]}, True),
        ({"notStatusCode": 200}, False),
        ({"contentType": "json"}, True),
        ({"contentType": "application/json; CHARSET=utf-8"}, True),
        ({"contentType": "text/html"}, False),
        ({"hasProperty": "a.b"}, True),
        ({"hasProperty": "list[0]"}, True),
        ({"hasProperty": "a.c"}, False),
        ({"notHasProperty": "a.c"}, True),
        ({"notHasProperty": "a"}, False),
        ({"equals": ["5", "{{ five }}", 5]}, True),
        ({"equals": ["{{ name }}", "y"]}, False),
        ({"hasHeader": "etag"}, True),
        ({"hasHeader": "ETag"}, False),  # names are in small letters, and are not folded
        ({"headerEquals": ["etag", "{{ five }}"]}, True),
        ({"headerEquals": ["etag", "6"]}, False),
        ({"cdnHit": True}, True),
        ({"cdnHit": False}, False),
        ({"matchesRegexp": "object"}, True),  # a body that was parsed is no text any more
    ],
)
def test_expectations(expect: Any, ok: bool) -> None:
    kind = next(iter(expect))
    name = "header etag values equals" if kind == "headerEquals" else kind  # as Artillery's metrics have it
    assert looked_at(expect) == [(f"{name}: GET /", ok)]
    assert looked_at([expect]) == [(f"{name}: GET /", ok)]


def test_a_text_is_searched() -> None:
    page = {"body": b"<h1>hello</h1>", "headers": {"Content-Type": "text/html"}}
    assert looked_at({"matchesRegexp": "<h1>.*</h1>$"}, **page) == [("matchesRegexp: GET /", True)]
    assert looked_at({"hasProperty": "a"}, **page) == [("hasProperty: GET /", False)]


def test_jmespath() -> None:
    pytest.importorskip("jmespath")
    assert looked_at([{"description": "one", "jmespath": "length(list) == `1`"}]) == [
        ("jmespath: GET /", True)
    ]
    assert looked_at({"jmespath": "nope"}) == [("jmespath: GET /", False)]


def test_several_are_all_looked_at() -> None:
    assert [ok for _, ok in looked_at([{"statusCode": 404}, {"contentType": "json"}])] == [False, True]


def test_a_failure_may_end_the_virtual_user() -> None:
    settings = {"reportFailuresAsErrors": True, "outputFormat": "silent"}
    with pytest.raises(VuFailed, match=r"Failed expectations for request http://host/path"):
        looked_at({"statusCode": 404}, settings=settings)
    with pytest.raises(VuFailed, match="for request named"):
        looked_at({"statusCode": 404}, settings={**settings, "useOnlyRequestNames": True})


def test_two_hundred_may_be_expected_by_default() -> None:
    one = compiler({"plugins": {"expect": {"expectDefault200": True}}})
    assert compile_expectations({}, "GET /", "here", one) is not None
    assert compile_expectations({}, "GET /", "here", compiler({"plugins": {"expect": {}}})) is None


def test_without_the_plugin_nothing_is_expected() -> None:
    one = compiler()
    assert compile_expectations({"expect": {"statusCode": 200}}, "GET /", "here", one) is None
    assert "config.plugins has no expect" in next(iter(one.notes))


def test_what_is_no_expectation_is_told() -> None:
    one = compiler({"plugins": {"expect": {}}})
    compile_expectations({"expect": {"statusKode": 200}}, "GET /", "here", one)
    assert "here.expect.statusKode: statusKode is no expectation" in next(iter(one.notes))
