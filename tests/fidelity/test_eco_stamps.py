"""In eco the worker sleeps through answers and reads them when the next request is due; no figure shows it.

The return of an answer, from its departure to its receipt, is the mean response less the oracle's own: both
count from when the request was due, and a mean does not mind who overtook whom.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from loadgen._engine import monotonic_ns
from tests.fidelity.laws import MS, SECOND
from tests.fidelity.test_known_delays import assert_client_part_is_constant, assert_true_times

if TYPE_CHECKING:
    from tests.fidelity.conftest import Oracle
    from tests.fidelity.observation import Observation
    from tests.support.command import RunningCommand

# The gap is below the longest rest, so that every answer to come finds the worker asleep.
RATE = 5000
GAP_NS = SECOND // RATE
ECO = ("--pacing", "eco", "--tps", str(RATE), "--duration", "3s", "--workers", "1")


def assert_returns_take_no_sleep(run: Observation) -> None:
    """Read at the next wake, an answer would be about a gap late; the loopback takes microseconds."""
    mean_ns = run.summary["latency"]["response"]["mean_ms"] * MS
    return_ns = mean_ns - sum(run.true_response) / len(run.true_response)
    assert 0 <= return_ns < GAP_NS / 10, f"answers take {return_ns:.0f} ns to return"


def sleeps(pid: int) -> int:
    """How often the threads of a process have gone to sleep so far."""
    return sum(
        int(line.partition(":")[2])
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches:")
    )


def test_an_answer_read_late_counts_from_when_it_came(oracle: Oracle) -> None:
    """Catches service that contains the worker's sleep, and a worker that wakes for each answer after all."""
    sleeps_per_request: list[float] = []

    def count_sleeps(running: RunningCommand) -> None:
        (worker,) = running.wait_for_workers(1)
        time.sleep(0.5)
        before, from_ns = sleeps(worker), monotonic_ns()
        time.sleep(1.5)
        after, until_ns = sleeps(worker), monotonic_ns()
        sleeps_per_request.append((after - before) * GAP_NS / (until_ns - from_ns))

    def check(run: Observation) -> None:
        assert_true_times(run)
        assert_returns_take_no_sleep(run)
        assert run.summary["latency"]["service"]["min_ms"] >= 2
        # One for each arrival, and few for anything else; one that also woke for answers would sleep twice.
        assert sleeps_per_request[-1] < 1.3, sleeps_per_request

    # Ten gaps, and the way there and back: the answer comes just behind an arrival, and waits for the next.
    oracle(check, "/delay/2", *ECO, deed=count_sleeps)


def test_late_reads_leave_no_trace_on_known_delays(oracle: Oracle) -> None:
    """Catches stamps that are rounded, scaled or another answer's, between 1 and 150 ms."""

    def check(run: Observation) -> None:
        assert_true_times(run)
        assert_client_part_is_constant(run)
        assert_returns_take_no_sleep(run)

    oracle(check, "/delay/exp/20?seed=7", *ECO, "--arrivals", "poisson")
