"""The arrivals put through an ideal queue: only the right arrival process yields the textbook waiting times.

    dep(i) = max(arrival(i), dep(i - 1)) + service(i)        Lindley, no sockets, no clock

The same service behind three arrival processes differs by almost a factor of two at the 99th percentile, so
this tells Poisson from constant from bursts where a mean rate cannot.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from tests.engine.plans import SECOND, Arrivals, flat
from tests.engine.statistics import quantile

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 1000
SECONDS = 300
WARM_UP = 5000  # an empty queue at the start is not the stationary one


def sojourns(arrivals: Arrivals, service_ns: Callable[[], float]) -> list[float]:
    """Sorted times from arrival to departure."""
    found, free_ns = [], 0.0
    for _, due in flat(RATE, SECONDS * SECOND, arrivals, 11).arrivals():
        free_ns = max(due, free_ns) + service_ns()
        found.append(free_ns - due)
    return sorted(found[WARM_UP:])


def exponential(load: float) -> Callable[[], float]:
    draw = random.Random(5).expovariate
    return lambda: draw(RATE / load / SECOND)


@pytest.mark.parametrize(
    ("arrivals", "load", "root"),
    [
        pytest.param("poisson", 0.5, 0.5, id="M/M/1 half full"),
        pytest.param("poisson", 0.8, 0.8, id="M/M/1 four fifths full"),
        pytest.param("constant", 0.5, 0.2032, id="D/M/1 half full"),
        pytest.param("constant", 0.8, 0.6286, id="D/M/1 four fifths full"),
    ],
)
def test_sojourns_behind_exponential_service(arrivals: Arrivals, load: float, root: float) -> None:
    """Catches arrivals neither even nor memoryless: sojourns are exponential of mean 1/(mu (1 - root))."""
    mean_ns = SECOND / (RATE / load * (1 - root))
    found = sojourns(arrivals, exponential(load))
    # Neighbours in a queue are alike: over its relaxation time they count as one sample.
    relaxation = 2 / (1 - math.sqrt(load)) ** 2
    for percent in (50, 90, 99):
        share = percent / 100
        error = math.sqrt(share / (1 - share) / len(found) * relaxation)
        assert quantile(found, percent) == pytest.approx(
            -mean_ns * math.log(1 - share), abs=4 * mean_ns * error
        )


def test_mean_wait_behind_constant_service() -> None:
    """Catches too regular Poisson arrivals: the mean wait is load * D / (2 (1 - load))."""
    load = 0.6
    service_ns = load * SECOND / RATE
    found = sojourns("poisson", lambda: service_ns)
    wait_ns = math.fsum(found) / len(found) - service_ns
    assert wait_ns == pytest.approx(load * service_ns / (2 * (1 - load)), rel=0.05)


def test_nobody_waits_where_even_arrivals_meet_even_service() -> None:
    """Catches microbursts in constant arrivals: with a service below the gap no arrival may find another."""
    service_ns = 0.999 * SECOND / RATE
    assert sojourns("constant", lambda: service_ns)[-1] == pytest.approx(service_ns, abs=1)


def test_bursts_wait_for_each_other() -> None:
    """Catches a test that cannot see bursts: 20 ms worth of arrivals in 2 ms must pile up."""
    service_ns = 0.5 * SECOND / RATE
    found = sojourns({"on_ns": 2_000_000, "off_ns": 18_000_000}, lambda: service_ns)
    # The last of 20 arrives 19 * 0.1 ms after the first and leaves 20 * 0.5 ms after it.
    assert found[-1] == pytest.approx(20 * service_ns - 19 * 100_000, abs=10)
