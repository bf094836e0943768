"""Arrivals as the server sees them, against the schedule: no sooner, hardly later, never in lockstep."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.fidelity.laws import MS, SECOND, quantile
from tests.fidelity.observation import BUCKET, assert_follows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fidelity.conftest import Oracle
    from tests.fidelity.observation import Observation

RATE = 997  # no whole number of ms between two arrivals
GAP_NS = SECOND / RATE


def assert_on_schedule(run: Observation) -> None:
    """Nothing comes before it is due, half of it within a quarter of a ms, and loadgen says the same."""
    assert len(run.log) == len(run.dues)
    early = [line.recv_ns - due for due, line in zip(run.dues, run.log, strict=True) if line.recv_ns < due]
    assert not early, f"{len(early)} arrivals before they were due, the first {early[0]} ns"
    assert quantile(run.true_lateness, 50) < 0.25 * MS, quantile(run.true_lateness, 50)
    # Receipt is sending and the way through the loopback: the same times, less a little. The mean does not
    # mind who overtook whom.
    mean_ns = sum(run.true_lateness) / len(run.true_lateness)
    assert run.summary["latency"]["lateness"]["mean_ms"] * MS <= mean_ns
    for percent in (50, 75, 90, 95, 99, 99.9, 100):
        received_ns = quantile(run.true_lateness, percent)
        told_ns = run.lateness.percentile(percent)
        wrong = f"p{percent} lateness {told_ns}, received {received_ns}"
        assert told_ns <= received_ns * (1 + BUCKET) + (5 * MS if percent > 95 else 0), wrong
        assert received_ns <= told_ns + (MS if percent <= 90 else 20 * MS), wrong


def assert_no_microbursts(received: Sequence[int], dues: Sequence[int]) -> None:
    """Few gaps below a tenth of the mean, except behind a pause: who was held up catches up.

    A lockstep of n connections makes n - 1 of n gaps short, or is nothing but pauses and bursts. Where a
    worker waits for a processor while another one goes on, a few per cent are short without anybody's fault.
    """
    catching_up_until_ns, held_up, short, gaps = 0, 0, 0, 0
    for due_ns, (before_ns, after_ns) in zip(dues[1:], pairwise(received), strict=True):
        if after_ns - before_ns > 3 * GAP_NS:
            catching_up_until_ns = after_ns
        if due_ns <= catching_up_until_ns:
            held_up += 1
            continue
        gaps += 1
        short += after_ns - before_ns < GAP_NS / 10
    assert held_up <= 0.1 * len(dues), f"{held_up} of {len(dues)} arrivals came in a burst behind a pause"
    assert short <= 0.1 * gaps, f"{short} of {gaps} gaps are below a tenth of the mean"


@pytest.mark.parametrize("connections", [2, 10, 50])
def test_the_check_for_microbursts_sees_connections_in_lockstep(connections: int) -> None:
    """Catches a check that accepts everything: each connection is even, all of them beat together."""
    dues = [round(number * GAP_NS) for number in range(4000)]
    assert_no_microbursts(dues, dues)
    lockstep = [due_ns - due_ns % round(connections * GAP_NS) for due_ns in dues]
    with pytest.raises(AssertionError, match=r"in a burst|below a tenth"):
        assert_no_microbursts(lockstep, dues)


def test_even_arrivals_reach_the_server_evenly(oracle: Oracle) -> None:
    """Catches connections in lockstep, batches and rounding to ms: fifty connections must take turns."""

    def check(run: Observation) -> None:
        assert_on_schedule(run)
        assert_no_microbursts([line.recv_ns for line in run.log], run.dues)
        assert len({line.connection for line in run.log}) >= 45

    oracle(check, "/delay/50", "--tps", str(RATE), "--duration", "4s")


@pytest.mark.parametrize("pacing", ["eco", "hybrid"])
def test_a_slow_rate_is_punctual(oracle: Oracle, pacing: str) -> None:
    """Catches sleeps in whole ms: here nothing but the pacer wakes the loop, no answer comes to its help."""
    options = ("--tps", "97", "--duration", "3s", "--pacing", pacing)
    oracle(assert_on_schedule, "/delay/2", *options)


def test_two_workers_take_turns(oracle: Oracle) -> None:
    """Catches workers that each keep a period of their own: together they must be as even as one."""

    def check(run: Observation) -> None:
        assert_on_schedule(run)
        assert_no_microbursts([line.recv_ns for line in run.log], run.dues)
        # A connection belongs to one worker, and so carries either the even or the odd arrivals.
        parities: dict[int, Counter[int]] = {}
        for number, line in enumerate(run.log):
            if line.recv_ns - run.dues[number] < GAP_NS / 4:
                parities.setdefault(line.connection, Counter())[number % 2] += 1
        assert sum(found.total() for found in parities.values()) >= 0.8 * len(run.log)
        strangers = sum(min(found[0], found[1]) for found in parities.values())
        assert strangers <= 0.01 * len(run.log), f"{strangers} arrivals went to the other worker"
        shares = [
            sum(max(found, key=found.__getitem__) == worker for found in parities.values())
            for worker in (0, 1)
        ]
        assert min(shares) >= 1, "one worker sent everything"
        assert len(run.summary["workers"]) == 2

    oracle(check, "/delay/20", "--tps", str(RATE), "--duration", "4s", "--workers", "2")


def test_random_arrivals_reach_the_server_as_they_were_drawn(oracle: Oracle) -> None:
    """Catches a sender that smooths bursts out: two that are due together must come together."""

    def check(run: Observation) -> None:
        assert_on_schedule(run)
        assert_follows(run.response, run.true_response, "response", reordered_ms=5)
        together = sum(after - before < GAP_NS / 10 for before, after in pairwise(run.dues))
        came_together = sum(
            after.recv_ns - before.recv_ns < GAP_NS / 10 + 0.2 * MS for before, after in pairwise(run.log)
        )
        assert came_together >= 0.9 * together

    oracle(check, "/delay/5", "--tps", str(RATE), "--duration", "3s", "--arrivals", "poisson")


def test_a_ramp_reaches_the_server_as_a_ramp(oracle: Oracle) -> None:
    """Catches a rate that is stepped or lags: each quarter second has its part of the ramp."""

    def check(run: Observation) -> None:
        assert_on_schedule(run)
        for quarter in range(12):
            begin_ns = run.start_ns + quarter * SECOND // 4
            due = sum(begin_ns <= due_ns < begin_ns + SECOND // 4 for due_ns in run.dues)
            came = sum(begin_ns <= line.recv_ns < begin_ns + SECOND // 4 for line in run.log)
            assert came == pytest.approx(due, abs=max(3, 0.02 * due)), f"quarter {quarter}"

    oracle(check, "/delay/2", "--stage", "2s:1200", "--stage", "1s:100")


def test_the_load_is_on_for_as_long_as_it_was_asked(oracle: Oracle) -> None:
    """Catches a gate that shuts early, which would count the last arrivals as missed, or shuts late."""

    def check(run: Observation) -> None:
        shut = next(event["at_s"] for event in run.events if event["event"] == "gate_shut")
        assert shut == pytest.approx(1, abs=0.05)
        assert run.summary["duration_s"] == pytest.approx(1, abs=0.005)
        assert run.summary["achieved_rate_per_s"] == pytest.approx(500, abs=5)
        assert run.summary["generator"]["verdict"] != "client-limited", run.result

    oracle(check, "/delay/1", "--tps", "500", "--duration", "1s")
