"""How a run of an Artillery script ends: its score, its checks, its report, its exit code."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery import apdex, ensure
from loadgen.importers.artillery.expectations import EXIT_CODE, SEPARATOR
from loadgen.importers.artillery.metrics import metrics_of

if TYPE_CHECKING:
    from loadgen._engine import Snapshot
    from loadgen.progress import Event, Opening, Progress
    from loadgen.result import Result
    from loadgen.script import Script


class Ending:
    """Follows a run to its end, and judges it then as Artillery would."""

    def __init__(self, script: Script, reports: Sequence[Path] = ()) -> None:
        self._config: Mapping[str, Any] = getattr(script.module, "config", {})
        self._last: Snapshot | None = None
        self._elapsed_s = 0.0
        self._result: Result | None = None
        self._report = None
        if reports:
            # It needs a look every ten seconds, so it follows the run too.
            self._report = import_module("loadgen.importers.artillery.report").Report(reports)

    def begin(self, opening: Opening) -> None:
        if self._report is not None:
            self._report.begin(opening)

    def progress(self, progress: Progress) -> None:
        self._last, self._elapsed_s = progress.total, progress.elapsed_s
        if self._report is not None:
            self._report.progress(progress)

    def event(self, event: Event) -> None:
        if self._report is not None:
            self._report.event(event)

    def end(self, result: Result) -> None:
        self._result = result
        if self._report is not None:
            self._report.end(result)

    def close(self) -> None:
        if self._report is not None:
            self._report.close()

    def judge(self, exit_code: int) -> tuple[int, list[str]]:
        """The exit code, where ours is 0, and what there is to say."""
        if self._last is None or self._result is None:
            return exit_code, []
        metrics = metrics_of(self._last, self._elapsed_s)
        lines = []
        scored = apdex.score(metrics["counters"])
        values: dict[str, Any] = {}
        if scored is not None:
            values = {"apdex": scored[0], "ranking": scored[1]}
            lines.append(f"apdex score: {scored[0]:.3g} ({scored[1]})")
        checks = []
        if "ARTILLERY_DISABLE_ENSURE" not in os.environ:
            checks = ensure.run_checks(self._config, metrics, values)
        if checks:
            lines.append("ensure")
        lines += [f"  {check}" for check in sorted(checks, key=lambda check: not check.passed)]
        wrong = any(check.name.partition(SEPARATOR)[1] and check.failed for check in self._result.checks)
        if exit_code == 0 and wrong:
            exit_code = EXIT_CODE
        # What ensure says comes last, and outdoes expectations.
        if exit_code in (0, EXIT_CODE) and any(check.is_strict and not check.passed for check in checks):
            exit_code = 1
        return exit_code, lines
