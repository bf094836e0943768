"""A run as its folder tells it, read back: what it showed, and its windows. Writes nothing.

It is read more generously than it was written: a plan of another version is only a document here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from loadgen.engine_plan import EnginePlan
from loadgen.errors import UsageError
from loadgen.hlog import Intervals, Real, read_hlog
from loadgen.result import ChangeResult, GeneratorResult, LabelResult, Latencies, Requests, Verdict
from loadgen.snapshot import Latency
from loadgen.stored_windows import Windows, latency_windows, summed
from loadgen.timeline import Moment

_RESPONSE = "response"
_OF_LABEL = "response:"


class Summary(Struct, frozen=True, kw_only=True):
    """What is needed of summary.json."""

    loadgen_version: str
    name: str
    command: str
    started_at: str
    duration_s: float
    verdict: Verdict
    exit_code: int
    plan: dict[str, Any]
    target_rate_per_s: float | None
    achieved_rate_per_s: float
    requests: Requests
    latency: Latencies
    labels: list[LabelResult]
    metrics: dict[str, Any]
    generator: GeneratorResult
    changes: list[ChangeResult] = []

    @property
    def ok_per_s(self) -> float:
        """Requests that went well, a second."""
        return self.requests.ok / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def load(self) -> str:
        """`GET /items: 500/s for 1m`, as far as this version understands the plan."""
        try:
            load = msgspec.convert(self.plan, EnginePlan).describe_load()
        except (msgspec.ValidationError, ValueError, TypeError):
            load = "a plan of another version"
        if self.changes:
            load += ", changed by hand"
        label = self.plan.get("label")
        return f"{label}: {load}" if isinstance(label, str) and label else load


@dataclass(frozen=True)
class StoredRun:
    """A run folder. Its logs are read when somebody asks for windows."""

    path: Path
    summary: Summary

    @classmethod
    def read(cls, path: Path) -> StoredRun:
        """Raises UsageError where the folder holds no run that came to its end."""
        file = path / "summary.json"
        try:
            return cls(path, msgspec.json.decode(file.read_bytes(), type=Summary))
        except FileNotFoundError:
            raise UsageError(f"{path} holds no run: there is no summary.json in it") from None
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} is no summary of a run: {error}") from None

    def latency(self, label: str | None) -> Latency | None:
        """The response times of a label, or of all; None where it has no such label."""
        if label is None:
            return self.summary.latency.response
        return self._labels[label].latency.response if label in self._labels else None

    def requests(self, label: str | None) -> Requests:
        """What came of a label's requests, or of all."""
        return self.summary.requests if label is None else self._labels[label].requests

    def failed_share(self, label: str | None) -> float:
        """Of what ended of a label's requests, or of all."""
        requests = self.requests(label)
        ended = requests.ok + requests.failed
        return requests.failed / ended if ended else 0.0

    def windows(self, label: str | None) -> Windows:
        """Of the response times of a label, or of all."""
        return self._windows.get(label) or latency_windows(Intervals())

    def ends(self) -> Real:
        """By window (rows): requests that went well, those that failed, seconds. Empty without a timeline."""
        moments = self._timeline
        names = ("ok", "failed")
        columns: list[Sequence[float]] = [
            [moment.counts.get(name, 0) for moment in moments] for name in names
        ]
        # What ends after the load was on belongs to its last window, and makes no rate.
        lengths_s = [0.0 if moment.draining else moment.length_s for moment in moments]
        return summed(lengths_s, [*columns, lengths_s]) if moments else np.zeros((0, 3))

    def _lost_by_interval(self, intervals: Intervals) -> Real | None:
        """When samples were that never ended: the timeline knows, and has a line for each interval."""
        counts = [moment.response.count if moment.response else 0 for moment in self._timeline]
        if len(counts) != len(intervals.cells):
            return None
        finite = [int(cells.sum()) for _, cells in intervals.cells]
        lost: Real = np.maximum(0.0, np.array(counts, dtype=np.float64) - np.array(finite))
        return lost

    @cached_property
    def _labels(self) -> dict[str, LabelResult]:
        return {row.label: row for row in self.summary.labels}

    @cached_property
    def _windows(self) -> dict[str | None, Windows]:
        """Of all labels, because the log has them mixed; windows take little room, intervals do not."""
        file = self.path / "latency.hlog"
        tags = read_hlog(file, lambda tag: tag == _RESPONSE or tag.startswith(_OF_LABEL))
        labels = {tag: None if tag == _RESPONSE else tag.removeprefix(_OF_LABEL) for tag in tags}
        return {labels[tag]: self._cut(labels[tag], intervals) for tag, intervals in tags.items()}

    def _cut(self, label: str | None, intervals: Intervals) -> Windows:
        latency = self.latency(label)
        lost = max(0, (latency.count if latency else 0) - intervals.count)
        by_interval = self._lost_by_interval(intervals) if label is None and lost else None
        return latency_windows(intervals, by_interval, lost_in_all=lost)

    @cached_property
    def _timeline(self) -> list[Moment]:
        """Empty where an earlier version has written none."""
        file = self.path / "timeline.jsonl"
        decoder = msgspec.json.Decoder(Moment)
        try:
            return [decoder.decode(line) for line in file.read_bytes().splitlines()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} is no timeline of a run: {error}") from None


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """Each is a run folder, or one that holds several. A run is there once, however many links lead to it.

    Raises UsageError where there is none.
    """
    found = [path for folder in folders for path in _runs_in(folder)]
    # Of several names for one, that which is no link.
    known = {path.resolve(): path for path in sorted(found, key=lambda path: not path.is_symlink())}
    return [path for path in dict.fromkeys(found) if known[path.resolve()] == path]


def _runs_in(folder: Path) -> list[Path]:
    try:
        if any((folder / name).exists() for name in ("summary.json", "plan.json")):
            return [folder]
        found = sorted(path for path in folder.iterdir() if _may_be_run(path))
    except FileNotFoundError:
        raise no_folder(folder) from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror or error}") from None
    if not found:
        raise UsageError(f"{folder} holds no run", hint="Name a run folder, such as runs/<time>-<name>.")
    return found


def _may_be_run(path: Path) -> bool:
    try:
        return (path / "plan.json").exists()
    except PermissionError:
        return True  # who reads it will say that it cannot be


def no_folder(path: Path) -> UsageError:
    """For who names one that is not there."""
    return UsageError(f"there is no folder {path}", hint="A run leaves one below runs, or where --out says.")


def finished_runs(folders: Sequence[Path]) -> tuple[list[StoredRun], int]:
    """The runs in them, and how many more never came to their end, or cannot be read."""
    runs, unfinished = [], 0
    for one in find_runs(folders):
        try:
            runs.append(StoredRun.read(one))
        except UsageError:
            unfinished += 1
    return runs, unfinished
