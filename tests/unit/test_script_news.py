"""What workers tell about scripts: summed, bounded, and made harmless."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadgen.script_news import MAX_EVENTS, MAX_GROUPS, MAX_OUTPUT, MAX_TEXT, ScriptNews


def error(**change: Any) -> str:
    fields: dict[str, Any] = {
        "kind": "script_error",
        "scenario": "browse",
        "error": "KeyError: 'id'",
        "file": "/home/me/scenario.py",
        "line": 12,
        "code": 'item["id"]',
        "count": 17,
    }
    return json.dumps(fields | change)


def blocked(**change: Any) -> str:
    fields: dict[str, Any] = {
        "kind": "blocked",
        "text": "time.sleep",
        "file": "/home/me/scenario.py",
        "line": 12,
        "code": "time.sleep(1)",
        "longest_ms": 120,
        "count": 3,
    }
    return json.dumps(fields | change)


def heard(*lines: str) -> tuple[ScriptNews, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    news = ScriptNews(lambda kind, text: told.append((kind, text)))
    for line in lines:
        news.hear(line)
    return news, told


def test_errors_are_grouped_by_scenario_kind_and_place() -> None:
    news, told = heard(error(), error(count=3), error(line=13, count=1), error(scenario="buy", count=100))
    assert [(group.scenario, group.line, group.count) for group in news.errors] == [
        ("buy", 12, 100),
        ("browse", 12, 20),
        ("browse", 13, 1),
    ]
    assert told[0] == ("script_error", "browse: KeyError: 'id' (scenario.py:12)")
    assert len(told) == 3, "each group once"


def test_there_is_an_end_to_groups_but_not_to_counting() -> None:
    news, _ = heard(*(error(error=f"ValueError: {number}", count=2) for number in range(MAX_GROUPS + 50)))
    assert len(news.errors) == MAX_GROUPS + 1
    assert sum(group.count for group in news.errors) == 2 * (MAX_GROUPS + 50)
    assert news.errors[0].error == "further errors, of more kinds than are listed"


def test_there_is_an_end_to_what_is_told() -> None:
    lines = [json.dumps({"kind": "breaker", "text": f"open {number}"}) for number in range(MAX_EVENTS + 9)]
    _, told = heard(*lines)
    assert len(told) == MAX_EVENTS + 1
    assert told[-1] == ("script", "the script has more to tell than is listed here")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "time.sleep",
            "time.sleep in scenario.py:12 blocks every user of the worker; use await user.pause()",
        ),
        (
            "requests.get",
            "requests.get in scenario.py:12 blocks every user of the worker; use await user.get()",
        ),
        (
            "if user.iteration: time.sleep(0.3)",
            "time.sleep in scenario.py:12 blocks every user of the worker; use await user.pause()",
        ),
        ("sleep(1)", "sleep in scenario.py:12 blocks every user of the worker; use await user.pause()"),
        (
            "self.sleep(self.requests + 1)",
            "self.sleep(self.requests + 1) in scenario.py:12 blocks every user of the worker",
        ),
        (
            "answer = requests.get(url)",
            "requests.get in scenario.py:12 blocks every user of the worker; use await user.get()",
        ),
        ("json.load", "json.load in scenario.py:12 blocks every user of the worker; await an async call"),
        ("x" * 100, "x" * 37 + "... in scenario.py:12 blocks"),
    ],
)
def test_a_blocking_call_is_named_with_its_remedy(text: str, words: str) -> None:
    news, told = heard(blocked(text=text), blocked(text=text, longest_ms=50))
    (call,) = news.blocked
    assert (call.longest_ms, call.count) == (120, 6)
    ((kind, said),) = told
    assert kind == "blocked"
    assert said.startswith(words)
    assert said.endswith("(120 ms)")


def test_the_longest_block_comes_first() -> None:
    news, _ = heard(blocked(longest_ms=50), blocked(line=13, longest_ms=70))
    assert [call.line for call in news.blocked] == [13, 12]


def test_what_several_workers_find_out_is_told_once_but_a_breaker_goes_on() -> None:
    full = json.dumps({"kind": "labels_full", "text": "more labels than 512"})
    breaker = json.dumps({"kind": "breaker", "text": "open"})
    _, told = heard(full, full, breaker, breaker)
    assert [kind for kind, _ in told] == ["labels_full", "breaker", "breaker"]


def test_the_script_may_ask_to_stop() -> None:
    news, told = heard(json.dumps({"kind": "script_stop", "text": "no rows left"}))
    assert news.stop == "no rows left"
    assert told == [("script_stop", "no rows left")]


@pytest.mark.parametrize(
    "line",
    [
        "not json \x1b[2J",
        "[1, 2]",
        '"text"',
        "{}",
        '{"kind": 7, "text": ["\\u001b[2J"]}',
        '{"kind": "script_error", "count": "many", "line": null, "error": {"a": "\\u001b"}}',
        '{"kind": "script_error", "count": -5, "file": "\\u001b[2J"}',
        '{"kind": "blocked", "longest_ms": "long", "count": true}',
        '{"kind": "script_error", "error": "' + "x" * 10_000 + '"}',
    ],
)
def test_whatever_a_script_says_is_data(line: str) -> None:
    news, told = heard(line)
    assert len(told) == 1
    texts = [text for _, text in told]
    texts += [text for group in news.errors for text in (group.scenario, group.error, group.file, group.code)]
    texts += [text for call in news.blocked for text in (call.text, call.file, call.code)]
    assert all(text.isprintable() for text in texts)
    assert all(len(text) <= MAX_TEXT + 100 for text in texts)
    assert all(group.count >= 0 for group in news.errors)


def test_what_a_script_prints_is_told_to_an_end() -> None:
    news, told = heard()
    news.output("hello \x1b[2J")
    assert told == [("script", "hello \\x1b[2J")]
    for _ in range(MAX_OUTPUT + 5):
        news.output("again")
    assert len(told) == MAX_OUTPUT + 1
    assert told[-1] == ("script", "the script prints more than is shown here")
    news.hear(error())
    assert told[-1][0] == "script_error", "it takes no room from what matters"


def test_a_warning_has_its_place() -> None:
    event = {"kind": "script_warning", "text": "RuntimeWarning: never awaited", "file": "/a/b.py", "line": 3}
    _, told = heard(json.dumps(event))
    assert told == [("script_warning", "RuntimeWarning: never awaited (b.py:3)")]
