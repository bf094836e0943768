"""Delays that are known: each response was held for a time that the oracle computed and logged.

The paired check takes the sampling noise out: what loadgen measured, less what the oracle held, is the
client's own part. It must be small, and it must not grow with what was held.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tests.fidelity.laws import MS, exponential_ns, quantile
from tests.fidelity.observation import BUCKET, PERCENTS, assert_follows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fidelity.conftest import Oracle
    from tests.fidelity.observation import Observation


def assert_true_times(run: Observation, percents: Sequence[float] = PERCENTS) -> None:
    """Response and service are the oracle's own times and a small client part."""
    assert run.result.exit_code == 0, run.result
    assert_follows(run.service, run.true_service, "service", percents=percents)
    assert_follows(run.response, run.true_response, "response", reordered_ms=5, percents=percents)


def assert_client_part_is_constant(run: Observation) -> None:
    """Measured less held, over the quantiles: no slope, or the client scales, rounds or adds up its times."""
    percents = range(5, 96, 5)
    holds = [quantile(run.true_service, percent) for percent in percents]
    parts = [run.service.percentile(p) - hold for p, hold in zip(percents, holds, strict=True)]
    mean_hold, mean_part = sum(holds) / len(holds), sum(parts) / len(parts)
    spread = sum((hold - mean_hold) ** 2 for hold in holds)
    slope = sum((h - mean_hold) * (p - mean_part) for h, p in zip(holds, parts, strict=True)) / spread
    assert abs(slope) < 0.01 + BUCKET, f"the client's part grows by {slope:.4f} of the hold"
    assert mean_part < MS, f"the client's part is {mean_part / MS:.3f} ms"


def test_a_fixed_delay_is_measured_as_it_is(oracle: Oracle) -> None:
    """Catches stamps in the wrong place: all percentiles lie between the delay and a little more."""

    def check(run: Observation) -> None:
        assert_true_times(run)
        assert run.summary["latency"]["service"]["min_ms"] >= 20
        assert run.summary["latency"]["response"]["p90_ms"] < 22

    oracle(check, "/delay/20", "--tps", "997", "--duration", "3s")


def test_two_modes_stay_apart(oracle: Oracle) -> None:
    """Catches a histogram that smears: one in twenty is slow, exactly, and nothing lies between the modes."""

    def check(run: Observation) -> None:
        # Not the 95th: that is the slowest of the fast ones, the tail of a mode.
        assert_true_times(run, (1, 10, 25, 50, 75, 90, 96, 98, 99))
        slow = run.schedule.total // 20
        assert run.service.above(40 * MS * (1 - BUCKET)) == slow
        assert run.response.above(30 * MS) == slow
        assert 2 <= run.summary["latency"]["service"]["p90_ms"] < 4
        assert 40 <= run.summary["latency"]["service"]["p99_ms"] < 45
        assert 2 * MS <= run.service.percentile(94) < 10 * MS < 40 * MS <= run.service.percentile(96)

    oracle(check, "/delay/bimodal/2/40/20", "--tps", "1000", "--duration", "3s")


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_exponential_delays_keep_their_distribution(oracle: Oracle, arrivals: str) -> None:
    """Catches a bias anywhere between 1 and 150 ms, under even and under random arrivals."""
    mean_ns = 20 * MS

    def check(run: Observation) -> None:
        assert_true_times(run)
        assert_client_part_is_constant(run)
        number_of_samples = len(run.log)
        for number, line in enumerate(run.log, 1):
            assert line.due_ns - line.recv_ns == pytest.approx(exponential_ns(mean_ns, 7, number), abs=1)
        for percent in (50, 90, 99):
            share = percent / 100
            law_ns = -mean_ns * math.log(1 - share)
            error_ns = 4 * mean_ns * math.sqrt(share / ((1 - share) * number_of_samples))
            found_ns = run.service.percentile(percent)
            assert law_ns - error_ns <= found_ns <= law_ns * (1 + BUCKET) + error_ns + MS, f"p{percent}"

    rate = ("--tps", "1500", "--duration", "3s", "--seed", "3")
    oracle(check, "/delay/exp/20?seed=7", *rate, "--arrivals", arrivals)
