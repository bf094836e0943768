"""One output's queue and thread. A slow or dead receiver costs moments, which are counted, and never the run.

run's loop:   put ──▶ [ 60 moments, the oldest falls out ] ──▶ thread: send, all that waits in one go
                                    ▲                                       │
                                    └────────── again in a second ──────────┘ OSError
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from loadgen.outputs.output import Output, Refused
from loadgen.result import OutputResult
from loadgen.units import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.outputs.reading import Reading

MOST_WAITING = 60
AGAIN_S = 1.0
LAST_S = 3.0  # for what waits when the run is over
LONGEST_REASON = 200


class Outlet:
    """Passes moments to one output."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.failure: str | None = None  # the first one's reason
        self._told = False
        self._waiting: deque[Reading] = deque()
        self._in_hand = 0
        self._sent = self._dropped = 0
        self._news = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send what comes."""
        if self.output.live:
            self._thread = threading.Thread(target=self._work, name=self.output.name, daemon=True)
            self._thread.start()

    def put(self, reading: Reading) -> None:
        """One more moment. Never waits: the lock is not held while something is sent."""
        if self._thread is None:
            return
        with self._news:
            self._waiting.append(reading)
            self._shorten()
            self._news.notify()

    def drain(self, hurry: threading.Event, *, linger: bool = True) -> None:
        """All is put: wait until it is sent or the time is up; what is left is dropped."""
        thread = self._thread
        if thread is None:
            return
        with self._news:
            self._ending = True
            self._news.notify()
        self._wait(lambda: not thread.is_alive(), LAST_S, hurry)
        if linger:
            self._wait(self.output.may_go, self.output.linger_s, hurry)
        self.stop()

    def stop(self) -> None:
        """End the thread, whatever it waits for."""
        if self._thread is None:
            return
        with self._news:
            self._ending = True
            late, self._dropped = bool(self._waiting), self._dropped + len(self._waiting)
            self._waiting.clear()
            self._news.notify()
        if self._thread.is_alive():
            self.output.abort()
            self._thread.join(1)
        with self._news:
            if late or self._in_hand:
                self._fail("it did not answer in time")
            self._dropped, self._in_hand = self._dropped + self._in_hand, 0
        self._thread = None

    def news(self) -> str | None:
        """That it failed: once."""
        if self.failure is None or self._told:
            return None
        self._told = True
        return f"{self.output.name} does not take what it is sent: {self.failure}"

    def result(self) -> OutputResult:
        """What came of it."""
        return OutputResult(
            name=self.output.name, sent=self._sent, dropped=self._dropped, failure=self.failure
        )

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._waiting and not self._ending:
                    self._news.wait()
                batch = list(self._waiting)
                self._waiting.clear()
                self._in_hand = len(batch)
            if not batch:
                return
            self._send(batch)

    def _send(self, batch: list[Reading]) -> None:
        try:
            self.output.send(batch)
        except OSError as error:
            with self._news:
                self._fail(error.strerror or str(error) or type(error).__name__)
                if self._ending:
                    self._drop(batch)
                    return
                self._in_hand = 0
                self._waiting.extendleft(reversed(batch))
                self._shorten()
                self._news.wait_for(lambda: self._ending, AGAIN_S)
        except Exception as error:  # noqa: BLE001 - whatever a receiver's client raises, the run goes on
            with self._news:
                self._fail(str(error) if isinstance(error, Refused) else type(error).__name__)
                self._drop(batch)
        else:
            with self._news:
                self._sent, self._in_hand = self._sent + self._in_hand, 0

    def _drop(self, batch: list[Reading]) -> None:
        # Where `stop` has lost patience, it has counted them already.
        self._dropped += min(self._in_hand, len(batch))
        self._in_hand = 0

    def _shorten(self) -> None:
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self._dropped += 1
            self._fail("it is too slow")

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or printable(reason[:LONGEST_REASON])

    @staticmethod
    def _wait(is_over: Callable[[], bool], limit_s: float, hurry: threading.Event) -> None:
        give_up_at = time.monotonic() + limit_s
        while not is_over() and time.monotonic() < give_up_at and not hurry.wait(0.02):
            pass
