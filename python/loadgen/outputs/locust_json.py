"""Locust's list of statistics as JSON: an entry for each name, its counts by rounded time and by second."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from loadgen.files import write_whole
from loadgen.outputs.locust_rows import times_of
from loadgen.outputs.output import Output
from loadgen.outputs.places import check_writable

if TYPE_CHECKING:
    from pathlib import Path

    from loadgen._engine import Snapshot
    from loadgen.progress import Opening, Progress
    from loadgen.result import Result


class LocustJson(Output):
    """Keeps counts a second. `text` is all of it when the run is over; with a path it is written there."""

    def __init__(self, path: Path | None) -> None:
        super().__init__("locust-json", *([path] if path else []))
        self._path = path
        self.text = "[]\n"
        self._started_at = 0.0
        self._last: Snapshot | None = None
        self._ended: dict[str, Counter[str]] = {}
        self._failed: dict[str, Counter[str]] = {}
        self._at: dict[str, float] = {}

    def open(self) -> None:
        """Whether it can be written is known before the load."""
        if self._path is not None:
            check_writable(self._path)

    def begin(self, opening: Opening) -> None:
        """From now on."""
        self._started_at = opening.started_at

    def look(self, progress: Progress) -> None:
        """What one second has brought."""
        self._last = progress.total
        now = self._started_at + progress.elapsed_s
        second = str(int(now))
        for label in _requests(progress.interval):
            counters = progress.interval.label_counters(label)
            ended = counters["ok"] + counters["failed"]
            if ended:
                self._at[label] = now
                self._ended.setdefault(label, Counter())[second] += ended
            if counters["failed"]:
                self._failed.setdefault(label, Counter())[second] += counters["failed"]

    def finish(self, result: Result) -> None:  # noqa: ARG002 - the snapshots have it
        """The list."""
        total = self._last
        entries = [self._entry(total, label) for label in sorted(_requests(total))] if total else []
        found = [entry for entry in entries if entry["num_requests"]]
        self.text = msgspec.json.format(msgspec.json.encode(found), indent=4).decode() + "\n"
        if self._path is not None:
            write_whole(self._path, self.text.encode())

    def _entry(self, total: Snapshot, label: str) -> dict[str, Any]:
        method, _, name = label.partition(" ")
        counters, histogram = total.label_counters(label), total.histogram("response", label)
        return {
            "name": name,
            "method": method,
            "last_request_timestamp": self._at.get(label, self._started_at),
            "start_time": self._started_at,
            "num_requests": counters["ok"] + counters["failed"],
            "num_none_requests": 0,
            "num_failures": counters["failed"],
            "total_response_time": (histogram.mean_ns or 0) * histogram.count / 1e6,
            "max_response_time": (histogram.max_ns or 0) / 1e6,
            "min_response_time": None if histogram.min_ns is None else histogram.min_ns / 1e6,
            "total_content_length": counters["bytes_received"],
            "response_times": {str(ms): count for ms, count in times_of(histogram).items()},
            "num_reqs_per_sec": self._ended.get(label, {}),
            "num_fail_per_sec": self._failed.get(label, {}),
        }


def _requests(snapshot: Snapshot) -> list[str]:
    return [label for label in snapshot.labels if snapshot.role(label) in ("request", "operation")]
