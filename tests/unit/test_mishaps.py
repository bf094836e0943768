"""Code that keeps the loop is told from a machine that keeps the worker from it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from loadgen import mishaps
from loadgen.mishaps import Blocking

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1_000_000


@dataclass
class Clocks:
    """What a worker would read: the time, how long it was queued by then, since when code runs."""

    now_ns: int = 1
    queued_ns: int = 0
    since_ns: int = 0


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    found = Clocks()
    monkeypatch.setattr(mishaps, "monotonic_ns", lambda: found.now_ns)
    monkeypatch.setattr(mishaps, "_queued_ns", lambda: found.queued_ns)
    return found


@pytest.fixture
def look(clocks: Clocks) -> Callable[[int, int], list[int]]:
    """After so many ms, of which it was queued for so many: the longest that is told, in ms."""
    blocking = Blocking(__file__, lambda: clocks.since_ns, lambda: None)

    def after(ms: int, queued_ms: int) -> list[int]:
        clocks.now_ns += ms * MS
        clocks.queued_ns += queued_ms * MS
        blocking._look(0, sys._getframe())
        return [told["longest_ms"] for _, told in blocking.take()]

    return after


def test_code_that_keeps_the_loop_is_told(clocks: Clocks, look: Callable[[int, int], list[int]]) -> None:
    assert look(100, 0) == [], "nothing runs"
    clocks.since_ns = clocks.now_ns
    assert look(40, 0) == [], "not for long"
    assert look(60, 0) == [100]


def test_who_waits_for_a_processor_keeps_nobody(
    clocks: Clocks, look: Callable[[int, int], list[int]]
) -> None:
    clocks.since_ns = clocks.now_ns
    assert look(139, 130) == []
    assert look(100, 70) == [], "39 ms of its own in all"
    assert look(100, 20) == [119], "what it was queued before is still not its own"
    clocks.since_ns = clocks.now_ns
    assert look(60, 0) == [60], "of another piece of code"
