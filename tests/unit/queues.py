"""Queues that are computed and not run: probes of a search, without network and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from loadgen.find_max import Probe, settle_s

if TYPE_CHECKING:
    from collections.abc import Callable

# Where 1 % of the sojourns are above 50 times the mean service: with 1 ms, 1000 - ln(100) / 50 ms a second if
# service is exponential; if it is even, by the exact decay of the M/D/1 queue's tail.
LAWS = {"M/M/1": 907.9, "M/D/1": 954.1, "slow": 9.079}
MEANS_S = {"M/M/1": 0.001, "M/D/1": 0.001, "slow": 0.1}


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
        "over": [round(share * rate * 10) for share in over],
        "of": [round(rate * 10)] * len(over),
        "folder": "",
    }
    return Probe(**fields | change)


def queue(seed: int, law: str) -> Callable[[float, float], Probe]:
    """One server and Poisson arrivals. "slow" is M/M/1 with a hundred times the service."""
    random, mean_s = np.random.default_rng(seed), MEANS_S[law]

    def probe_at(rate: float, seconds: float) -> Probe:
        before_s = settle_s(seconds)
        arrivals = np.cumsum(random.exponential(1 / rate, round(rate * (seconds + before_s) * 1.2) + 100))
        arrivals = arrivals[arrivals < seconds + before_s]
        shape = len(arrivals)
        service = np.full(shape, mean_s) if law == "M/D/1" else random.exponential(mean_s, shape)
        worked = np.cumsum(service)  # Lindley: the last moment at which the server had nothing to do decides
        left = worked + np.maximum.accumulate(arrivals - worked + service)
        over = (left - arrivals)[arrivals > before_s] > 50 * mean_s
        probe = make_probe(rate, [float(over.mean())], seconds=seconds, took_s=seconds + before_s + 1)
        return msgspec.structs.replace(probe, over=[int(over.sum())], of=[len(over)])

    return probe_at
