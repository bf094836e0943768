"""Runs on two sides, figure by figure: what differs, how surely, and how the comparison ends.

Each label has its response percentiles and its share of failed requests; the run as a whole also its rate,
where users and not a schedule make it. `bootstrap.py` and `rank_test.py` say what chance may do. A figure is

    worse, better   where its interval has no zero in it, it differs by more than the tolerance, and chance
                    does not explain so much of any of the figures together
    unclear         as above, but for the last: one of so many figures may well differ so by chance
    same            where none of this is so: no change was found
    None            where nothing can be told, and `why` says why
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from loadgen.between_runs import differences_between
from loadgen.bootstrap import LEVEL
from loadgen.difference import Difference, Unit
from loadgen.errors import ExitCode
from loadgen.files import text_of
from loadgen.plan_difference import PlanDifference, differences
from loadgen.result import Verdict
from loadgen.snapshot import Milliseconds, milliseconds
from loadgen.stored_run import StoredRun
from loadgen.verdict import GeneratorVerdict
from loadgen.within_run import differences_within

Judgement = Literal["worse", "better", "unclear", "same"]

TOLERANCE = 0.03
PERCENTILES = ("p50", "p90", "p99", "p99.9")
# Of requests that fail, more or fewer by one in a thousand is within every tolerance.
LEAST_SHARE = 0.001


class Figure(Struct, frozen=True, kw_only=True):
    """One figure on both sides. `change` is relative (0.05 is 5 % more), of a share the difference itself."""

    name: str
    unit: Unit
    baseline: Milliseconds
    run: Milliseconds
    change: float | None = None
    low: float | None = None  # of the 95 % interval of the change
    high: float | None = None
    by_chance: float | None = None  # how probably chance makes any of the figures differ as much
    judgement: Judgement | None = None
    why: str | None = None


class LabelComparison(Struct, frozen=True, kw_only=True):
    """The figures of one label; of all together where it is null."""

    label: str | None
    figures: list[Figure]


class Side(Struct, frozen=True, kw_only=True):
    """One of the runs that are compared."""

    folder: str
    started_at: str
    verdict: Verdict
    generator: GeneratorVerdict
    load: str
    changed: bool = False  # by hand, while it was on


class Comparison(Struct, frozen=True, kw_only=True):
    """All of it. `method`: within-run for one run each, between-run for several."""

    schema: Literal["loadgen/comparison/1"] = "loadgen/comparison/1"
    exit_code: int
    method: Literal["within-run", "between-run"]
    tolerance: float
    baseline: list[Side]
    runs: list[Side]
    plan_differences: list[PlanDifference]
    labels: list[LabelComparison]
    only_in_baseline: list[str]
    only_in_runs: list[str]
    invalid: list[str]  # folders of runs that nothing can be told from

    @property
    def figures(self) -> list[Figure]:
        """Of all labels."""
        return [figure for label in self.labels for figure in label.figures]

    def count(self, judgement: Judgement) -> int:
        """How many figures are judged so."""
        return sum(figure.judgement == judgement for figure in self.figures)


def compare(
    baseline: Sequence[StoredRun],
    runs: Sequence[StoredRun],
    *,
    tolerance: float = TOLERANCE,
    percentiles: Sequence[str] = PERCENTILES,
) -> Comparison:
    """The whole comparison. Raises UsageError where a log cannot be read."""
    within = len(baseline) == len(runs) == 1
    closed = all(run.summary.target_rate_per_s is None for run in (*baseline, *runs))
    labels = [None, *_common_labels([*baseline, *runs])]
    if within:
        found = differences_within(baseline[0], runs[0], labels, percentiles, rate=closed)
    else:
        found = differences_between(baseline, runs, labels, percentiles, rate=closed)
    judged: dict[str | None, list[Figure]] = {label: [] for label in labels}
    for difference in found:
        judged[difference.label].append(_judge(difference, tolerance))
    compared = [LabelComparison(label=label, figures=figures) for label, figures in judged.items()]
    invalid = [text_of(run.path) for run in (*baseline, *runs) if _tells_nothing(run)]
    return Comparison(
        exit_code=_exit_code(compared, invalid),
        method="within-run" if within else "between-run",
        tolerance=tolerance,
        baseline=[_side(run) for run in baseline],
        runs=[_side(run) for run in runs],
        plan_differences=_differences(baseline, runs),
        labels=compared,
        only_in_baseline=sorted(_labels(baseline) - _labels(runs)),
        only_in_runs=sorted(_labels(runs) - _labels(baseline)),
        invalid=invalid,
    )


def _exit_code(labels: Sequence[LabelComparison], invalid: Sequence[str]) -> ExitCode:
    """The first line that applies wins.

    a run is invalid or has no data                      3
    a figure is worse                                    1
    of the run as a whole no percentile can be told      3
    """
    if invalid:
        return ExitCode.INVALID
    if any(figure.judgement == "worse" for label in labels for figure in label.figures):
        return ExitCode.THRESHOLD_FAILED
    told = any(figure.unit == "ms" and figure.judgement for figure in labels[0].figures)
    return ExitCode.PASSED if told else ExitCode.INVALID


def _tells_nothing(run: StoredRun) -> bool:
    summary = run.summary
    no_data = summary.verdict == "no-data" and not summary.requests.total
    return no_data or summary.verdict == "invalid" or summary.generator.verdict == "client-limited"


def _side(run: StoredRun) -> Side:
    summary = run.summary
    return Side(
        folder=text_of(run.path),
        started_at=summary.started_at,
        verdict=summary.verdict,
        generator=summary.generator.verdict,
        load=summary.load,
        changed=bool(summary.changes),
    )


def _labels(runs: Sequence[StoredRun]) -> set[str]:
    return {row.label for run in runs for row in run.summary.labels}


def _common_labels(runs: Sequence[StoredRun]) -> list[str]:
    """In the order of the first run. A single one of requests is the whole run once more."""
    everywhere = set.intersection(*({row.label for row in run.summary.labels} for run in runs))
    common = [row for row in runs[0].summary.labels if row.label in everywhere]
    if len(_labels(runs)) == 1 and all(row.kind in ("request", "operation") for row in common):
        return []
    return [row.label for row in common]


def _differences(baseline: Sequence[StoredRun], runs: Sequence[StoredRun]) -> list[PlanDifference]:
    """Of every run from the first; each field once."""
    first, *others = [run.summary.plan for run in (*baseline, *runs)]
    found = {one.field: one for plan in others for one in differences(first, plan)}
    return list(found.values())


def _judge(found: Difference, tolerance: float) -> Figure:
    figure = Figure(
        name=found.name,
        unit=found.unit,
        baseline=_shown(found.baseline, found.unit),
        run=_shown(found.run, found.unit),
        why=found.why,
    )
    if found.why is not None or found.interval is None:
        return figure
    logarithms = (found.difference, *found.interval)
    change, low, high = logarithms if found.unit == "share" else map(math.expm1, logarithms)
    return msgspec.structs.replace(
        figure,
        change=change,
        low=low,
        high=high,
        by_chance=found.by_chance,
        judgement=_judgement(found, change, tolerance),
    )


def _judgement(found: Difference, change: float, tolerance: float) -> Judgement:
    assert found.interval is not None
    low, high = found.interval
    if abs(change) <= (LEAST_SHARE if found.unit == "share" else tolerance) or low <= 0 <= high:
        return "same"
    if found.by_chance > 1 - LEVEL:
        return "unclear"
    return "worse" if (change > 0) != (found.unit == "per_second") else "better"


def _shown(value: float | None, unit: Unit) -> Milliseconds:
    return value if value is None or unit != "ms" else milliseconds(value / 1e6)
