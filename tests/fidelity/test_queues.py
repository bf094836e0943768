"""One server behind a queue: its sojourn times are recomputed from the stamps, request by request.

A queue is the finest judge of an arrival process: requests that come in bunches wait for each other.
Lindley's recursion over the schedule gives the least that can be measured; over the log, what was there to
be measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fidelity.laws import MS, exponential_ns, queued, spans
from tests.fidelity.observation import assert_follows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fidelity.conftest import Oracle
    from tests.fidelity.observation import Observation


def even(_number: int) -> int:
    return MS


def random(number: int) -> int:
    return exponential_ns(MS, 3, number)


@pytest.mark.parametrize(
    ("path", "service_ns", "arrivals"),
    [
        pytest.param("/queue/1", even, "poisson", id="M/D/1"),
        pytest.param("/queue/exp/1?seed=3", random, "constant", id="D/M/1"),
    ],
)
def test_sojourns_are_those_of_the_queue(
    oracle: Oracle, path: str, service_ns: Callable[[int], int], arrivals: str
) -> None:
    """Catches arrivals in bunches, and times that leave out the wait in the server's queue."""

    def check(run: Observation) -> None:
        departures = queued((line.recv_ns for line in run.log), service_ns)
        # A logarithm may differ in its last bit from one library to the other.
        assert all(
            abs(line.due_ns - departure_ns) <= 1000
            for line, departure_ns in zip(run.log, departures, strict=True)
        ), "the oracle is no queue"
        assert_follows(run.service, run.true_service, "sojourn against the log")
        assert_follows(run.response, run.true_response, "response against the log", reordered_ms=5)
        ideal = spans(run.dues, queued(run.dues, service_ns))
        assert_follows(run.response, ideal, "response against the schedule", slack_ms=3, reordered_ms=5)

    oracle(check, path, "--tps", "600", "--duration", "4s", "--arrivals", arrivals, "--seed", "9")
