"""Phases to stages: how many virtual users arrive, and when. Pure.

A ramp reaches its end in its last whole second: second i of n brings a + i·(b - a)/(n - 1). One straight line
has just those sums, if it begins half such a step sooner and ends half a step later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.values import number_of, seconds
from loadgen.shapes import Stage

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler

DEFAULT = ({"duration": 1, "arrivalCount": 1},)
_KEYS = ("duration", "arrivalRate", "arrivalCount", "rampTo", "pause", "maxVusers", "name", "mode", "index")
# The engine counts rates in these, per second.
_UNIT = 3_600_000


@dataclass
class Arrivals:
    """What phases come to."""

    stages: list[Stage] = field(default_factory=list)
    caps: list[tuple[float, int | None]] = field(
        default_factory=list
    )  # (from when on in s, how many at a time)
    is_poisson: bool = False
    length_s: float = 0.0

    def add(self, length_s: float, start: float, end: float) -> None:
        """One more stretch."""
        if length_s <= 0:
            return
        self.stages += [Stage("0s", rate=_exact(start)), Stage(length_s, rate=_exact(end))]
        self.length_s += length_s


def _exact(rate: float) -> float:
    """A rate that the engine can have, never more than it should be: one arrival too many would be seen."""
    return max(0.0, math.floor(rate * _UNIT + 1e-6) / _UNIT)


def read_phases(phases: Any, compiler: Compiler) -> Arrivals:
    """All of them, one after the other. Mistakes and what cannot be kept are told to the compiler."""
    arrivals = Arrivals()
    if not isinstance(phases, Sequence) or isinstance(phases, str) or not phases:
        compiler.wrong("config.phases", f"expected a list of phases, got {phases!r}")
        return arrivals
    modes = set()
    for index, phase in enumerate(phases):
        place = f"config.phases[{index}]"
        if not isinstance(phase, Mapping):
            compiler.wrong(place, f"expected a phase, got {phase!r}")
            continue
        for key in phase:
            if key not in _KEYS:
                compiler.note(f"{place}.{key} is not known, and without effect")
        begins_s = arrivals.length_s
        _read_phase(phase, place, arrivals, compiler)
        cap = _number(phase, "maxVusers", place, compiler)
        arrivals.caps.append((begins_s, None if cap is None else int(cap)))
        if phase.get("pause") is None and phase.get("arrivalCount") is None and phase.get("rampTo") is None:
            modes.add(phase.get("mode") or compiler.config.get("mode") or "uniform")
    if all(cap is None for _, cap in arrivals.caps):
        arrivals.caps = []
    arrivals.is_poisson = modes == {"poisson"}
    if "poisson" in modes and len(modes) > 1:
        compiler.note("config.phases: some are poisson and some are not; here all arrive evenly")
    if not arrivals.stages and not compiler.mistakes:
        compiler.wrong("config.phases", "no virtual user arrives in them")
    return arrivals


def _read_phase(phase: Mapping[str, Any], place: str, arrivals: Arrivals, compiler: Compiler) -> None:
    if phase.get("pause") is not None:
        arrivals.add(_length(phase, "pause", place, compiler), 0, 0)
        return
    count = _number(phase, "arrivalCount", place, compiler)
    rate, ramp_to = (_number(phase, key, place, compiler) for key in ("arrivalRate", "rampTo"))
    if count is None and rate is None and ramp_to is None:
        compiler.wrong(place, "expected arrivalRate, arrivalCount, rampTo or pause")
        return
    length_s = _length(phase, "duration", place, compiler)
    if not length_s:
        return
    if ramp_to:
        _ramp(rate or 0.0, ramp_to, length_s, arrivals)
    elif rate:
        if ramp_to is not None:
            _ramp(rate, 0.0, length_s, arrivals)
        else:
            arrivals.add(length_s, rate, rate)
    elif count:
        arrivals.add(length_s, count / length_s, count / length_s)
    elif rate == 0:
        compiler.note(
            f"{place}: arrivalRate is 0, and such a phase is left out, as by Artillery; a pause is `pause`"
        )
    else:
        arrivals.add(length_s, 0, 0)


def _ramp(start: float, end: float, length_s: float, arrivals: Arrivals) -> None:
    periods = math.ceil(length_s)  # each lasts a second
    if periods <= 1:
        arrivals.add(1, (start + end) / 2, (start + end) / 2)
        return
    step = (end - start) / (length_s - 1)
    first, last = start - step / 2, end + step / 2
    # Below nothing there is no rate: that second stands by itself.
    if first < 0:
        arrivals.add(1, start, start)
        arrivals.add(periods - 1, start + step / 2, last)
    elif last < 0:
        arrivals.add(periods - 1, first, end - step / 2)
        arrivals.add(1, end, end)
    else:
        arrivals.add(periods, first, last)


def _length(phase: Mapping[str, Any], key: str, place: str, compiler: Compiler) -> float:
    """Seconds; 0 where there is a mistake."""
    value = phase.get(key)
    length_s = seconds(value) or 0.0
    if length_s <= 0 or not math.isfinite(length_s):
        compiler.wrong(f"{place}.{key}", f'expected whole seconds, or a time such as "10m", got {value!r}')
        return 0.0
    if isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal() and "." in value:
        compiler.note(f'{place}.{key}: "{value}" is read as {value} milliseconds, as by Artillery')
    return length_s


def _number(phase: Mapping[str, Any], key: str, place: str, compiler: Compiler) -> float | None:
    value = phase.get(key)
    if value is None:
        return None
    number = number_of(value)
    if not math.isfinite(number) or number < 0:
        compiler.wrong(f"{place}.{key}", f"expected a number, got {value!r}")
        return None
    return number
