"""How each message spread over its receivers: what workers tell, put together. It keeps what is recent.

    event {"kind":"deliveries","groups":"STAMP FIRST LAST RECEIVERS,..."}     ns, on the clock of the stamps

Messages are known by their stamps. Of one message each worker knows the part that its own sockets received:

    worker 0   stamp ├──── first ▒▒▒▒▒▒ last             first = the earliest first - stamp
    worker 1   stamp ├─────── first ▒▒▒▒▒▒▒▒ last        last = the latest last - stamp, spread = last - first
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from loadgen.distribution import Distribution
from loadgen.progress import EventKind
from loadgen.units import printable

# Messages whose parts may still come; beyond, the oldest is taken for whole.
MOST_PENDING = 200_000
_GROUP = re.compile(r"(\d+) (\d+) (\d+) (\d+)")

Group = tuple[int, int, int]  # first, last, receivers


class Deliveries:
    """All messages with a stamp. `tell` hears what else workers have to say."""

    def __init__(self, tell: Callable[[EventKind, str], None]) -> None:
        self._tell = tell
        self._pending: dict[int, Group] = {}  # by stamp, the oldest first
        self._told_of_nonsense = False
        self.first = Distribution()
        self.last = Distribution()
        self.spread = Distribution()
        self.groups = 0
        self.fewest: int | None = None  # receivers of a message
        self.most: int | None = None
        self.ahead_ns = 0  # how far a message came before it was sent, by its stamp

    def hear(self, line: str) -> None:
        """An event of a worker."""
        try:
            event = msgspec.json.decode(line)
            assert event["kind"] == "deliveries"
            parts = [_GROUP.fullmatch(text) for text in event["groups"].split(",")]
            groups = [tuple(map(int, part.groups())) for part in parts if part is not None]
            assert len(groups) == len(parts)
        except (msgspec.DecodeError, AssertionError, AttributeError, KeyError, TypeError):
            if not self._told_of_nonsense:
                self._told_of_nonsense = True
                self._tell("worker_said", f"a worker said what nobody understands: {printable(line[:100])}")
            return
        for stamp_ns, first_ns, last_ns, receivers in groups:
            self._add(stamp_ns, (first_ns, last_ns, receivers))

    def output(self, line: str) -> None:
        """What a worker wrote to stderr, which is nothing where all is well."""
        self._tell("worker_said", line)

    def settle(self) -> None:
        """The run is over: no part is to come."""
        while self._pending:
            self._count(next(iter(self._pending)))

    def _add(self, stamp_ns: int, group: Group) -> None:
        known = self._pending.get(stamp_ns)
        if known is None:
            self._pending[stamp_ns] = group
            if len(self._pending) > MOST_PENDING:
                self._count(next(iter(self._pending)))
        else:
            self._pending[stamp_ns] = (
                min(known[0], group[0]),
                max(known[1], group[1]),
                known[2] + group[2],
            )

    def _count(self, stamp_ns: int) -> None:
        first_ns, last_ns, receivers = self._pending.pop(stamp_ns)
        self.ahead_ns = max(self.ahead_ns, stamp_ns - first_ns)
        self.first.add(max(0, first_ns - stamp_ns))
        self.last.add(max(0, last_ns - stamp_ns))
        self.spread.add(last_ns - first_ns)
        self.groups += 1
        self.fewest = receivers if self.fewest is None else min(self.fewest, receivers)
        self.most = receivers if self.most is None else max(self.most, receivers)
