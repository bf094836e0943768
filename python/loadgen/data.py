"""Feeds: the rows of a file, dealt to users. Each worker deals its own share, so no row is in two hands.

row i of the file ──▶ worker i mod workers, which deals its rows

cycle      the next row, and after the last the first again
random     any row, drawn by the user's own generator
unique     a row that nobody else has: for a block (`lease`) or for the life of the user (`take`, `row`)
exhaust    the next row, once; after the last, Exhausted, and the iteration is unfinished

Where there are fewer rows than workers: cycle and random lend a row to a worker without a share, unique is
refused before the run, and exhaust is over for such a worker before it begins.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol, get_args

from loadgen.errors import UsageError
from loadgen.rows import Row, read_csv, read_json_lines, shown
from loadgen.units import counted, quoted

Deal = Literal["cycle", "random", "unique", "exhaust"]


class Exhausted(Exception):
    """Every row of an `exhaust` feed was dealt: ends the iteration quietly, and its user."""


class NoRowFree(Exception):
    """Every row of a `unique` feed is with a user, and none is on its way back."""


class Reader(Protocol):
    """What a feed needs of a user."""

    @property
    def id(self) -> int: ...
    @property
    def rng(self) -> random.Random: ...


def csv_rows(path: str | Path, deal: Deal = "cycle", *, delimiter: str = ",") -> Feed:
    """The rows of a CSV file as {column: text}; relative paths count from the folder of the script."""
    return _feed(path, deal, lambda full: read_csv(full, delimiter))


def json_rows(path: str | Path, deal: Deal = "cycle") -> Feed:
    """The rows of a JSON Lines file: one object a line."""
    return _feed(path, deal, read_json_lines)


class Feed:
    """The rows of one file. Made at the top of a script, where every worker finds it."""

    _is_loadgen_feed = True

    def __init__(self, read: Callable[[], Iterator[Row]], path: Path, deal: Deal, place: str) -> None:
        self.path = path
        self.deal = deal
        self._read = read
        self._place = place  # file:line of the script, for messages
        self._share: list[Row] = []
        self._attached = False
        self._next = 0  # cycle and exhaust
        self._free: deque[int] = deque()  # unique, from here on: places in the share
        self._taken: dict[int, int] = {}  # for life, by user
        self._waiting: deque[asyncio.Future[int]] = deque()

    def row(self, user: Reader) -> Row:
        """A row, at once: the next, any, or the user's own. It is a copy, so a script may change it."""
        self._require_share()
        if self.deal == "random":
            return self._share[user.rng.randrange(len(self._share))].copy()
        if self.deal == "unique":
            return self._share[self._own(user)].copy()
        if self._next == len(self._share):
            if self.deal == "exhaust":
                raise Exhausted(f"every row of {self.path.name} was used")
            self._next = 0
        self._next += 1
        return self._share[self._next - 1].copy()

    async def take(self, user: Reader) -> Row:
        """`unique`: the user's own row, for its life. Waits for one that is on lease."""
        self._require_unique("take")
        if user.id not in self._taken:
            place = await self._acquire()
            if user.id in self._taken:  # another task of the same user was quicker
                self._give_back(place)
            else:
                self._keep(user, place)
        return self._share[self._taken[user.id]].copy()

    @asynccontextmanager
    async def lease(self, user: Reader) -> AsyncIterator[Row]:
        """`unique`: a row for the length of the block. Waits, first come first served, until one is free."""
        del user  # one face for all deals; who holds a lease needs no book, because the block gives it back
        self._require_unique("lease")
        place = await self._acquire()
        try:
            yield self._share[place].copy()
        finally:
            self._give_back(place)

    def _check(self, workers: int = 1) -> int:
        """Reads all of the file before a run, to find its mistakes; returns the number of rows."""
        count = sum(1 for _ in self._read())
        self._check_count(count, workers)
        return count

    def _attach(self, worker: int, workers: int, _seed: int = 0) -> None:
        """Read the share of one worker. The seed is in the users' generators, from which `random` draws."""
        self._share, count = [], 0
        for index, row in enumerate(self._read()):
            count += 1
            if index % workers == worker:
                self._share.append(row)
        self._check_count(count, workers)
        if not self._share and self.deal in ("cycle", "random"):
            self._share = list(islice(self._read(), worker % count, worker % count + 1))
        self._next = 0
        self._free = deque(range(len(self._share)))
        self._taken.clear()
        self._attached = True

    def _release(self, user: Reader) -> None:
        """The user has ended: what it took goes to the next. The worker calls this."""
        place = self._taken.pop(user.id, None)
        if place is not None:
            self._give_back(place)

    def _check_count(self, count: int, workers: int) -> None:
        if count == 0:
            raise UsageError(f"{shown(self.path)} has no rows any more")
        if self.deal == "unique" and count < workers:
            raise UsageError(
                f"{shown(self.path)} has {counted(count, 'row')}, too few for {counted(workers, 'worker')}: "
                "unique rows are shared out among the workers",
                hint=f"add rows, or run with --workers {count}",
            )

    def _require_share(self) -> None:
        if not self._attached:
            raise RuntimeError(
                f"{self._place}: {self.path.name} was not dealt: a feed must be a global name of the script"
            )

    def _require_unique(self, method: str) -> None:
        self._require_share()
        if self.deal != "unique":
            raise TypeError(
                f'{self._place}: {method} needs deal="unique", and {self.path.name} has "{self.deal}"'
            )

    def _own(self, user: Reader) -> int:
        if user.id not in self._taken:
            if not self._free:
                raise NoRowFree(self._why_none_is_free())
            self._keep(user, self._free.popleft())
        return self._taken[user.id]

    def _keep(self, user: Reader, place: int) -> None:
        self._taken[user.id] = place
        if len(self._taken) == len(self._share):  # nothing will come back, so nobody may wait for it
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_exception(NoRowFree(self._why_none_is_free()))
            self._waiting.clear()

    async def _acquire(self) -> int:
        if self._free:
            return self._free.popleft()
        if len(self._taken) == len(self._share):
            raise NoRowFree(self._why_none_is_free())
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):  # a row that came back has passed it over already
                    self._waiting.remove(waiter)
            elif waiter.exception() is None:  # it came in the moment in which we were cancelled
                self._give_back(waiter.result())
            raise

    def _give_back(self, place: int) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(place)
                return
        self._free.append(place)

    def _why_none_is_free(self) -> str:
        leased = len(self._share) - len(self._taken) - len(self._free)
        waits = "; take and lease wait for one" if leased else ""
        return (
            f"no row of {self.path.name} is free: of this worker's {len(self._share)}, users keep "
            f"{len(self._taken)} and {leased} are on lease{waits}"
        )


def _feed(path: str | Path, deal: Deal, read: Callable[[Path], Iterator[Row]]) -> Feed:
    if deal not in get_args(Deal):
        raise ValueError(f"deal: expected one of {', '.join(get_args(Deal))}, got {quoted(deal)}")
    caller = sys._getframe(2)  # noqa: SLF001 - the only way to know whose folder a path counts from
    script = Path(caller.f_code.co_filename)
    folder = script.resolve().parent if script.is_file() else Path.cwd()
    full = folder / Path(path).expanduser()
    # Most mistakes are found in the first row, where the script's own line can still be shown.
    if next(read(full), None) is None:
        raise UsageError(f"{shown(full)} has no rows")
    return Feed(lambda: read(full), full, deal, f"{script.name}:{caller.f_lineno}")
