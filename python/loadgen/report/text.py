"""The closing table: what a run showed, in 80 columns of text. It reads a Result and decides nothing."""

from __future__ import annotations

import math
from pathlib import Path

from loadgen.engine_plan import OpenLoad
from loadgen.error_kinds import ERROR_WORDS
from loadgen.errors import ExitCode
from loadgen.percentile import percent_of, samples_needed
from loadgen.report import script as of_script
from loadgen.report import sockets as of_sockets
from loadgen.report.columns import cut_middle, fitted, pad, width_of
from loadgen.report.latencies import footnotes, latency_rows
from loadgen.report.words import changed_by_hand, trust
from loadgen.result import Result, ThresholdResult
from loadgen.snapshot import Latency
from loadgen.threshold_grammar import parse_threshold
from loadgen.thresholds import Threshold
from loadgen.units import (
    counted,
    format_bytes,
    format_count,
    format_duration,
    format_percent,
    format_rate,
    printable,
    quoted,
)
from loadgen.windows import LATE_NS
from loadgen.wire import describe_wire

WIDTH = 80
MOST_NAMES = 20


def render(result: Result, folder: Path | None = None) -> str:
    """All of it. `folder` is where the rest is."""
    incomplete = result.exit_code == ExitCode.UNUSABLE  # nothing else gives a run that has a result this code
    blocks = [
        _head(result),
        *_counts(result),
        _latencies(result),
        *_of_script(result),
        _answers(result),
        _thresholds(result),
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
    title = _cut(printable(result.name[:WIDTH]), WIDTH - len(how) - 2)
    # How arrivals are spread changes what a queue does to them, so it stands at the top.
    load = plan.describe_load()
    arrivals = {load.describe_arrivals() for load in plan.loads if isinstance(load, OpenLoad)}
    if plan.sockets is not None:
        load += f", {plan.pacing} pacing"
    elif arrivals:
        load += f", {' and '.join(sorted(arrivals))} arrivals, {plan.pacing} pacing"
    head = [f"{title}{how:>{WIDTH - len(title)}}"]
    wired = _wrap("", ", ".join(describe_wire(plan.wire)).split(), " ") if describe_wire(plan.wire) else []
    if changed := changed_by_hand(result):
        wired.append(changed)
    if not plan.has_metrics:
        return [*head, f"{_cut(printable(plan.label), WIDTH - len(load) - 2)}: {load}", *wired]
    names = printable(
        ", ".join(scenario.name for scenario in plan.script.scenarios) if plan.script else plan.label
    )
    if width_of(names) + len(load) + 2 <= WIDTH:
        return [*head, f"{names}: {load}", *wired]
    return [*head, cut_middle(names, WIDTH), *_wrap("", load.split(), " "), *wired]


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
        counts = [f"{status} {format_count(count)}" for status, count in result.requests.status.items()]
        lines += _wrap("status", counts)
    errors = sorted(result.requests.errors.items(), key=lambda item: -item[1])
    for name, (kind, count) in zip(["errors"] + [""] * len(errors), errors, strict=False):
        lines.append(f"{name:<12}{format_count(count):>14}   {ERROR_WORDS.get(kind, printable(kind))}")
    return lines


def _wrap(name: str, items: list[str], between: str = ", ") -> list[str]:
    lines, line = [], f"{name:<12}"
    for index, item in enumerate(items):
        piece = item + ("" if index == len(items) - 1 else between)
        if len(line) + len(piece) > WIDTH and line.strip():
            lines.append(line)
            line = " " * 12
        line += piece
    return [*lines, line]


def _thresholds(result: Result) -> list[str]:
    if not result.thresholds:
        return []
    lines = ["thresholds"]
    for threshold in result.thresholds:
        outcome = {True: "pass", False: "FAIL", None: "no data"}[threshold.passed]
        value = measured(threshold, result)
        width = WIDTH - 9 - len(value) - 1
        lines.append(f"{outcome:<9}{pad(fitted(threshold.expression, width), width)} {value}")
        lines += _known_names(threshold, result)
    return lines


def _known_names(threshold: ThresholdResult, result: Result) -> list[str]:
    """What a threshold could have asked about, where it asked about what never came up."""
    if threshold.value is not None or not result.plan.counts_iterations:
        return []
    metrics = result.script.metrics if result.script is not None else []
    parsed = _parse(threshold, result)
    if parsed.metric.startswith("check("):
        asked, known, kind = parsed.metric[len("check(") : -1], [one.name for one in result.checks], "checks"
    else:
        own = parsed.own_metric
        asked, kind = (own[0], "metrics") if own is not None else (parsed.label or "", "labels")
        known = ([] if own else [row.label for row in result.labels]) + sorted(metrics)
    if not asked or asked in known:
        return []
    names = [printable(name) for name in known] or ["none"]
    return _bullet(f"no {kind[:-1]} {quoted(asked)} in this run; {kind}: {', '.join(names[:MOST_NAMES])}")


def measured(threshold: ThresholdResult, result: Result) -> str:
    """The value, or why there is none."""
    value = math.inf if threshold.value == "inf" else threshold.value
    if value is None:
        return _why_no_data(threshold, result)
    parsed = _parse(threshold, result)
    if threshold.aborted_at_s is not None:
        return f"{parsed.show(value)}, ended the run at {threshold.aborted_at_s:.1f} s"
    return parsed.show(value) + parsed.place(threshold.window_ends_at_s)


def _parse(threshold: ThresholdResult, result: Result) -> Threshold:
    return parse_threshold(threshold.expression, scripted=result.plan.has_metrics)


def _why_no_data(threshold: ThresholdResult, result: Result) -> str:
    """`200 samples, p99 needs 368`."""
    parsed = _parse(threshold, result)
    if parsed.over_ns or parsed.after_ns:
        late_ns = LATE_NS if parsed.over_ns else 0
        ended_before = result.duration_s * 1e9 <= sum(parsed.span) - late_ns
        too_little = "too little in any window" if parsed.over_ns else "too little after that"
        return "the run ended before" if ended_before else too_little
    kind, _, statistic = parsed.metric.partition(".")
    latencies = (result.latency, result.phases)
    latency = next(
        (getattr(group, kind) for group in latencies if hasattr(group, kind)), result.metrics.get(kind)
    )
    if parsed.own_metric is not None:
        name, statistic = parsed.own_metric[0], parsed.own_metric[1] or ""
        latency = result.metrics.get(name)
    elif parsed.label is not None:
        found = [row.latency for row in result.labels if row.label == parsed.label]
        latency = getattr(found[0], kind, None) if found else result.metrics.get(parsed.label)
    if not isinstance(latency, Latency) or not latency.count or not statistic.startswith("p"):
        return "nothing to measure"
    needed = samples_needed(percent_of(statistic))
    return f"{counted(latency.count, 'sample')}, {statistic} needs {format_count(needed)}"


def _trust(result: Result) -> list[str]:
    """The one line on whether the numbers can be trusted, the reasons, and how the run ended."""
    lines = [trust(result)]
    if result.script is not None and result.script.stopped is not None:
        lines += _bullet(f"the run was stopped: {printable(result.script.stopped)}")
    elif result.exit_code == ExitCode.SCRIPT_FAILED:
        lines += _bullet("every iteration ended in an exception: the script, not the target, was tested")
    for reason in result.generator.reasons:
        lines += _bullet(printable(reason))
    lines += _unasked_failures(result)
    lines += _unasked_checks(result)
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
            lines += _bullet(f"{words} {printable(output.name)}: {output.failure}")
    return ["outputs", *lines] if lines else []


def _unasked_failures(result: Result) -> list[str]:
    """A run may pass although all went wrong, where nobody asked: that must not go unseen."""
    failed, sent = result.requests.failed, result.requests.total
    metrics = [_parse(threshold, result).metric for threshold in result.thresholds]
    asked = any(metric == "ok" or metric.startswith("errors") for metric in metrics)
    if not failed or asked or result.exit_code == ExitCode.UNREACHABLE:
        return []
    how_many = "All" if failed == sent > 1 else f"{format_count(failed)} of"
    return [
        f"{how_many} {counted(sent, 'request')} failed, and no threshold asks about errors:",
        '  --threshold "errors < 1%"',
    ]


def _unasked_checks(result: Result) -> list[str]:
    failed = sum(check.failed for check in result.checks)
    made = failed + sum(check.passed for check in result.checks)
    asked = any(
        _parse(threshold, result).metric.startswith(("checks", "check(")) for threshold in result.thresholds
    )
    if not failed or asked:
        return []
    return [
        f"{format_count(failed)} of {counted(made, 'check')} failed, and no threshold asks about checks:",
        '  --threshold "checks > 99%"',
    ]


def _bullet(text: str) -> list[str]:
    lines, line = [], "  -"
    for whole in text.split():
        word = cut_middle(whole, WIDTH - len("    "))
        if width_of(line) + 1 + width_of(word) > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word}"
    return [*lines, line]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
