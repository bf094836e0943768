"""A search in 80 columns of text: its probes, the curve, the answer in words. Decides nothing."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

import msgspec

from loadgen.find_max import Found, Probe, knee
from loadgen.report.columns import WIDTH, cut_middle, fitted
from loadgen.snapshot import nanoseconds
from loadgen.units import counted, format_duration, format_ns, format_percent, format_rate, printable

_PLOT_WIDTH, _PLOT_HEIGHT = 60, 12
HEAD = f"{'rate':>11}{'achieved':>11}{'counted':>10}{'p50':>10}{'p99':>10}{'errors':>9}  outcome"


def search_json(found: Found, slo: str) -> bytes:
    """For programs."""
    document = {
        "schema": "loadgen/find-max/1",
        "exit_code": int(found.exit_code),
        "slo": slo,
        **{
            name: getattr(found, name)
            for name in ("outcome", "rate_per_s", "low_per_s", "high_per_s", "is_interval", "width", "why")
        },
        "took_s": round(found.took_s, 3),
        "knee_per_s": knee(found.probes),
        "probes": found.probes,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def probe_line(probe: Probe) -> str:
    """One probe, in columns."""
    return (
        f"{format_rate(probe.rate_per_s):>11}{format_rate(probe.achieved_per_s):>11}"
        f"{probe.seconds:>8.3g} s{format_ns(nanoseconds(probe.p50_ms)):>10}"
        f"{format_ns(nanoseconds(probe.p99_ms)):>10}{format_percent(probe.errors):>9}  {_outcome(probe)}"
    )


def _outcome(probe: Probe) -> str:
    if probe.counts:
        return "kept" if probe.passed else "failed"
    ends = {4: "no target", 5: "script failed", 130: "interrupted"}
    return ends.get(probe.exit_code, "not judged")


def render_search(found: Found, slo: str, folder: Path) -> str:
    """All of it."""
    counting = [probe for probe in found.probes if probe.counts]
    blocks = [
        [HEAD, *map(probe_line, found.probes)] if found.probes else [],
        _curve(counting, found),
        _answer(found, slo),
        [
            f"run folders: {cut_middle(printable(str(folder)), WIDTH - 13)}",
            f"exit code {int(found.exit_code)}",
        ],
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks if block) + "\n"


def _answer(found: Found, slo: str) -> list[str]:
    level = fitted(slo, 60)
    effort = f"{counted(len(found.probes), 'probe')}, {format_duration(round(found.took_s) * 1e9)}"
    rate, low, high = (
        "-" if value is None else format_rate(value)
        for value in (found.rate_per_s, found.low_per_s, found.high_per_s)
    )
    known = "no rate is known to keep it" if found.low_per_s is None else f"{low} kept it"
    if found.high_per_s is not None:
        known += f", {high} did not"
    known += "."
    interval = ""
    if found.width is not None:
        interval = f"{level}: up to {rate}, and with 95 % confidence between {low} and {high}, which is "
        interval += f"{format_percent(found.width)} either way ({effort})."
    so_far = interval or known
    why = f" ({found.why})" if found.why else ""
    late = f" But {found.why}." if found.why else ""
    text = {
        "found": interval + late if interval else f"{level}: between {low} and {high}; {found.why}.",
        "at-least": f"{level}: at least {rate}; {found.why}.",
        "fails": f"{level}: even {high} fails. A lower --from may not.",
        "client-limited": f"No answer, because the generator was the limit{why}. So far: {so_far}",
        "unreachable": f"No answer, because the target could not be reached{why}. So far: {so_far}",
        "broken": f"Broken off: {found.why}. So far: {so_far}",
        "interrupted": f"Interrupted. So far: {so_far}",
    }[found.outcome]
    lines = textwrap.wrap(text, WIDTH)
    counting = [probe for probe in found.probes if probe.counts]
    disturbed = sum(probe.generator != "valid" for probe in counting)
    if disturbed:
        count = "counts" if len(counting) == 1 else "count"
        of = f"In {disturbed} of {counted(len(counting), 'probe')} that {count}"
        text = f"{of} the generator was not at its best, so the limit may be higher: see loadgen doctor."
        lines += ["", *textwrap.wrap(text, WIDTH)]
    bend = knee(found.probes) if found.is_interval else None
    if bend is not None:
        lines += ["", f"The curve bends at about {format_rate(bend)}: the knee, a description and no limit."]
    return lines


def _curve(probes: list[Probe], found: Found) -> list[str]:
    """p99, on a logarithmic scale, over rate; the answer's column is dotted."""
    points = [
        (probe.rate_per_s, math.log(float(probe.p99_ms)), probe.passed)
        for probe in probes
        if probe.p99_ms not in (None, "inf", 0)
    ]
    if len({point[0] for point in points}) < 3:
        return []
    left, right = min(point[0] for point in points), max(point[0] for point in points)
    bottom, top = min(point[1] for point in points), max(point[1] for point in points)
    rows = [[" "] * (_PLOT_WIDTH + 1) for _ in range(_PLOT_HEIGHT + 1)]
    if found.rate_per_s:
        column = round((found.rate_per_s - left) / (right - left) * _PLOT_WIDTH)
        for row in rows:
            row[max(0, min(_PLOT_WIDTH, column))] = ":"
    for x, y, passed in points:
        place = round((y - bottom) / max(top - bottom, 1e-9) * _PLOT_HEIGHT)
        rows[_PLOT_HEIGHT - place][round((x - left) / (right - left) * _PLOT_WIDTH)] = "o" if passed else "x"
    names = {0: format_ns(math.exp(top) * 1e6), _PLOT_HEIGHT: format_ns(math.exp(bottom) * 1e6)}
    lines = [f"{names.get(index, ''):>9} |{''.join(row)}" for index, row in enumerate(rows)]
    first, last = format_rate(left), format_rate(right)
    return [
        "p99 over rate (o kept, x failed, : the answer)",
        *lines,
        f"{'':>10}+{'-' * (_PLOT_WIDTH + 1)}",
        f"{'':>11}{first}{last:>{_PLOT_WIDTH + 1 - len(first)}}",
    ]
