"""Where a share that grows with the rate reaches what is allowed of it, from noisy probes. Pure.

    share(R) = 1 / (1 + (1 - a) / a * (C / R)^k)         a: what is allowed; C: the crossing; k: how steep

A percentile is asked as a share: p99 < 50 ms is: less than 1 % take longer. Unlike a percentile, which is too
small in the middle of short probes, a share is right on average however samples depend on each other. In the
M/M/1 queue its logarithm is linear in the rate; elsewhere it is nearly so close to the crossing.

What is over a limit comes in stalls, each of many requests at once, so a probe is one observation and not
thousands. Stalls that come at random and are of random size give a share whose variance grows with its mean,
by a power between the first and the second (Tweedie). With 3/2 the M/M/1 and the M/D/1 queue are as noisy at
half of what is allowed as at five times as much, and a probe that found y where the curve says m deviates by

    4 (√y - √m)² / √m         times its samples and √a: in units of what samples without stalls would show

C and k are a grid. How far the N probes scatter around the curve says how much one is worth: with D the sum
of their deviances, and that worth unknown, a point weighs

    (1 + D' / (w N))^(-3 N / 8)     D': how far D is above that of the best point; Student's t

with the worth w of one plus the least D by the number of probes that can scatter: where the best curve has
next to none or nearly all over, there is nothing to see of it. So no probe is worth more than its samples.
3/8 is where the theory of even noise has a half: probes are few, stalls uneven, and a search that stops when
its interval is narrow stops too soon where the scatter is small by chance. With 3/8, simulated searches hold
the law as often as they say (`python -m tests.bench.find_max`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
# What is further away than this factor says little of the crossing, and the curve is another one there.
NEAR = 1.25
_STEPS = 241
# The last are all but steps.
_STEEPNESS = np.append(np.geomspace(3, 1000, 28), [3_000, 30_000])
# Of what is allowed: a share that is smaller is as good as none, or one stray failure would be a stall.
_LEAST = 0.01
# Of what is allowed, and of all: between them a probe says how much it scatters.
_TELLING = 0.05, 0.5


class Observation(NamedTuple):
    """A probe: its rate, and how many were over, of how many."""

    rate: float
    over: int
    of: int


class Crossing(NamedTuple):
    """Where the share crosses, in the middle of its interval."""

    low: float
    high: float
    steepness: float

    @property
    def rate(self) -> float:
        """The answer."""
        return math.sqrt(self.low * self.high)

    @property
    def width(self) -> float:
        """How far the interval reaches upwards from its middle, as a share of that."""
        return math.sqrt(self.high / self.low) - 1


def locate(observations: Sequence[Observation], allowed: float, around: float) -> Crossing:
    """The crossing near `around`. Where probes say nothing it is the whole neighbourhood."""
    near = [one for one in observations if 1 / NEAR <= one.rate / around <= NEAR and one.of]
    rates, over, count = np.array(near, dtype=np.float64).reshape(-1, 3).T
    crossings = around * np.geomspace(1 / NEAR, NEAR, _STEPS)
    slopes = _STEEPNESS[:, None, None] * np.log(rates / crossings[None, :, None])
    odds = math.log(allowed / (1 - allowed)) + slopes
    # With the logarithm of the share, which does not overflow at either end.
    roots = np.exp(np.maximum(-np.logaddexp(0, -odds), math.log(_LEAST * allowed)) / 2)
    deviance = (4 * math.sqrt(allowed) * count * (np.sqrt(over / count) - roots) ** 2 / roots).sum(axis=2)
    least = np.unravel_index(deviance.argmin(), deviance.shape)
    best = roots[least] ** 2
    telling = np.count_nonzero((best > _TELLING[0] * allowed) & (best < _TELLING[1]))
    number = max(len(near), 1)
    # They are half of all at the least: of a few that the best curve goes through, all would look calm.
    worth = 1 + deviance[least] / max(telling, number / 2)
    weights = (1 + (deviance - deviance[least]) / worth / number) ** (-0.375 * number)
    columns = weights.sum(axis=0)
    cumulative = (np.cumsum(columns) - columns / 2) / weights.sum()
    low, high = np.interp([(1 - LEVEL) / 2, (1 + LEVEL) / 2], cumulative, crossings)
    steepness = math.exp(float(weights.sum(axis=1) @ np.log(_STEEPNESS)) / float(weights.sum()))
    return Crossing(float(low), float(high), steepness)
