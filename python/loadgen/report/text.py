"""The closing table: what a run showed, in 80 columns of text. It reads a Result and decides nothing."""

from __future__ import annotations

from pathlib import Path

from loadgen.engine_plan import OpenLoad
from loadgen.error_kinds import ERROR_WORDS
from loadgen.errors import ExitCode
from loadgen.report import script as of_script
from loadgen.report import sockets as of_sockets
from loadgen.report import thresholds
from loadgen.report.columns import WIDTH, bullet, cut_middle, fitted, hanging, pad, width_of
from loadgen.report.latencies import footnotes, latency_rows
from loadgen.report.words import changed_by_hand, trust
from loadgen.result import Result
from loadgen.snapshot import Latency
from loadgen.units import (
    counted,
    format_bytes,
    format_count,
    format_duration,
    format_percent,
    format_rate,
    printable,
)
from loadgen.wire import describe_wire

_INDENT = " " * 12


def render(result: Result, folder: Path | None = None) -> str:
    """All of it. `folder` is where the rest is."""
    incomplete = result.exit_code == ExitCode.UNUSABLE  # nothing else gives a run that has a result this code
    blocks = [
        _head(result),
        *_counts(result),
        _latencies(result),
        *_of_script(result),
        _answers(result),
        thresholds.lines(result),
        _trust(result),
        _outputs(result),
        [f"run folder: {folder}{' (not everything could be written)' if incomplete else ''}"]
        if folder
        else [],
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks if block) + "\n"


def _counts(result: Result) -> list[list[str]]:
    """What was asked for and what came of it."""
    if result.sockets is None:
        return [_rates(result)]
    return [of_sockets.connections(result, result.sockets), of_sockets.messages(result, result.sockets)]


def _of_script(result: Result) -> list[list[str]]:
    """What blast has not, but for labels: it has several where it has several targets."""
    script = result.script
    if script is None:
        deliveries = of_sockets.deliveries(result.sockets) if result.sockets else []
        return [deliveries, of_script.labels(result) if len(result.labels) > 1 else []]
    return [
        of_script.labels(result),
        of_script.checks(result),
        of_script.metrics(result, script),
        of_script.failures(script),
        of_script.errors(script),
        of_script.blocked(script),
        of_script.retries(script),
    ]


def _head(result: Result) -> list[str]:
    plan = result.plan
    how = f"{format_duration(round(result.duration_s, 1) * 1e9)}, {counted(len(result.workers), 'worker')}"
    title = fitted(result.name, WIDTH - len(how) - 2)
    # How arrivals are spread changes what a queue does to them, so it stands at the top.
    load = plan.describe_load()
    arrivals = {load.describe_arrivals() for load in plan.loads if isinstance(load, OpenLoad)}
    if plan.sockets is not None:
        load += f", {plan.pacing} pacing"
    elif arrivals:
        load += f", {' and '.join(sorted(arrivals))} arrivals, {plan.pacing} pacing"
    head = [f"{pad(title, WIDTH - len(how))}{how}"]
    wired = hanging(_INDENT, ", ".join(wire).split()) if (wire := describe_wire(plan.wire)) else []
    if changed := changed_by_hand(result):
        wired.append(changed)
    if not plan.has_metrics:
        return [*head, f"{fitted(plan.label, WIDTH - len(load) - 2)}: {load}", *wired]
    names = printable(
        ", ".join(scenario.name for scenario in plan.script.scenarios) if plan.script else plan.label
    )
    if width_of(names) + len(load) + 2 <= WIDTH:
        return [*head, f"{names}: {load}", *wired]
    return [*head, cut_middle(names, WIDTH), *hanging(_INDENT, load.split()), *wired]


def _rates(result: Result) -> list[str]:
    """Counts are of the whole run; rates are over the time for which the load was on."""
    arrivals, in_iterations = result.arrivals, result.plan.counts_iterations
    rows: list[tuple[str, int, float | None, str]] = []
    if result.target_rate_per_s is not None:
        rows.append(("offered", arrivals.scheduled, result.target_rate_per_s, ""))
    begun = ("started", "") if in_iterations else ("sent", _bytes(result))
    rows.append((begun[0], arrivals.sent, result.achieved_rate_per_s, begun[1]))
    # After an interrupt most answers come when the load is over: their rate until then says nothing.
    interrupted = result.exit_code == ExitCode.INTERRUPTED
    rows.append(
        (
            "completed" if in_iterations else "ok",
            arrivals.completed,
            None if interrupted else _number(result, "completed_rate_per_s"),
            "",
        )
    )
    rows.append(("failed", arrivals.failed, None, _share(arrivals.failed, arrivals.sent)))
    for name in ("unfinished", "dropped", "cancelled"):
        count = getattr(arrivals, name)
        if count:
            rows.append((name, count, None, _share(count, arrivals.scheduled)))
    if in_iterations:
        rows += _requests(result)
    lines = [f"{'iterations' if in_iterations else 'requests':<12}{'count':>14}{'rate':>14}"]
    for name, count, rate, remark in rows:
        rate_text = "" if rate is None else format_rate(rate)
        if name == "requests":  # another count begins
            lines.append("")
        lines.append(f"{name:<12}{format_count(count):>14}{rate_text:>14}   {remark}")
    if any(
        rate is not None and abs(rate * result.duration_s - count) > 0.01 * count
        for _, count, rate, _ in rows
    ):
        lines.append("rates are of the time that the load was on, counts of the whole run")
    return lines


def _requests(result: Result) -> list[tuple[str, int, float | None, str]]:
    """What the iterations sent."""
    requests, script = result.requests, result.script
    rate = _number(result, "requests_rate_per_s") if script is None else script.requests_per_s
    rows: list[tuple[str, int, float | None, str]] = [
        ("requests", requests.total, rate, _bytes(result)),
        ("ok", requests.ok, None, ""),
        ("failed", requests.failed, None, _share(requests.failed, requests.total)),
    ]
    unfinished = requests.total - requests.ok - requests.failed
    if unfinished:
        rows.append(("unfinished", unfinished, None, _share(unfinished, requests.total)))
    return rows if requests.total else []


def _number(result: Result, metric: str) -> float | None:
    value = result.metrics.get(metric)
    return value if isinstance(value, float) else None


def _bytes(result: Result) -> str:
    out, back = result.requests.bytes_sent, result.requests.bytes_received
    return f"{format_bytes(out)} out, {format_bytes(back)} in" if out else ""


def _share(part: int, whole: int) -> str:
    return format_percent(part / whole) if part and whole else ""


def _latencies(result: Result) -> list[str]:
    latency = result.latency
    rows = {"response": latency.response, "service": latency.service, "lateness": latency.lateness}
    wait = result.metrics.get("connection_wait")
    if isinstance(wait, Latency) and wait.count:
        rows["conn. wait"] = wait
    for name in ("dns", "connect", "tls", "send"):
        phase: Latency = getattr(result.phases, name)
        if phase.count:
            rows[name] = phase
    lines = latency_rows("latency", rows) + footnotes(list(rows.values()))
    if result.plan.counts_iterations and result.plan.is_open:
        since = "the answer before them" if result.script is None else "when asked"
        lines.append(f"iterations and their first requests count from when due, others from {since}")
    return lines


def _answers(result: Result) -> list[str]:
    lines = []
    if result.requests.status:
        counts = [f"{status} {format_count(count)}," for status, count in result.requests.status.items()]
        lines += hanging(f"{'status':<12}", [*counts[:-1], counts[-1].rstrip(",")])
    errors = sorted(result.requests.errors.items(), key=lambda item: -item[1])
    for name, (kind, count) in zip(["errors"] + [""] * len(errors), errors, strict=False):
        lines.append(f"{name:<12}{format_count(count):>14}   {ERROR_WORDS.get(kind, printable(kind))}")
    return lines


def _trust(result: Result) -> list[str]:
    """The one line on whether the numbers can be trusted, the reasons, and how the run ended."""
    lines = [trust(result)]
    if result.script is not None and result.script.stopped is not None:
        lines += bullet(f"the run was stopped: {printable(result.script.stopped)}")
    elif result.exit_code == ExitCode.SCRIPT_FAILED:
        lines += bullet("every iteration ended in an exception: the script, not the target, was tested")
    for reason in result.generator.reasons:
        lines += bullet(printable(reason))
    lines += thresholds.unasked_failures(result)
    lines += thresholds.unasked_checks(result)
    interrupted = ", interrupted" if result.exit_code == ExitCode.INTERRUPTED else ""
    lines.append(f"verdict: {result.verdict}{interrupted} (exit code {result.exit_code})")
    return lines


def _outputs(result: Result) -> list[str]:
    """Receivers that did not get all of it."""
    lines = []
    for output in result.outputs:
        if output.dropped:
            asked = output.sent + output.dropped
            words = f"{format_count(output.dropped)} of {counted(asked, 'moment')} did not reach"
            lines += bullet(f"{words} {printable(output.name)}: {output.failure}")
    return ["outputs", *lines] if lines else []
