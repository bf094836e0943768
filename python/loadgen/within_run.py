"""The differences of two runs, one on each side, from their windows. It judges nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from loadgen import bootstrap
from loadgen.difference import Difference
from loadgen.hlog import Real
from loadgen.percentile import percent_of, samples_needed
from loadgen.stored_run import StoredRun
from loadgen.stored_windows import FEWEST_WINDOWS
from loadgen.units import counted, format_count

_SEED = 1


def differences_within(
    before: StoredRun,
    after: StoredRun,
    labels: Sequence[str | None],
    percentiles: Sequence[str],
    *,
    rate: bool,
) -> list[Difference]:
    """Of each label its percentiles and its failures; of all together also the rate, where it is wanted."""
    random = np.random.default_rng(_SEED)
    found = []
    for label in labels:
        found += _percentiles(before, after, label, percentiles, random)
        found.append(_failed(before, after, label, random))
        if label is None and rate:
            found.append(_rate(before, after, random))
    told = [one for one in found if one.why is None]
    if told:
        errors = np.array([one.error for one in told])
        differences = np.array([one.difference for one in told])
        redrawn = np.array([one.redrawn for one in told])
        for one, by_chance in zip(told, bootstrap.together(differences, errors, redrawn), strict=True):
            one.by_chance = float(by_chance)
            one.interval = bootstrap.interval(one.difference, one.error)
    return found


def _percentiles(
    before: StoredRun,
    after: StoredRun,
    label: str | None,
    percentiles: Sequence[str],
    random: np.random.Generator,
) -> list[Difference]:
    sides = before.windows(label), after.windows(label)
    shares = [percent_of(name) / 100 for name in percentiles]
    values = [side.quantiles_ns(shares) for side in sides]
    found = []
    for name, *value_ns in zip(percentiles, *values, strict=True):
        needed = samples_needed(percent_of(name))
        shown = [
            float(value) if side.samples >= needed else None
            for side, value in zip(sides, value_ns, strict=True)
        ]
        one = Difference(label=label, name=name, unit="ms", baseline=shown[0], run=shown[1])
        one.why = _why_not(min(side.samples for side in sides), needed, min(side.number for side in sides))
        if one.why is None and math.isinf(max(value_ns)):
            one.why = "so many never ended"
        found.append(one)
    told = [one for one in found if one.why is None]
    if not told:
        return found
    shares = [percent_of(one.name) / 100 for one in told]
    logs = [bootstrap.redrawn_logs(side, shares, random) for side in sides]
    with np.errstate(invalid="ignore"):  # in some resamples the percentile is of those that never ended
        errors = bootstrap.errors(logs[0], logs[1], (sides[0].number, sides[1].number))
        redrawn = logs[1] - logs[0]
    for one, error, row in zip(told, errors, redrawn, strict=True):
        if not math.isfinite(error):
            one.why = "about so many never ended"
            continue
        assert one.baseline is not None and one.run is not None
        one.difference = math.log(max(1.0, one.run) / max(1.0, one.baseline))
        one.error, one.redrawn = float(error), row
    return found


def _why_not(samples: int, needed: int, windows: int) -> str | None:
    if samples < needed:
        return f"{counted(samples, 'sample')}, needs {format_count(needed)}"
    if windows < FEWEST_WINDOWS:
        return f"{counted(windows, 'window')} of time, needs {FEWEST_WINDOWS}"
    return None


def _failed(
    before: StoredRun, after: StoredRun, label: str | None, random: np.random.Generator
) -> Difference:
    """When requests failed is known of all together only; of a label, how many did."""
    shares = [run.failed_share(label) for run in (before, after)]
    one = Difference(label=label, name="failed", unit="share", baseline=shares[0], run=shares[1])
    if label is not None:
        one.why = "judged for all together"
        return one
    ends = before.ends(), after.ends()
    one.why = _why_not(0, 0, min(map(len, ends)))
    if one.why is None:
        drawn = [bootstrap.draw_windows(len(side), random) @ side for side in ends]
        logs = [side[:, 1] / np.maximum(1.0, side[:, 0] + side[:, 1]) for side in drawn]
        _take(one, shares[1] - shares[0], logs, (len(ends[0]), len(ends[1])))
    return one


def _rate(before: StoredRun, after: StoredRun, random: np.random.Generator) -> Difference:
    ends = before.ends(), after.ends()
    rates = [float(side[:, 0].sum() / max(1e-9, side[:, 2].sum())) for side in ends]
    one = Difference(label=None, name="ok", unit="per_second", baseline=rates[0], run=rates[1])
    one.why = _why_not(0, 0, min(map(len, ends)))
    if one.why is None and not all(rates):
        one.why = "nothing went well"
    if one.why is None:
        drawn = [bootstrap.draw_windows(len(side), random) @ side for side in ends]
        logs = [np.log(np.maximum(1e-9, side[:, 0] / side[:, 2])) for side in drawn]
        _take(one, math.log(rates[1] / rates[0]), logs, (len(ends[0]), len(ends[1])))
    return one


def _take(one: Difference, difference: float, redrawn: Sequence[Real], windows: tuple[int, int]) -> None:
    before, after = (side[None, :] for side in redrawn)
    one.difference = difference
    one.error = float(bootstrap.errors(before, after, windows, least=1e-9)[0])
    one.redrawn = redrawn[1] - redrawn[0]
