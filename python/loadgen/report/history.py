"""The history of runs in 80 columns of text. It reads a History and decides nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime

from loadgen.history import Group, History, PastRun
from loadgen.live.curve import WIDEST, Curve
from loadgen.report.columns import WIDTH, cut_middle
from loadgen.report.comparison import shown_name
from loadgen.snapshot import Milliseconds, nanoseconds
from loadgen.units import counted, format_ns, format_percent, format_rate


def render_history(history: History, last: int) -> str:
    """All groups, of each the last runs."""
    blocks = [_group(group, last) for group in history.groups]
    if history.unfinished:
        blocks.append([f"{counted(history.unfinished, 'more folder')} without a result that can be read"])
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks) + "\n"


def _group(group: Group, last: int) -> list[str]:
    runs = group.runs[-last:]
    count = counted(len(group.runs), "run")
    if len(runs) < len(group.runs):
        count = f"the last {len(runs)} of {count}"
    # Names are alone on their lines: one that is read from right to left would take what follows along.
    return [
        cut_middle(shown_name(group.name), WIDTH),
        cut_middle(f"{shown_name(group.load)}: {count}", WIDTH),
        *(_trends(runs) if len(runs) > 1 else []),
        f"{'started (UTC)':<21}{'verdict':<9}{'ok':>10}{'failed':>9}{'p50':>10}{'p99':>10}",
        *(line for run in runs for line in _run(run)),
    ]


def _trends(runs: Sequence[PastRun]) -> list[str]:
    return [
        _trend("p50", [run.p50_ms for run in runs], _latency),
        _trend("p99", [run.p99_ms for run in runs], _latency),
        _trend("ok", [run.ok_per_s for run in runs], format_rate),
        _trend("failed", [run.failed for run in runs], format_percent),
    ]


def _trend(name: str, values: Sequence[Milliseconds], show: Callable[[float], str]) -> str:
    curve = Curve(show)
    for value in values:
        curve.add(math.inf if value == "inf" else value)
    line, top = curve.draw(WIDEST)
    return f"  {name:<8}{line}  {top}"


def _latency(value_ms: float) -> str:
    return format_ns(value_ms * 1e6)


def _run(run: PastRun) -> list[str]:
    line = (
        f"{_time(run.started_at):<21}{run.verdict:<9}{format_rate(run.ok_per_s):>10}"
        f"{format_percent(run.failed):>9}"
        f"{format_ns(nanoseconds(run.p50_ms)):>10}{format_ns(nanoseconds(run.p99_ms)):>10}"
    )
    return [line, f"  {cut_middle(shown_name(run.folder), WIDTH - 2)}"]


def _time(started_at: str) -> str:
    try:
        return datetime.fromisoformat(started_at).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return cut_middle(shown_name(started_at), 19)
