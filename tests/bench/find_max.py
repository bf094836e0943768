"""How often `loadgen find-max` is right, on queues that are computed and whose law is known.

    python -m tests.bench.find_max
    python -m tests.bench.find_max --searches 1000 --precision 0.05 --probe 15

Each search is the real one; only its probes are computed, on one server with 1 ms on average and Poisson
arrivals, and the time they take is what real ones would have taken. "slow" is the same with 100 ms: what is
forgotten in half a second there takes most of a minute here, longer than a probe. "held" are the intervals
that hold the law, "within" the answers that are as close to it as was asked, "narrow" the searches that came
so far before their time was spent.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import msgspec
import numpy as np

from loadgen.find_max import Bounds, Found, Search, budget_s
from loadgen.slo import parse_slo
from tests.unit.queues import LAWS, queue


def search(law: str, bounds: Bounds, seed: int) -> Found:
    """One search on one queue."""
    bounds = msgspec.structs.replace(bounds, lowest=LAWS[law] / 9)
    return Search(queue(seed, law), parse_slo("p99 < 50ms"), bounds).run()


def line(law: str, bounds: Bounds, found: list[Found]) -> str:
    """What many showed."""
    truth = LAWS[law]
    rates, low, high = (
        np.array([getattr(one, name) for one in found]) for name in ("rate_per_s", "low_per_s", "high_per_s")
    )
    errors = np.abs(rates / truth - 1)
    took_s = np.array([one.took_s for one in found])
    narrow = np.mean(np.sqrt(high / low) - 1 <= bounds.precision)
    held, within = np.mean((low <= truth) & (truth <= high)), np.mean(errors <= bounds.precision)
    median_s, most_s = np.percentile(took_s, [50, 95])
    return (
        f"{law:<8}{truth:>8.1f}{held:>9.1%}{within:>9.1%}{narrow:>9.1%}{np.percentile(errors, 95):>10.2%}"
        f"{median_s / 60:>9.1f} min{most_s / 60:>9.1f} min"
    )


def main() -> None:
    """A line a queue."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--precision", type=float, default=0.02)
    parser.add_argument("--probe", type=float, default=30, help="seconds")
    parser.add_argument("--budget", type=float, help="seconds; default: as the command has it")
    given = parser.parse_args()
    budget = given.budget or budget_s(given.precision)
    bounds = Bounds(lowest=1, highest=1e7, probe_s=given.probe, precision=given.precision, budget_s=budget)
    print(
        f"{given.searches} searches each, within {given.precision:.1%}, {budget / 60:.0f} min at the most\n"
        f"{'queue':<8}{'law /s':>8}{'held':>9}{'within':>9}{'narrow':>9}{'95 % err':>10}"
        f"{'median':>13}{'95 % took':>13}"
    )
    seeds = range(given.first_seed, given.first_seed + given.searches)
    with ProcessPoolExecutor() as pool:
        for law in LAWS:
            print(line(law, bounds, list(pool.map(partial(search, law, bounds), seeds, chunksize=5))))


if __name__ == "__main__":
    main()
