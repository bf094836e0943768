"""A comparison as one SVG file: percentile curves of both sides, and how far they are apart. Decides nothing.

Of the run as a whole and of its first labels, side by side:

    latency (log)  |      percentile curves, a line for each run       |  change by percentile, with intervals
                   +--------------------------------------------------  +------------------------------------
                     50 %    90 %    99 %    99.9 %    share (log)         p50   p90   p99   p99.9
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

import numpy as np

from loadgen.comparison import Comparison, Figure, LabelComparison
from loadgen.report.columns import cut_middle
from loadgen.report.comparison import shown_name
from loadgen.stored_run import StoredRun
from loadgen.units import format_ns, format_percent

MOST_LABELS = 30
_WIDTH, _HEIGHT, _TOP = 960, 260, 96
_LEFT, _CURVES, _SHIFT, _SHIFT_WIDTH, _PLOT = 70, 500, 650, 270, 190
_COLOURS = ("#6b7280", "#c2410c")
# 50 % to 99.99 %, in equal steps of what is above.
_SHARES = [1 - 0.5 * 5000 ** (-step / 60) for step in range(61)]
_TICKS = ((0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %"))
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #111827; unicode-bidi: isolate }
.title { font-size: 15px; font-weight: 600 } .small { font-size: 11px; fill: #4b5563 }
.grid { stroke: #e5e7eb } .axis { stroke: #9ca3af } .tolerance { fill: #f3f4f6 }
polyline { fill: none; stroke-width: 1.6 }
"""
Curve = list[tuple[float, float]]  # share, latency in ns


def draw(comparison: Comparison, baseline: Sequence[StoredRun], runs: Sequence[StoredRun]) -> str:
    """The whole file."""
    labels = comparison.labels[: MOST_LABELS + 1]
    height = _TOP + _HEIGHT * len(labels)
    method = "within-run only" if comparison.method == "within-run" else "between runs"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        _text(16, 26, f"Response times, {method}", "title"),
    ]
    for row, (word, side) in enumerate((("baseline", baseline), ("run", runs))):
        names = f"{word}: {cut_middle(shown_name(', '.join(str(run.path) for run in side)), 120)}"
        parts.append(f'<rect x="16" y="{37 + 18 * row}" width="12" height="12" fill="{_COLOURS[row]}"/>')
        parts.append(_text(34, 47 + 18 * row, names))
    if comparison.plan_differences:
        parts.append(_text(16, 84, "The plans differ: these runs did not ask for the same.", "small"))
    for row, label in enumerate(labels):
        curves = [[_curve(run, label.label) for run in side] for side in (baseline, runs)]
        parts.append(f'<g transform="translate(0 {_TOP + _HEIGHT * row})">')
        parts.append(_text(16, 18, cut_middle(shown_name(label.label), 120), "title"))
        parts += [*_curves(curves), *_shift(label, comparison.tolerance), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _curve(run: StoredRun, label: str | None) -> Curve:
    """As far as there are ten samples above, and as far as they ended."""
    windows = run.windows(label)
    shares = [share for share in _SHARES if windows.samples * (1 - share) >= 10]
    values = windows.quantiles_ns(shares) if shares else np.zeros(0)
    return [
        (share, value) for share, value in zip(shares, map(float, values), strict=True) if value < math.inf
    ]


def _curves(sides: Sequence[Sequence[Curve]]) -> Iterator[str]:
    values = [value for side in sides for curve in side for _, value in curve]
    if not values:
        yield _text(_LEFT, 60, "too few samples", "small")
        return
    bottom, top = (
        math.floor(math.log10(max(1, min(values))) * 3) / 3,
        math.ceil(math.log10(max(values)) * 3) / 3,
    )
    top = max(top, bottom + 1 / 3)

    def x(share: float) -> float:
        return _LEFT + _CURVES * math.log((1 - 0.5) / (1 - share)) / math.log(5000)

    def y(value: float) -> float:
        return 34 + _PLOT * (1 - (math.log10(max(1, value)) - bottom) / (top - bottom))

    for share, name in _TICKS:
        yield _line(x(share), 34, x(share), 34 + _PLOT)
        yield _text(x(share), 50 + _PLOT, name, "small", "middle")
    for value in _round_values(bottom, top):
        yield _line(_LEFT, y(value), _LEFT + _CURVES, y(value))
        yield _text(_LEFT - 6, y(value) + 4, format_ns(value), "small", "end")
    for colour, side in zip(_COLOURS, sides, strict=True):
        for curve in side:
            points = " ".join(f"{x(share):.1f},{y(value):.1f}" for share, value in curve)
            yield f'<polyline points="{points}" stroke="{colour}"/>'


def _round_values(bottom: float, top: float) -> list[float]:
    """1, 2, 5, 10 ... between two powers of ten; the ones alone where that is enough."""
    decades = range(math.floor(bottom), math.ceil(top) + 1)
    steps = (1, 2, 5) if top - bottom < 2 else (1,)
    values = [step * 10.0**decade for decade in decades for step in steps]
    return [value for value in values if bottom <= math.log10(value) <= top]


def _shift(label: LabelComparison, tolerance: float) -> Iterator[str]:
    """The change at each percentile, as a dot in its interval, over a band that is the tolerance."""
    figures = [figure for figure in label.figures if figure.unit == "ms"]
    reach = max([_reach(figure) for figure in figures] + [2 * tolerance]) or 1.0

    def y(change: float) -> float:
        return 34 + _PLOT / 2 * (1 - change / reach)

    yield (
        f'<rect class="tolerance" x="{_SHIFT}" y="{y(tolerance):.1f}" width="{_SHIFT_WIDTH}" '
        f'height="{y(-tolerance) - y(tolerance):.1f}"/>'
    )
    for change in (-reach, 0, reach):
        yield _line(_SHIFT, y(change), _SHIFT + _SHIFT_WIDTH, y(change), "axis" if change == 0 else "grid")
        sign = "+" if change > 0 else "-" if change < 0 else ""
        yield _text(_SHIFT - 6, y(change) + 4, f"{sign}{format_percent(abs(change))}", "small", "end")
    for index, figure in enumerate(figures):
        middle = _SHIFT + _SHIFT_WIDTH * (index + 0.5) / len(figures)
        yield _text(middle, 50 + _PLOT, figure.name, "small", "middle")
        if figure.change is None or figure.low is None or figure.high is None:
            yield _text(middle, y(0) - 6, "?", "small", "middle")
            continue
        colour = {"worse": "#b91c1c", "better": "#15803d"}.get(figure.judgement or "", "#374151")
        low, high = y(max(figure.low, -reach)), y(min(figure.high, reach))
        yield f'<path d="M{middle:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" stroke-width="2"/>'
        yield f'<circle cx="{middle:.1f}" cy="{y(figure.change):.1f}" r="4" fill="{colour}"/>'


def _reach(figure: Figure) -> float:
    ends = [abs(one) for one in (figure.change, figure.low, figure.high) if one is not None]
    # An interval may be very wide; the change itself always has room.
    return max([min(max(ends), 4 * abs(figure.change or 0.0) + 0.5)]) if ends else 0.0


def _line(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
