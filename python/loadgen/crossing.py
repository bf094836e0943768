"""Where a share that grows with the rate reaches what is allowed of it, from noisy probes. Pure.

    share(R) = 1 / (1 + (1 - a) / a * (C / R)^k)         a: what is allowed; C: the crossing; k: how steep

A percentile is asked as a share: p99 < 50 ms is: less than 1 % take longer. Unlike a percentile, which is too
small in the middle of short probes, a share is right on average however samples depend on each other. In the
M/M/1 queue its logarithm is linear in the rate; elsewhere it is nearly so close to the crossing.

C and k are a grid, each point of which is as likely as the pieces of the probes make it. What happens in one
stall happens together, so a piece is one observation and not thousands: how far pieces scatter around the
curve says how much one is worth. With D the deviance of N pieces, and that worth unknown, a point weighs

    (D + N)^(-N/2)         Student's t, of pieces for samples; + N: worth no more than its samples

but neighbouring pieces share stalls, and stalls are few and large. Simulated queues say how much that takes
away: with N/3 the middle is closest to the truth, and it takes N/5 for the interval to hold it as often as it
says.

R is the rate at which a piece's requests did come, not the one that was asked for: what Poisson arrivals are
by chance above their mean would otherwise look like a slow target. But waves of arrivals that are longer than
a piece are then missing from the share. With e the logarithm of came by asked for, this puts the crossing too
high by as much as k * mean(e^2) / 2. Half of it is taken off, and the interval holds both ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loadgen.hlog import Real

LEVEL = 0.95
# What is further away than this factor says little of the crossing, and the curve is another one there.
NEAR = 1.25
_STEPS = 161
# The last are all but steps.
_STEEPNESS = np.append(np.geomspace(3, 1000, 28), [3_000, 30_000])


class Piece(NamedTuple):
    """A part of a probe: the rate asked for and the one that came, and how many were over, of how many."""

    asked: float
    rate: float
    over: int
    of: int


class Crossing(NamedTuple):
    """Where the share crosses, and the bounds of the interval."""

    low: float
    rate: float
    high: float
    steepness: float

    @property
    def width(self) -> float:
        """Half of the interval, relative."""
        return math.log(self.high / self.low) / 2


def locate(pieces: Sequence[Piece], allowed: float, around: float) -> Crossing:
    """The crossing near `around`. Where pieces say nothing it is the whole neighbourhood."""
    near = [piece for piece in pieces if 1 / NEAR <= piece.asked / around <= NEAR and piece.of]
    asked, rates, over, count = np.array(near, dtype=np.float64).reshape(-1, 4).T
    crossings = around * np.geomspace(1 / NEAR, NEAR, _STEPS)
    slopes = _STEEPNESS[:, None, None] * np.log(rates / crossings[None, :, None])
    odds = math.log(allowed / (1 - allowed)) + slopes
    # With the logarithms of the share and of the rest, which do not overflow at either end.
    expected = -count * np.logaddexp(0, -odds) - (count - over) * odds
    shares = np.clip(over / count, 1e-12, 1 - 1e-12)
    best = over * np.log(shares) + (count - over) * np.log1p(-shares)
    deviance = 2 * np.maximum(0, best - expected).sum(axis=2)
    number = max(len(near), 1)
    likely = -number * np.log((deviance + number) / (deviance + number).min())
    weights, cautious = np.exp(likely / 3), np.exp(likely / 5)
    rate = _quantiles(weights, crossings, [0.5])[0]
    low, high = _quantiles(cautious, crossings, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    steepness = math.exp(float(weights.sum(axis=1) @ np.log(_STEEPNESS)) / float(weights.sum()))
    waves = float(np.mean(np.log(rates / asked) ** 2)) if near else 0.0
    # A curve that is all but a step has no such excess: there the interval is narrow already.
    excess = min(steepness * waves / 2, math.log(high / low) / 2)
    return Crossing(low * math.exp(-excess), rate * math.exp(-excess / 2), high, steepness)


def _quantiles(weights: Real, crossings: Real, shares: Sequence[float]) -> list[float]:
    """Of the crossings, whatever the steepness (rows)."""
    cumulative = np.cumsum(weights.sum(axis=0)) / weights.sum()
    return [float(value) for value in np.interp(shares, cumulative, crossings)]
