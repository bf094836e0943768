"""One probe of a search: a run at one rate, of which a first part does not count."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from loadgen.errors import ExitCode, LoadgenError, UsageError
from loadgen.files import text_of
from loadgen.find_max import JUDGED, Probe, settle_s
from loadgen.loads import MAX_SEED
from loadgen.outputs.outputs import Outputs
from loadgen.plan import Plan
from loadgen.run import Conductor, see_through
from loadgen.slo import Condition, parse_slo
from loadgen.snapshot import Milliseconds, milliseconds
from loadgen.units import quoted
from loadgen.windows import LATE_NS

if TYPE_CHECKING:
    from loadgen._engine import Snapshot
    from loadgen.progress import Event, Opening, Progress
    from loadgen.result import Result


_ERRORS = parse_slo("errors < 1%")[0]  # for the table, whatever was asked


class Prober:
    """Makes the probes of a plan, each with a folder of its own. Nothing is in flight when one begins.

    A run waits for its answers (`--drain`); what it gave up then has a server busy for as long as the next
    probe settles, at the most.
    """

    def __init__(self, plan: Plan, conditions: Sequence[Condition], folder: Path) -> None:
        self._plan = plan
        self._conditions = conditions
        self._folder = folder
        self._number = 0

    def __call__(self, rate: float, seconds: float) -> Probe:
        """At that rate, and for so long after it has settled."""
        self._number += 1
        folder = self._folder / f"probe-{self._number:02}"
        plan = self._plan_at(rate, seconds)
        watcher = _Watcher(settle_s(seconds))
        began = time.monotonic()
        conductor = Conductor(plan, folder, Outputs([]), [watcher])
        result = see_through(conductor)
        total, end = watcher.whole(), watcher.last
        counts = [condition.count(total, end) if total and end else (0, 0) for condition in self._conditions]
        if result.exit_code in JUDGED:
            self._check_whole(counts, result)
        response = total.histogram("response") if total else None
        failed, of_all = _ERRORS.count(total, end) if total and end else (0, 0)
        return Probe(
            rate_per_s=rate,
            achieved_per_s=result.achieved_rate_per_s,
            seconds=seconds,
            took_s=time.monotonic() - began,
            # Not by the run's own thresholds: a percentile of one sample too few would be no data.
            passed=all(
                over <= condition.allowed * of
                for (over, of), condition in zip(counts, self._conditions, strict=True)
            ),
            # The run may have been over when Ctrl-C came: the search is not.
            exit_code=int(ExitCode.INTERRUPTED) if conductor.asked_to_stop else result.exit_code,
            generator=result.generator.verdict,
            reasons=[*result.generator.reasons, *_stopped(result)],
            p50_ms=_ms(response.percentile(50) if response else None),
            p99_ms=_ms(response.percentile(99) if response else None),
            errors=failed / of_all if of_all else 0.0,
            over=[over for over, _ in counts],
            of=[of for _, of in counts],
            folder=text_of(folder),
        )

    def _check_whole(self, counts: Sequence[tuple[int, int]], result: Result) -> None:
        """Of nothing nothing can be said: it is not kept, nor does it fail."""
        for (_, of), condition in zip(counts, self._conditions, strict=True):
            if of:
                continue
            if condition.threshold.label is not None and result.requests.total:
                text = f"in a probe no request was counted as {quoted(condition.threshold.label)}"
                raise UsageError(f"--slo: {text}")
            raise LoadgenError(f"a probe was over after {result.duration_s:.1f} s, before it had settled")

    def _plan_at(self, rate: float, seconds: float) -> Plan:
        before_s = settle_s(seconds)
        thresholds = [
            f"{condition.threshold.expression} after {before_s:g}s" for condition in self._conditions
        ]
        return msgspec.structs.replace(
            self._plan,
            rate=round(rate, 3),
            duration=round(before_s + seconds, 3),
            # Other arrivals in each: the same ones again would be the same chance again.
            seed=(int(self._plan.seed) + self._number) % (MAX_SEED + 1),
            thresholds=thresholds,
        )


def _stopped(result: Result) -> list[str]:
    return [result.script.stopped] if result.script and result.script.stopped else []


def _ms(value_ns: float | None) -> Milliseconds:
    return milliseconds(None if value_ns is None else round(value_ns / 1e6, 6))


class _Watcher:
    """Keeps the run as it was when it had settled, and as it is."""

    def __init__(self, before_s: float) -> None:
        self._before_s = before_s
        self._settled: Snapshot | None = None
        self.last: Snapshot | None = None

    def progress(self, progress: Progress) -> None:
        """The run's own ticks will do."""
        self.last = progress.total
        if (
            self._settled is None
            and progress.phase == "load"
            and progress.elapsed_s >= self._before_s - LATE_NS / 1e9
        ):
            self._settled = progress.total

    def whole(self) -> Snapshot | None:
        """All that counts, with what came in the drain; None where the run ended before."""
        return self.last.since(self._settled) if self._settled and self.last else None

    def begin(self, opening: Opening) -> None:
        """Nothing to keep yet."""

    def event(self, event: Event) -> None:
        """What it has to say is in the result."""

    def end(self, result: Result) -> None:
        """The same."""

    def close(self) -> None:
        """Nothing is open."""
