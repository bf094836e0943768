"""Runs in groups by what was run, each in the order of time. Reads run folders; judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from loadgen.files import text_of
from loadgen.result import Verdict
from loadgen.snapshot import Milliseconds
from loadgen.stored_run import StoredRun, finished_runs


class PastRun(Struct, frozen=True, kw_only=True):
    """One run in a line."""

    folder: str
    started_at: str
    verdict: Verdict
    exit_code: int
    ok_per_s: float
    failed: float  # share of all requests
    p50_ms: Milliseconds
    p99_ms: Milliseconds


class Group(Struct, frozen=True, kw_only=True):
    """Runs of one plan: of the same name, and with the same load. The oldest comes first."""

    name: str
    load: str
    runs: list[PastRun]


class History(Struct, frozen=True, kw_only=True):
    """All groups, by when they last ran. `unfinished` folders have a plan but no summary."""

    schema: Literal["loadgen/history/1"] = "loadgen/history/1"
    groups: list[Group]
    unfinished: int


def read_history(folders: Sequence[Path]) -> History:
    """Each folder is a run's, or one that holds several. Raises UsageError where there is no run in one."""
    groups: dict[tuple[str, str], list[PastRun]] = {}
    runs, unfinished = finished_runs(folders)
    for run in runs:
        groups.setdefault((run.summary.name, run.summary.load), []).append(_past(run))
    found = [
        Group(name=name, load=load, runs=sorted(past, key=lambda run: run.started_at))
        for (name, load), past in groups.items()
    ]
    return History(groups=sorted(found, key=lambda group: group.runs[-1].started_at), unfinished=unfinished)


def _past(run: StoredRun) -> PastRun:
    summary = run.summary
    response = summary.latency.response
    return PastRun(
        folder=text_of(run.path),
        started_at=summary.started_at,
        verdict=summary.verdict,
        exit_code=summary.exit_code,
        ok_per_s=round(summary.ok_per_s, 3),
        failed=run.failed_share(None),
        p50_ms=response.p50_ms,
        p99_ms=response.p99_ms,
    )
