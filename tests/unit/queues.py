"""Queues that are computed and not run: probes of a search, without network and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loadgen.crossing import Piece
from loadgen.find_max import Probe, pieces_of, settle_s

if TYPE_CHECKING:
    from collections.abc import Callable

MEAN_S = 0.001


def make_probe(rate: float, over: list[float], **change: Any) -> Probe:
    """A probe in which that share was over the limit; of the first condition it may not be above 1 %."""
    fields: dict[str, Any] = {
        "rate_per_s": rate,
        "achieved_per_s": rate,
        "seconds": 10.0,
        "took_s": 13.0,
        "passed": over[0] < 0.01,
        "exit_code": 0 if over[0] < 0.01 else 1,
        "generator": "valid",
        "reasons": [],
        "p50_ms": 1.0,
        "p99_ms": 10.0,
        "errors": 0.0,
        "over": over,
        "pieces": [[Piece(rate, rate, round(share * rate * 3), round(rate * 3))] * 3 for share in over],
        "folder": "",
    }
    return Probe(**fields | change)


def queue(seed: int, *, random_service: bool, limit_s: float) -> Callable[[float, float], Probe]:
    """One server that takes 1 ms on average, and Poisson arrivals; it may have 1 % above the limit."""
    random = np.random.default_rng(seed)

    def probe(rate: float, seconds: float) -> Probe:
        before_s, number = settle_s(seconds), pieces_of(seconds)
        arrivals = np.cumsum(random.exponential(1 / rate, round(rate * (seconds + before_s) * 1.2) + 100))
        arrivals = arrivals[arrivals < seconds + before_s]
        service = (
            random.exponential(MEAN_S, len(arrivals)) if random_service else np.full(len(arrivals), MEAN_S)
        )
        worked = np.cumsum(service)  # Lindley: the last moment at which the server had nothing to do decides
        left = worked + np.maximum.accumulate(arrivals - worked + service)
        counts = arrivals > before_s
        sojourns, places = (left - arrivals)[counts], (arrivals[counts] - before_s) / seconds * number
        over = sojourns > limit_s
        pieces = [
            Piece(rate, int(inside.sum()) / seconds * number, int(over[inside].sum()), int(inside.sum()))
            for inside in (places.astype(int) == place for place in range(number))
        ]
        share = float(over.mean())
        return make_probe(rate, [share], seconds=seconds, took_s=seconds + before_s + 1, pieces=[pieces])

    return probe
