"""The circuit breaker's state machine: a pure function of what is told to it. No clock, no network.

        ┌──────────── failures reach the share ────────────┐
        │                                                  ▼
     closed                                              open ◀── a probe failed ──┐
        ▲                                                  │                       │
        │                                          after `open_for`                │
        │                                                  ▼                       │
        └──────────── all probes succeeded ──────────  half-open ──────────────────┘

Closed: everything passes. Open: nothing is sent. Half-open: `half_open` probes pass, the rest is not sent.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from msgspec import Struct

from loadgen.policy_fields import check_count, check_number, check_wait
from loadgen.units import counted, format_duration

MAX_WINDOW = 1_000_000


class BreakerPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """`Breaker` as workers and plan.json know it."""

    failures: float
    over: int
    open_for_ns: int
    half_open: int


class Breaker(Struct, frozen=True, kw_only=True):
    """Leave a target alone for a while when too many requests fail. Each worker judges each origin by itself.

    A failure is a request without an answer, or with a status of 500 and above.
    """

    failures: float = 0.5  # this share ...
    over: int = 20  # ... of so many requests
    open_for: str | float = "5s"
    half_open: int = 1  # so many probes after it; all must succeed

    def __post_init__(self) -> None:
        self.compile()

    def compile(self) -> BreakerPlan:
        """The struct of plan.json. Raises ValueError where a field cannot be used."""
        failures = check_number("failures", self.failures, 0, 1)
        if failures == 0:
            raise ValueError("failures: expected a share above 0 such as 0.5, got 0")
        return BreakerPlan(
            failures=failures,
            over=check_count("over", self.over, MAX_WINDOW),
            open_for_ns=check_wait("open_for", self.open_for),
            half_open=check_count("half_open", self.half_open, MAX_WINDOW),
        )


class Circuit:
    """One origin as one worker sees it. Time is a parameter: no clock in here."""

    def __init__(self, plan: BreakerPlan, origin: str) -> None:
        self._plan = plan
        self._origin = origin
        self._news: list[str] = []
        # Every change of state begins a new period: what was sent in an earlier one says nothing about this.
        self._period = 0
        self.state: Literal["closed", "open", "half-open"] = "closed"
        self._window: deque[bool] = deque()  # closed: which of the last requests failed
        self._failures = 0  # in the window
        self._until_ns = 0  # open
        self._probes = 0  # half-open: under way and succeeded
        self._succeeded = 0

    def admit(self, now_ns: int) -> int | None:
        """Whether a request may be sent now: the period to give back to `record`, or None."""
        if self.state == "open" and now_ns >= self._until_ns:
            self._become("half-open", f"half-open: {counted(self._plan.half_open, 'request')} may try")
            self._probes = self._succeeded = 0
        if self.state == "open" or (self.state == "half-open" and self._probes >= self._plan.half_open):
            return None
        self._probes += 1
        return self._period

    def record(self, period: int, passed: bool | None, now_ns: int) -> None:
        """A request that was admitted has ended; None where it was given up before it could tell anything."""
        if period != self._period:
            return
        if self.state == "half-open":
            self._record_probe(passed, now_ns)
        elif passed is not None:
            self._record_one(not passed, now_ns)

    def news(self) -> list[str]:
        """The changes of state since the last call, in words."""
        news, self._news = self._news, []
        return news

    def _record_one(self, failed: bool, now_ns: int) -> None:
        over = self._plan.over
        if len(self._window) == over:
            self._failures -= self._window.popleft()
        self._window.append(failed)
        self._failures += failed
        # Not before the window is full: one failure of one request is no share of anything.
        if len(self._window) == over and self._failures >= self._plan.failures * over:
            self._open(now_ns, f"{self._failures} of the last {counted(over, 'request')} failed")

    def _record_probe(self, passed: bool | None, now_ns: int) -> None:
        if passed is None:
            self._probes -= 1  # its place is free for another
        elif not passed:
            self._open(now_ns, "the target still fails")
        else:
            self._succeeded += 1
            if self._succeeded == self._plan.half_open:
                self._become("closed", "closed: the target answers again")
                self._window.clear()
                self._failures = 0

    def _open(self, now_ns: int, why: str) -> None:
        self._until_ns = now_ns + self._plan.open_for_ns
        self._become("open", f"open for {format_duration(self._plan.open_for_ns)}: {why}")

    def _become(self, state: Literal["closed", "open", "half-open"], text: str) -> None:
        self.state = state
        self._period += 1
        self._news.append(f"{self._origin}: {text}")
