import logging
from typing import Any

import pytest

from loadgen.importers.locust.events import EventHook, Events, RequestHook
from loadgen.importers.locust.flow import StopUser


def test_listeners_hear_in_order_and_one_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    hook = EventHook()

    @hook.add_listener
    def first(**_: Any) -> None:
        heard.append("first")
        raise ValueError("broken")

    hook.add_listener(lambda what, **_: heard.append(what))
    with caplog.at_level(logging.ERROR):
        hook.fire(what="second")
    assert heard == ["first", "second"]
    assert "broken" in caplog.text
    hook.remove_listener(first)
    hook.fire(what="alone")
    assert heard[-2:] == ["second", "alone"]


def test_what_a_listener_says_to_its_user_comes_through() -> None:
    hook = EventHook()

    @hook.add_listener
    def stops(**_: Any) -> None:
        raise StopUser

    with pytest.raises(StopUser):
        hook.fire()


def test_a_request_of_the_scripts_own_is_counted_and_told() -> None:
    counted: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    hook = RequestHook()
    hook.count = lambda **arguments: counted.append(arguments)
    hook.add_listener(lambda **arguments: told.append(arguments))
    hook.fire(name="a")
    hook.tell(name="b")
    assert [one["name"] for one in counted] == ["a"]
    assert [one["name"] for one in told] == ["a", "b"]


def test_measure_fires_with_what_was_raised() -> None:
    told: list[dict[str, Any]] = []
    hook = RequestHook()
    hook.add_listener(lambda **arguments: told.append(arguments))

    def call() -> None:
        with hook.measure("GRPC", "call") as meta:
            meta["response_length"] = 7
            raise ValueError("no")

    call()
    assert told[0]["response_length"] == 7
    assert isinstance(told[0]["exception"], ValueError)
    assert told[0]["response_time"] >= 0


def test_all_events_are_there() -> None:
    events = Events()
    for name in ("request", "user_error", "init", "test_start", "test_stop", "quitting", "usage_monitor"):
        assert isinstance(getattr(events, name), EventHook)
