"""What users' own suites are given: one iteration with all that it did, and a server for a block."""

from __future__ import annotations

import random
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from loadgen import testing
from loadgen.data import Feed
from loadgen.errors import LoadgenError
from loadgen.scenario import Scenario, scenario, session
from loadgen.testing import Check, Outcome, SentRequest, run_once, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from loadgen.script import Script
    from loadgen.testing import Observer
    from loadgen.user import User


@scenario
async def browse(user: User) -> None:
    """Never runs here: the engine is played by a fake."""


@session
async def logged_in(user: User) -> AsyncIterator[None]:
    """Part of the script because it is in the same module, as when a file is run."""
    del user
    yield


words = Feed(lambda: iter([{"word": "red"}]), Path("words.csv"), "cycle", "test_testing.py:1")


class Reader:
    id = 0
    rng = random.Random(1)


@dataclass
class Answer:
    status: int
    error: str | None = None
    content: bytes = b""
    elapsed: float = 0.5


def exchange(status: int, error: str | None = None) -> Any:
    return SimpleNamespace(method="GET", url="http://x/items", response=Answer(status, error))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Observer], None]], list[Any]]:
    """Puts a function in the place of the engine's; returns the list of its calls."""

    def install(steps: Callable[[Observer], None]) -> list[Any]:
        calls: list[Any] = []

        def once(script: Script, which: Scenario, base_url: str, observer: Observer, **rest: Any) -> None:
            assert script.scenarios == (which,)
            calls.append((script, base_url, rest))
            steps(observer)

        rehearsal = ModuleType("loadgen.rehearsal")
        rehearsal.once_in_process = once  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "loadgen.rehearsal", rehearsal)
        return calls

    return install


def test_an_outcome_has_all_that_was_done(engine: Any) -> None:
    def steps(observer: Observer) -> None:
        observer.request(exchange(200))
        observer.check("listing ok", True)
        observer.request(exchange(0, "timeout"))
        observer.check("item ok", False)

    calls = engine(steps)
    outcome = run_once(browse, "127.0.0.1:80/base/", arguments={"a": "1"}, data={"token": "t"})
    assert outcome == Outcome(
        requests=[
            SentRequest("GET", "http://x/items", 200, 0.5, None),
            SentRequest("GET", "http://x/items", 0, 0.5, "timeout"),
        ],
        checks=[Check("listing ok", True), Check("item ok", False)],
    )
    assert outcome.failed_checks == ["item ok"]
    assert not outcome.passed
    ((script, base_url, rest),) = calls
    assert base_url == "http://127.0.0.1/base"
    assert rest == {"arguments": {"a": "1"}, "data": {"token": "t"}}
    assert script.path == Path(__file__)
    assert [one.name for one in script.sessions] == ["logged_in"]
    assert script.feeds == {"words": words}
    assert words.row(Reader()) == {"word": "red"}  # it was dealt


def test_an_exception_of_the_scenario_is_raised_with_what_came_before(engine: Any) -> None:
    def steps(observer: Observer) -> None:
        observer.request(exchange(404))
        observer.check("listing ok", False)
        observer.error(KeyError("id"))
        observer.error(RuntimeError("in the session's end"))

    engine(steps)
    with pytest.raises(KeyError, match="id") as caught:
        run_once(browse, "http://127.0.0.1")
    assert caught.value.__notes__ == ["before it: GET http://x/items: 404; check failed: listing ok"]


def test_an_iteration_without_checks_passes(engine: Any) -> None:
    engine(lambda _: None)
    assert run_once(browse, "http://127.0.0.1").passed


def test_the_server_serves_until_the_block_ends() -> None:
    with server() as target, urllib.request.urlopen(f"{target.url}/status/204", timeout=5) as answer:  # noqa: S310
        assert answer.status == 204
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{target.url}/health", timeout=5)  # noqa: S310


def test_two_servers_do_not_meet() -> None:
    with server() as one, server() as other:
        assert one.url != other.url


def test_a_server_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "READY", "something else ")
    with pytest.raises(LoadgenError, match="the embedded target did not start"), server():
        raise AssertionError("it cannot have started")
