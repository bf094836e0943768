"""One run as both sides saw it: loadgen's run folder, the oracle's log, the schedule, all on one clock."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from hdrh.histogram import HdrHistogram

from loadgen._engine import Schedule
from tests.fidelity.laws import MS, Gate, quantile, spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.support.command import CommandResult

# A percentile names the upper end of a bucket, which is at most this share wide.
BUCKET = 2**-10
PERCENTS = (1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100)


@dataclass(frozen=True)
class LogLine:
    """One request as the oracle saw it; 0 for what never happened."""

    seq: int
    connection: int
    recv_ns: int
    due_ns: int
    sent_ns: int
    path: str

    @staticmethod
    def parse(row: list[str]) -> LogLine:
        seq, connection, recv_ns, due_ns, sent_ns = map(int, row[:5])
        return LogLine(seq, connection, recv_ns, due_ns, sent_ns, row[5])


def read_log(path: Path) -> list[LogLine]:
    with path.open(newline="") as file:
        rows = csv.reader(file)
        assert next(rows) == [*LogLine.__dataclass_fields__]
        lines = [LogLine.parse(row) for row in rows]
    return sorted(lines, key=lambda line: line.seq)


@dataclass(frozen=True)
class Distribution:
    """One of loadgen's histograms, read from latency.hlog by the public package."""

    buckets: list[tuple[int, int, int]]  # lowest, highest, count
    infinite: int

    @staticmethod
    def read(hlog: Path, tag: str, *, samples: int) -> Distribution:
        total = HdrHistogram(1, 2**42 - 1, 3)
        for line in hlog.read_text().splitlines():
            if line.startswith(f"Tag={tag},"):
                total.decode_and_add(line.rpartition(",")[2])
        buckets = [
            (
                total.get_lowest_equivalent_value(item.value_iterated_to),
                total.get_highest_equivalent_value(item.value_iterated_to),
                item.count_added_in_this_iter_step,
            )
            for item in total.get_recorded_iterator()
        ]
        return Distribution(buckets, samples - sum(count for _, _, count in buckets))

    @property
    def count(self) -> int:
        """Samples, those that never ended included."""
        return sum(count for _, _, count in self.buckets) + self.infinite

    def percentile(self, percent: float) -> float:
        rank = max(math.ceil(percent / 100 * self.count - 1e-9), 1)
        for _, highest, count in self.buckets:
            rank -= count
            if rank <= 0:
                return highest
        return math.inf

    def above(self, ns: float) -> int:
        """Samples that are certainly above, those that never ended included."""
        return sum(count for lowest, _, count in self.buckets if lowest > ns) + self.infinite


@dataclass(frozen=True)
class Observation:
    """What there is to compare."""

    result: CommandResult
    folder: Path
    lines: list[LogLine]

    @property
    def summary(self) -> dict[str, Any]:
        return self.result.summary

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]

    @property
    def start_ns(self) -> int:
        """The start of the run on the clock of the log."""
        start: int = self.events[0]["monotonic_ns"]
        return start

    @cached_property
    def schedule(self) -> Schedule:
        return Schedule(msgspec.json.encode(self.summary["plan"]))

    @cached_property
    def dues(self) -> list[int]:
        """When each arrival was due, on the clock of the log."""
        return [self.start_ns + due_ns for _, due_ns in self.schedule.arrivals()]

    @cached_property
    def log(self) -> list[LogLine]:
        """The requests of the load, in the order of receipt."""
        return [line for line in self.lines if not line.path.startswith("/stall")]

    @cached_property
    def gate(self) -> Gate:
        """The freeze that was asked for, as the oracle took it."""
        (line,) = (line for line in self.lines if line.path.startswith("/stall"))
        query = dict(pair.split("=") for pair in line.path.partition("?")[2].split("&"))
        every_ns = int(query["every"]) * MS if "every" in query else None
        return Gate(line.recv_ns + int(query["after"]) * MS, int(query["for"]) * MS, every_ns)

    @cached_property
    def response(self) -> Distribution:
        return self._distribution("response")

    @cached_property
    def service(self) -> Distribution:
        return self._distribution("service")

    @cached_property
    def lateness(self) -> Distribution:
        return self._distribution("lateness")

    def _distribution(self, kind: str) -> Distribution:
        count = self.summary["latency"][kind]["count"]
        return Distribution.read(self.folder / "latency.hlog", kind, samples=count)

    # What the oracle's stamps say must have been measured, at the least. The k-th to be received is taken to
    # be the k-th to have been due: where two changed places, only they have each other's time.

    @cached_property
    def true_response(self) -> list[float]:
        """From due to the departure of the answer."""
        assert len(self.log) == len(self.dues), self.result
        return spans(self.dues, (line.sent_ns for line in self.log))

    @cached_property
    def true_service(self) -> list[float]:
        """From receipt to the departure of the answer."""
        return spans((line.recv_ns for line in self.log), (line.sent_ns for line in self.log))

    @cached_property
    def true_lateness(self) -> list[float]:
        """From due to receipt."""
        assert len(self.log) == len(self.dues), self.result
        return spans(self.dues, (line.recv_ns for line in self.log))

    def disturbances(self) -> Iterator[str]:
        """Why this run may not be what it would be on a quiet machine."""
        late = spans(
            (line.due_ns for line in self.log if line.sent_ns),
            (line.sent_ns for line in self.log if line.sent_ns),
        )
        if late and (quantile(late, 99) > 0.5 * MS or late[-1] > 5 * MS):
            yield (
                f"the oracle answered late: p99 {quantile(late, 99) / MS:.3f} ms, max {late[-1] / MS:.3f} ms"
            )
        generator = self.summary["generator"]
        if generator["verdict"] != "valid":
            yield f"the generator was {generator['verdict']}: {'; '.join(generator['reasons'])}"


def assert_follows(
    measured: Distribution,
    true: list[float],
    what: str,
    *,
    slack_ms: float = 1.0,
    tail_from: float = 95,
    tail_slack_ms: float = 20.0,
    reordered_ms: float = 0.0,
    percents: Iterable[float] = PERCENTS,
) -> None:
    """`measured` is `true` plus what client and loopback take: nothing less, and no more than the slack.

    Below `tail_from` the slack is that of a median. In the tail a busy machine shows, and every answer that
    waited for the one before it to be written and read, as those do that a freeze lets go together. Where
    `true` rests on the order of receipt, those that overtook each other in a backlog have each other's times:
    that is what `reordered_ms` allows for, and a fiftieth of it below the tail.
    """
    assert measured.count == len(true), f"{what}: {measured.count} samples instead of {len(true)}"
    for percent in percents:
        expected, found = quantile(true, percent), measured.percentile(percent)
        slack_ns = (slack_ms if percent < tail_from else tail_slack_ms) * MS
        missing_ms = reordered_ms if percent >= tail_from else reordered_ms / 50
        assert expected - missing_ms * MS <= found, (
            f"{what}: p{percent:g} is {found} ns, below the true {expected} ns"
        )
        assert found <= (expected + slack_ns) * (1 + BUCKET), (
            f"{what}: p{percent:g} is {found} ns, {(found - expected) / MS:.3f} ms above the true {expected}"
        )


def assert_every_request_arrived(run: Observation) -> None:
    """The requests that loadgen counts and those that the oracle logged are the same, one for one."""
    arrivals = run.summary["arrivals"]
    assert [line.seq for line in run.lines] == list(range(1, len(run.lines) + 1))
    assert len(run.log) == arrivals["sent"], run.result
    answered = sum(line.sent_ns > 0 for line in run.log)
    assert arrivals["completed"] <= answered <= arrivals["sent"], run.result
    if not arrivals["failed"] + arrivals["unfinished"]:
        assert arrivals["completed"] == answered == arrivals["sent"], run.result
    if not arrivals["dropped"] + arrivals["cancelled"]:
        assert arrivals["sent"] == arrivals["scheduled"] == run.schedule.total, run.result
    # One request at a time on each connection: the next one comes after the answer to the last.
    gone: Counter[int] = Counter()
    for line in run.log:
        assert line.recv_ns >= gone[line.connection], f"pipelined on connection {line.connection}"
        gone[line.connection] = line.sent_ns
