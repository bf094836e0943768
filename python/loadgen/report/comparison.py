"""A comparison in 80 columns of text. It reads a Comparison and decides nothing."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from loadgen.comparison import Comparison, Figure, LabelComparison, Side
from loadgen.errors import ExitCode
from loadgen.report.columns import WIDTH, cut_middle
from loadgen.snapshot import Milliseconds, nanoseconds
from loadgen.units import counted, format_ns, format_percent, format_rate, printable

MOST_FIELDS = 20
# With more labels only those are shown of which there is something to tell.
MOST_LABELS = 20
_MOST_CHARACTERS = 500  # of a name, before it is made printable and cut to its columns


def render_comparison(comparison: Comparison) -> str:
    """All of it."""
    shown, left_out = _labels_to_show(comparison)
    blocks = [
        _plans(comparison),
        [*_side("baseline", comparison.baseline), *_side("run", comparison.runs), *_method(comparison)],
        *(_label(label) for label in shown),
        [f"{counted(left_out, 'more label')} without a change; --json has them"] if left_out else [],
        _lonely("only in the baseline", comparison.only_in_baseline),
        _lonely("only in the run", comparison.only_in_runs),
        _ending(comparison),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks if block) + "\n"


def shown_name(label: str | None) -> str:
    """A label as text, whatever is in it."""
    return "all requests" if label is None else printable(label[:_MOST_CHARACTERS])


def _plans(comparison: Comparison) -> list[str]:
    fields = comparison.plan_differences
    if not fields:
        return []
    lines = [f"The plans differ in {counted(len(fields), 'field')}: these runs did not ask for the same."]
    for one in fields[:MOST_FIELDS]:
        lines.append(f"  {_short(one.field, WIDTH - 2)}")
        lines.append(f"    {_short(one.baseline, 36)} -> {_short(one.run, 36)}")
    if len(fields) > MOST_FIELDS:
        lines.append(f"  and {len(fields) - MOST_FIELDS} more; --json has them")
    return lines


def _short(text: str, width: int) -> str:
    return cut_middle(shown_name(text), width)


def _side(name: str, sides: Sequence[Side]) -> list[str]:
    lines = []
    for index, side in enumerate(sides):
        ended = f"{side.verdict}, {side.generator}{', changed by hand' if side.changed else ''}"
        folder = _short(side.folder, WIDTH - 12 - max(22, len(ended)))
        lines.append(f"{name if index == 0 else '':<10}{folder}  {ended}")
    return lines


def _method(comparison: Comparison) -> list[str]:
    if comparison.method == "within-run":
        return [
            "within-run only: the intervals know how seconds of these two runs differ, not",
            "how runs do. Five runs on each side would tell.",
        ]
    return ["between runs: each run is one observation, values are medians of the runs"]


def _labels_to_show(comparison: Comparison) -> tuple[list[LabelComparison], int]:
    labels = comparison.labels
    if len(labels) <= MOST_LABELS + 1:
        return labels, 0
    told = ("worse", "better", "unclear")
    shown = [
        label
        for label in labels
        if label.label is None or any(figure.judgement in told for figure in label.figures)
    ]
    return shown, len(labels) - len(shown)


def _label(label: LabelComparison) -> list[str]:
    # A name is alone on its line: one that is read from right to left would take what follows along.
    return [
        cut_middle(shown_name(label.label), WIDTH),
        f"{'':<10}{'baseline':>12}{'run':>12}{'change':>11}{'95 % interval':>22}",
        *(_figure(figure) for figure in label.figures),
    ]


def _figure(figure: Figure) -> str:
    head = f"  {figure.name:<8}{show(figure, figure.baseline):>12}{show(figure, figure.run):>12}"
    if figure.unit == "share" and figure.baseline == figure.run == 0:
        return head
    if figure.change is None or figure.low is None or figure.high is None:
        return f"{head}  not resolvable: {figure.why}"
    interval = f"{show_change(figure, figure.low)} to {show_change(figure, figure.high)}"
    word = "" if figure.judgement == "same" else figure.judgement
    return f"{head}{show_change(figure, figure.change):>11}{interval:>22}  {word}"


def show(figure: Figure, value: Milliseconds) -> str:
    """A value of the figure, with its unit."""
    if value is None:
        return "-"
    if figure.unit == "ms":
        return format_ns(nanoseconds(value))
    number = math.inf if value == "inf" else value
    return format_percent(number) if figure.unit == "share" else format_rate(number)


def show_change(figure: Figure, change: float) -> str:
    """`+5.2 %`; of a share, in points of a hundred: `+0.30`."""
    percent = change * 100
    digits = 0 if abs(percent) >= 99.5 else 1 if abs(percent) >= 0.95 or figure.unit != "share" else 2
    sign = "+" if round(percent, digits) > 0 else ""
    return f"{sign}{round(percent, digits) + 0.0:,.{digits}f}{' pt' if figure.unit == 'share' else ' %'}"


def _lonely(where: str, labels: Sequence[str]) -> list[str]:
    if not labels:
        return []
    names = [_short(label, 60) for label in labels[:MOST_LABELS]]
    more = [f"and {len(labels) - len(names)} more"] if len(labels) > len(names) else []
    return [f"{where}:", *(f"  {name}" for name in [*names, *more])]


def _ending(comparison: Comparison) -> list[str]:
    """What was found, what could not have been, and how the comparison ends."""
    worse, unclear = comparison.count("worse"), comparison.count("unclear")
    tolerance = format_percent(comparison.tolerance)
    lines = []
    if comparison.invalid:
        lines.append("Nothing can be told: a run is invalid, or has no data:")
        lines += [f"  {_short(folder, WIDTH - 2)}" for folder in comparison.invalid]
    elif worse:
        lines.append(f"A regression: {counted(worse, 'figure')} worse by more than {tolerance}.")
    elif comparison.exit_code == ExitCode.INVALID:
        lines.append("It cannot be told whether there is a regression: see what is not resolvable.")
    else:
        lines.append(f"No figure is known to be worse by more than {tolerance}.")
        lines += _seen_from(comparison)
    if unclear:
        lines += textwrap.wrap(
            f"unclear: alone it would count; of {counted(len(comparison.figures), 'figure')} one differs so "
            "by chance too often. Longer runs, or more, would tell.",
            WIDTH,
        )
    return [*lines, f"exit code {comparison.exit_code}"]


def _seen_from(comparison: Comparison) -> list[str]:
    """How large a change of the whole run had to be to be seen: half the width of its interval."""
    parts = [
        f"{figure.name} {max(comparison.tolerance, (figure.high - figure.low) / 2) * 100:.2g} %"
        for figure in comparison.labels[0].figures
        if figure.unit == "ms" and figure.low is not None and figure.high is not None
    ]
    return textwrap.wrap(f"Of all requests, it would hardly show below: {', '.join(parts)}", WIDTH)
