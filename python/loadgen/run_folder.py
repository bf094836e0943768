"""The run folder: plan.json, machine.json, summary.json, distribution.json, latency.hlog, timeline.jsonl, ...

An observer; it never stops a load.

The folder is made, and each file opened, before the first request, so that an unwritable place is refused at
once. A failure later (a full disk) is kept in `failure`: the load goes on, the report is still shown, and the
run ends with exit code 2 unless it ends with a worse one. report.html is no record: it is made from the
others, and can be made again; without it a run has passed all the same.

latency.hlog is an HdrHistogram interval log, format 1.3, which public tools read:

    #[...]                                                 comments; stamps are relative to BaseTime
    Tag=response,12.000,1.000,3.482,HISTFAAA...            tag, start in s, length in s, maximum in ms, data
    Tag=response:GET%20%2Fitems,12.000,1.000,3.482,HIS...  one label's, percent-encoded: no commas, no spaces
    Tag=trend:basket,12.000,1.000,3.482,HIS...             a script's own values, times 1,000,000

The maximum is in milliseconds (values are ns, divided by the format's customary 1,000,000), because that is
what the readers of the format assume. It holds the finite samples only: those that never ended have no value.
So its percentiles are those of summary.json only where all samples ended; summary.json counts the others.

timeline.jsonl has one second a line, which `loadgen.timeline` describes.

distribution.json has the percentiles that HdrHistogram's plots have: {"response": [[percent, ms], ...], ...}.
machine.json has what `loadgen doctor` said when the run began.

events.jsonl has one event a line; `at_s` counts from the start of the run. The first line also says when that
was on CLOCK_MONOTONIC (`monotonic_ns`), so that the schedule can be laid beside the stamps of a server on the
same machine.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from loadgen.courtesy import breathe
from loadgen.errors import RunFolderError, UsageError
from loadgen.files import LineFile, write_whole
from loadgen.progress import Event, Opening, Progress
from loadgen.report import page as report
from loadgen.report.percentiles import KINDS as TOTALS
from loadgen.report.percentiles import Point, points_of
from loadgen.result import Result
from loadgen.timeline import moment_of

if TYPE_CHECKING:
    from loadgen._engine import Histogram, Snapshot

_LINES_AHEAD = 600
_OURS = (
    *("plan.json", "machine.json", "summary.json", "distribution.json"),
    *("latency.hlog", "timeline.jsonl", "events.jsonl", report.NAME),
)


class _Record(LineFile):
    """Never over another run's. After a gap there is no more of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(FileIO(path, "xb"))
        self.path = path
        self._broken = False

    def append(self, text: str) -> None:
        """Write lines. Raises OSError once; from then on it does nothing."""
        if self._broken:
            return
        try:
            super().append(text)
        except OSError:
            self._broken = True
            raise


class RunFolder:
    """Everything that a run leaves behind, in one place."""

    def __init__(
        self, path: Path, hlog: _Record, timeline: _Record, events: _Record, *, is_new: bool = False
    ) -> None:
        self.path = path
        self.failure: str | None = None
        self.missing_report: str | None = None  # why there is none
        self._total: Snapshot | None = None  # the last one
        self._is_new = is_new
        self._holds_something = False
        self._hlog = hlog
        self._timeline = timeline
        self._events = events
        self._labels_since: Snapshot | None = None  # up to where labels are in the log
        self._labels_from_s = 0.0
        self._label_line_count = 0
        self._monotonic_ns: int | None = None  # the start, until the first event has told it

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Make the folder and open its files. Raises RunFolderError where that cannot be."""
        is_new = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            for name in _OURS:
                if (path / name).exists():
                    raise RunFolderError(
                        f"{path} already holds a run",
                        hint="Choose another folder with --out, or remove that one.",
                    )
            files = [_Record(path / name) for name in ("latency.hlog", "timeline.jsonl", "events.jsonl")]
        except OSError as error:
            raise _unwritable(path, error) from None
        return cls(path, *files, is_new=is_new)

    def begin(self, opening: Opening) -> None:
        """The plan, without secrets, the machine, and the head of the log."""
        from loadgen.machine import examine  # which needs the engine, as those who only read do not

        self._monotonic_ns = opening.monotonic_ns
        plan_json = msgspec.json.format(opening.plan.redacted().encode(), indent=2) + b"\n"
        self._attempt(lambda: write_whole(self.path / "plan.json", plan_json))
        machine_json = msgspec.json.format(msgspec.json.encode(examine()), indent=2) + b"\n"
        self._attempt(lambda: write_whole(self.path / "machine.json", machine_json))
        self._attempt(lambda: self._hlog.append(hlog_head(opening.started_at)))

    def progress(self, progress: Progress) -> None:
        """A moment; an interval of each total, and one of each label where its line is due."""
        self._total = progress.total
        if progress.interval_s <= 0:
            return
        start_s = progress.elapsed_s - progress.interval_s
        lines = []
        for kind in TOTALS:
            lines.append(hlog_line(kind, start_s, progress.interval_s, progress.interval.histogram(kind)))
            breathe()
        # Labels share a line a second, so that an hour's log stays below 50 MB. What they have ahead lets
        # them be compared after a short run, too: that takes several intervals.
        due = self._label_line_count + len(progress.total.labels) <= progress.elapsed_s + _LINES_AHEAD
        if due or progress.phase == "drain":
            of_labels = self._label_lines(progress)
            self._label_line_count += len(of_labels)
            lines += of_labels
        self._attempt(lambda: self._hlog.append("".join(lines)))
        breathe()
        moment = msgspec.json.encode(moment_of(progress)).decode()
        self._attempt(lambda: self._timeline.append(moment + "\n"))

    def _label_lines(self, progress: Progress) -> list[str]:
        since, start_s = self._labels_since, self._labels_from_s
        interval = progress.total if since is None else progress.total.since(since)
        self._labels_since, self._labels_from_s = progress.total, progress.elapsed_s
        return [
            hlog_line(
                f"{'trend' if progress.total.role(label) == 'trend' else 'response'}:{quote(label, safe='')}",
                start_s,
                progress.elapsed_s - start_s,
                histogram,
            )
            for label in progress.total.labels
            if (histogram := interval.histogram("response", label)).count
        ]

    def event(self, event: Event) -> None:
        """One line of JSON."""
        fields: dict[str, object] = {
            "at_s": round(event.at_s, 3),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event.event,
            "text": event.text,
        }
        if self._monotonic_ns is not None:
            fields["monotonic_ns"], self._monotonic_ns = self._monotonic_ns, None
        line = json.dumps(fields, ensure_ascii=False)
        self._attempt(lambda: self._events.append(line + "\n"))

    def end(self, result: Result) -> None:
        """The summary, the distribution, and the report on all of it."""
        self._attempt(lambda: write_whole(self.path / "summary.json", result.to_json()))
        if self._total is not None:
            found = msgspec.json.encode(distribution_of(self._total, result)) + b"\n"
            self._attempt(lambda: write_whole(self.path / "distribution.json", found))
        try:
            write_whole(self.path / report.NAME, report.make_report(self.path))
        except UsageError as error:
            self.missing_report = error.message
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the run
            self.missing_report = str(error)

    def close(self) -> None:
        """After the end, or where a run ended before it had a result. One that never began leaves nothing."""
        for file in (self._hlog, self._timeline, self._events):
            file.close()
            if not self._holds_something:
                file.path.unlink(missing_ok=True)
        if self._is_new and not self._holds_something:
            with contextlib.suppress(OSError):  # somebody has put something into it
                self.path.rmdir()

    def _attempt(self, write: Callable[[], None]) -> None:
        """Each file fails by itself: a log that fills the disk must not cost the summary."""
        self._holds_something = True
        try:
            write()
        except OSError as error:
            self.failure = self.failure or f"{self.path} could not be written: {error.strerror or error}"


def distribution_of(total: Snapshot, result: Result) -> dict[str, list[Point]]:
    """The percentiles of all latencies; what the result counts beyond them was lost with its worker."""
    found = {}
    for kind in TOTALS:
        histogram = total.histogram(kind)
        counted = getattr(result.latency, kind).count
        found[kind] = points_of(histogram, max(0, counted - histogram.count - histogram.infinite))
    return found


def hlog_head(now: float) -> str:
    """The comments by which readers know the format and the time that the stamps are relative to."""
    text = datetime.fromtimestamp(now, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    return (
        "#[Histogram log format version 1.3]\n"
        f"#[StartTime: {now:.3f} (seconds since epoch), {text}]\n"
        f"#[BaseTime: {now:.3f} (seconds since epoch)]\n"
        "#[Values in ns, interval maximum in ms]\n"
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
    )


def hlog_line(tag: str, start_s: float, length_s: float, histogram: Histogram) -> str:
    """One interval of one tag."""
    maximum_ms = (histogram.max_ns or 0) / 1e6
    return f"Tag={tag},{start_s:.3f},{length_s:.3f},{maximum_ms:.3f},{histogram.encode()}\n"


@contextlib.contextmanager
def default_folder(name: str, now: float | None = None) -> Iterator[Path]:
    """`runs/<time>-<name>`, made here and with a number where it is taken, so that no other run has it too.

    Where nothing was written into it, it goes again.
    """
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S", time.localtime(now))
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "run"
    path = Path("runs") / f"{stamp}-{slug}"
    number = 1
    while not _is_made(path):
        number += 1
        path = path.with_name(f"{stamp}-{slug}-{number}")
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):  # of what is not empty
            path.rmdir()
            path.parent.rmdir()


def _is_made(path: Path) -> bool:
    """False where somebody has it already."""
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        path.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from None
    return True


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"the run folder {path} cannot be written: {error.strerror or error}",
        hint="Choose another place with --out.",
    )
