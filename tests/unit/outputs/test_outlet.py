"""One output's queue: what a slow, dead or hanging receiver costs, and that it is never the run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from loadgen.outputs.outlet import MOST_WAITING, Outlet
from loadgen.outputs.output import Output, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen.outputs.reading import Reading


class Receiver(Output):
    """Takes what it is sent when the test says so, or raises what it says."""

    live = True

    def __init__(self) -> None:
        super().__init__("receiver")
        self.taken: list[object] = []
        self.begun = threading.Event()
        self.free = threading.Event()
        self.errors: list[Exception] = []
        self.aborted = False

    def send(self, readings: Sequence[Reading]) -> None:
        self.begun.set()
        assert self.free.wait(30)
        if self.aborted:
            raise OSError("given up")
        if self.errors:
            raise self.errors.pop(0)
        self.taken += readings

    def abort(self) -> None:
        self.aborted = True
        self.free.set()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def put(outlet: Outlet, *numbers: int) -> None:
    for number in numbers:
        outlet.put(cast("Reading", number))


def ended(outlet: Outlet) -> tuple[int, int, str | None]:
    found = outlet.result()
    return found.sent, found.dropped, found.failure


def test_all_is_sent_in_order(receiver: Receiver) -> None:
    outlet = Outlet(receiver)
    outlet.start()
    receiver.free.set()
    put(outlet, *range(20))
    outlet.drain(threading.Event())
    assert receiver.taken == list(range(20))
    assert ended(outlet) == (20, 0, None) and outlet.news() is None


def test_of_what_a_slow_receiver_leaves_waiting_the_oldest_falls_out(receiver: Receiver) -> None:
    outlet = Outlet(receiver)
    outlet.start()
    put(outlet, 0)
    assert receiver.begun.wait(10)
    put(outlet, *range(1, MOST_WAITING + 11))
    receiver.free.set()
    outlet.drain(threading.Event())
    assert receiver.taken == [0, *range(11, MOST_WAITING + 11)]
    assert ended(outlet) == (MOST_WAITING + 1, 10, "it is too slow")
    assert outlet.news() == "receiver does not take what it is sent: it is too slow"
    assert outlet.news() is None, "it is told once"


@pytest.mark.parametrize(
    ("error", "reason", "dropped"),
    [
        (OSError(111, "Connection refused"), "Connection refused", 0),
        (Refused("it answered 404: \x1b[2J"), "it answered 404: \\x1b[2J", 1),
        (KeyError("a secret"), "KeyError", 1),
    ],
)
def test_what_may_pass_is_tried_again_and_what_will_not_is_dropped(
    receiver: Receiver, error: Exception, reason: str, dropped: int
) -> None:
    outlet = Outlet(receiver)
    receiver.errors.append(error)
    receiver.free.set()
    outlet.start()
    put(outlet, 1)
    assert receiver.begun.wait(10)
    put(outlet, 2)
    outlet.drain(threading.Event())
    sent, lost, failure = ended(outlet)
    assert (sent + lost, failure) == (2, reason)
    assert lost in (dropped, 2 * dropped), "both, where they were sent together"
    assert sent == len(receiver.taken)


def test_a_receiver_that_hangs_is_left_behind(receiver: Receiver) -> None:
    outlet, hurry = Outlet(receiver), threading.Event()
    outlet.start()
    put(outlet, 1)
    assert receiver.begun.wait(10)
    put(outlet, 2, 3)
    hurry.set()
    outlet.drain(hurry)
    assert receiver.aborted and receiver.taken == []
    assert ended(outlet)[:2] == (0, 3)
    assert all(thread.name != "receiver" for thread in threading.enumerate())


def test_nobody_is_waited_for_in_a_hurry(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or this test would take a quarter of an hour."""
    monkeypatch.setattr(receiver, "linger_s", 1000.0)
    monkeypatch.setattr(receiver, "may_go", lambda: False)
    receiver.free.set()
    outlet, hurry = Outlet(receiver), threading.Event()
    outlet.start()
    put(outlet, 1)
    hurry.set()
    outlet.drain(hurry)
    outlet.stop()


def test_when_all_is_sent_it_stays_until_it_may_go(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [False, False, True]
    monkeypatch.setattr(receiver, "linger_s", 1000.0)
    monkeypatch.setattr(receiver, "may_go", lambda: answers.pop(0))
    receiver.free.set()
    outlet = Outlet(receiver)
    outlet.start()
    put(outlet, 1)
    outlet.drain(threading.Event())
    assert answers == [] and receiver.taken == [1]


def test_what_is_stopped_before_its_time_leaves_no_thread(receiver: Receiver) -> None:
    outlet = Outlet(receiver)
    outlet.start()
    outlet.stop()
    outlet.stop()
    put(outlet, 1)
    assert ended(outlet) == (0, 0, None)
