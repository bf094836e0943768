"""The report in Artillery's format: the whole run, and periods of ten seconds, which begin with the clock's.

    {"aggregate": P, "intermediate": [P, …]}     P: counters, rates, summaries, histograms, times

What reads Artillery's reports reads this one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.files import write_whole
from loadgen.importers.artillery.metrics import metrics_of
from loadgen.outputs.places import check_writable

if TYPE_CHECKING:
    from loadgen._engine import Snapshot
    from loadgen.progress import Event, Opening, Progress
    from loadgen.result import Result

PERIOD_S = 10


class Report:
    """Looks at a run once a second, and writes its files in the end."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        for path in paths:
            check_writable(path)  # known before the load
        self._started_at = 0.0
        self._periods: list[dict[str, Any]] = []
        self._before: Snapshot | None = None  # when the present period began
        self._begun_s = 0.0
        self._last: Snapshot | None = None
        self._elapsed_s = 0.0

    def begin(self, opening: Opening) -> None:
        """From now on."""
        self._started_at = opening.started_at

    def progress(self, progress: Progress) -> None:
        """Ends a period with the first look that is in the next."""
        if self._period(progress.elapsed_s) > self._period(self._begun_s) and self._last is not None:
            self._end_period(self._last, self._elapsed_s)
        self._last, self._elapsed_s = progress.total, progress.elapsed_s

    def event(self, event: Event) -> None:
        """It is not in the report."""

    def end(self, result: Result) -> None:
        """The files, each whole or not at all."""
        del result
        if self._last is None:
            return
        self._end_period(self._last, self._elapsed_s)
        whole = self._part(self._last, 0.0, self._elapsed_s)
        whole["period"] = self._period(self._elapsed_s) * 1000
        text = json.dumps({"aggregate": whole, "intermediate": self._periods}, indent=2)
        for path in self._paths:
            write_whole(path, text.encode())

    def close(self) -> None:
        """Nothing is held."""

    def _end_period(self, total: Snapshot, elapsed_s: float) -> None:
        interval = total if self._before is None else total.since(self._before)
        part = self._part(interval, self._begun_s, elapsed_s)
        if part["counters"]:
            part["period"] = str(self._period(self._begun_s) * 1000)
            self._periods.append(part)
        self._before, self._begun_s = total, elapsed_s

    def _part(self, snapshot: Snapshot, begun_s: float, ended_s: float) -> dict[str, Any]:
        metrics = metrics_of(snapshot, ended_s - begun_s)
        first, last = (round((self._started_at + at_s) * 1000) for at_s in (begun_s, ended_s))
        times: dict[str, Any] = {"firstCounterAt": first, "lastCounterAt": last}
        times |= {"firstMetricAt": first, "lastMetricAt": last}
        if metrics["summaries"]:
            times |= {"firstHistogramAt": first, "lastHistogramAt": last}
        return {**metrics, "histograms": metrics["summaries"], **times}

    def _period(self, elapsed_s: float) -> int:
        """The ten seconds of the clock in which an instant lies, in seconds."""
        return int((self._started_at + elapsed_s) // PERIOD_S * PERIOD_S)
