"""Several workers make one result: distributions are added up, never averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fidelity.laws import MS
from tests.fidelity.observation import assert_follows

if TYPE_CHECKING:
    from tests.fidelity.conftest import Oracle
    from tests.fidelity.observation import Observation


def test_one_slow_worker_is_in_the_tail_and_not_in_the_median(oracle: Oracle) -> None:
    """Catches percentiles averaged over workers: p99.5 would be 51 ms where the truth is 100 ms.

    Every fiftieth request is slow, and in a constant schedule dealt to two workers all of those fall to the
    second one.
    """

    def check(run: Observation) -> None:
        assert_follows(run.service, run.true_service, "service")
        assert_follows(run.response, run.true_response, "response", reordered_ms=5)
        latency = run.summary["latency"]["service"]
        assert 2 <= latency["p50_ms"] < 4
        assert 2 <= latency["p95_ms"] < 10
        assert 100 <= latency["p99_ms"] < 120
        assert 2 * MS <= run.service.percentile(97.5) < 10 * MS
        assert run.service.percentile(98.5) >= 100 * MS

    oracle(check, "/delay/bimodal/2/100/50", "--tps", "800", "--duration", "3s", "--workers", "2")
