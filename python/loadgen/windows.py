"""The windows of a run, all of one length: where each begins. It keeps snapshots, and as few as will do.

    second      0   1   2   3   4   5
    over 3s     ├───────────┤
                    ├───────────┤
                        ├───────────┤

A snapshot is kept from where it begins a window until that window ends. At most 60 are: windows longer than a
minute slide by a sixtieth of their length, in whole seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadgen._engine import Snapshot

SECOND_NS = 1_000_000_000
MOST_KEPT = 60
# On a busy machine a look comes late. Then a window is as long as what lies between two looks.
LATE_NS = SECOND_NS // 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A run at the instant from which on something counts."""

    at_ns: int
    total: Snapshot | None  # None at the start, where there is nothing yet


START = Mark(0, None)


class Windows:
    """Windows of one length, from some mark on."""

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._step_ns = -(-length_ns // (MOST_KEPT * SECOND_NS)) * SECOND_NS
        self._open: deque[Mark] = deque()  # where those begin that have not ended
        self._newest_ns = 0
        self._ended: Mark | None = None  # where the one began that ended last

    def begin(self, mark: Mark) -> None:
        """The first, and the next."""
        self._open.append(mark)
        self._newest_ns = mark.at_ns

    def end(self, total: Snapshot, elapsed_ns: int) -> Mark | None:
        """Where the window begins that ends now, if one does. To be asked every second."""
        if not self._open:
            return None
        found = None
        while self._open and self._is_over(self._open[0], elapsed_ns):
            mark = self._open.popleft()
            found = found or mark  # of several the longest: nothing falls between two windows
        self._ended = found or self._ended
        if elapsed_ns - self._newest_ns >= self._step_ns - LATE_NS:
            self.begin(Mark(elapsed_ns, total))
        return found

    def last(self, load_ns: int) -> Mark | None:
        """Where the one begins that ends with the load; None where the load was shorter than a window."""
        if self._open and self._is_over(self._open[0], load_ns):
            return self._open[0]
        return self._ended

    def _is_over(self, mark: Mark, elapsed_ns: int) -> bool:
        return elapsed_ns - mark.at_ns >= self._length_ns - LATE_NS
