"""The differences of several runs on each side, a run being one observation. It judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadgen import rank_test
from loadgen.difference import Difference, Unit
from loadgen.percentile import percent_of, samples_needed
from loadgen.stored_run import StoredRun
from loadgen.units import counted, format_count

_SEED = 1


def differences_between(
    baseline: Sequence[StoredRun],
    runs: Sequence[StoredRun],
    labels: Sequence[str | None],
    percentiles: Sequence[str],
    *,
    rate: bool,
) -> list[Difference]:
    """Of each label its percentiles and its failures; of all together also the rate, where it is wanted."""
    found = []
    for label in labels:
        of_each = [[_percentiles_ns(run, label, percentiles) for run in side] for side in (baseline, runs)]
        for index, name in enumerate(percentiles):
            one = _difference(label, name, "ms", [[values[index] for values in side] for side in of_each])
            if any(values[index] is None for side in of_each for values in side):
                one.why = f"needs {format_count(samples_needed(percent_of(name)))} samples a run"
            found.append(one)
        shares = [[run.failed_share(label) for run in side] for side in (baseline, runs)]
        found.append(_difference(label, "failed", "share", shares))
        if label is None and rate:
            rates = [[run.summary.ok_per_s for run in side] for side in (baseline, runs)]
            found.append(_difference(label, "ok", "per_second", rates))
    told = [one for one in found if one.why is None]
    if told:
        before, after = (np.array([one.by_run[side] for one in told]).T for side in (0, 1))
        random = np.random.default_rng(_SEED)
        for one, by_chance in zip(told, rank_test.together(before, after, random), strict=True):
            one.by_chance = float(by_chance)
    return found


def _percentiles_ns(run: StoredRun, label: str | None, names: Sequence[str]) -> list[float | None]:
    windows = run.windows(label)
    values = windows.quantiles_ns([percent_of(name) / 100 for name in names])
    return [
        float(value) if windows.samples >= samples_needed(percent_of(name)) else None
        for name, value in zip(names, values, strict=True)
    ]


def _difference(
    label: str | None, name: str, unit: Unit, sides: Sequence[Sequence[float | None]]
) -> Difference:
    known = [np.array([value for value in side if value is not None], dtype=np.float64) for side in sides]
    middle = [float(np.median(side)) if side.size else None for side in known]
    one = Difference(label=label, name=name, unit=unit, baseline=middle[0], run=middle[1])
    fewest = min(len(side) for side in sides)
    if fewest < rank_test.FEWEST_RUNS:
        one.why = f"{counted(fewest, 'run')} on a side, needs {rank_test.FEWEST_RUNS}"
    elif not all(np.isfinite(side).all() for side in known):
        one.why = "so many never ended"
    elif all(side.size for side in known):
        before, after = known if unit == "share" else [np.log(np.maximum(1e-9, side)) for side in known]
        one.difference = rank_test.difference(before, after)
        one.interval = rank_test.interval(before, after)
        one.by_run = before, after
    return one
