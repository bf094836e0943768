"""A result as a run would leave it, to be looked at by tests. No test lives here."""

from __future__ import annotations

from typing import Any

import msgspec

from loadgen.ledger import Ledger
from loadgen.plan import Plan
from loadgen.result import GeneratorResult, Result, ThresholdResult, WorkerResult
from tests.unit.figures import Counted, Samples

MS = 1_000_000


def make_result(*, infinite: int = 0, label: str = "GET /items", **change: Any) -> Result:
    """5,000 requests in 10 s, each of 1 to 5 ms, of which the last `infinite` had no answer."""
    answered = 5000 - infinite
    values = [MS * (1 + number % 5) for number in range(answered)]
    ledger = Ledger(
        Counted(
            response=Samples(values, infinite),
            service=Samples(values, infinite),
            statuses={200: answered},
            errors={"timeout": infinite} if infinite else {},
            labels=(label,),
            histograms={"lateness": Samples([10_000] * 5000), "connect": Samples([MS] * 10)},
            counters={
                "scheduled": 5000,
                "sent": 5000,
                "ok": answered,
                "failed": infinite,
                "bytes_sent": 400_000,
                "bytes_received": 1_000_000,
            },
        ),
        sent_in_time=5000,
        load_s=10,
    )
    assert ledger.errors == []
    thresholds = ["p99 < 250ms"]
    result = Result(
        loadgen_version="0.1.0",
        name="blast 127.0.0.1:8000",
        command="blast",
        started_at="2026-01-02T03:04:05.678+00:00",
        duration_s=10.0,
        verdict="pass",
        exit_code=0,
        plan=Plan(url="http://127.0.0.1:8000/items", rate=500, workers=1, thresholds=thresholds).compile(),
        target_rate_per_s=500.0,
        achieved_rate_per_s=500.0,
        arrivals=ledger.arrivals,
        requests=ledger.requests,
        latency=ledger.latencies(),
        phases=ledger.phases(),
        labels=ledger.labels(),
        checks=[],
        metrics={"connection_wait": ledger.latency("connection_wait"), "completed_rate_per_s": answered / 10},
        thresholds=[ThresholdResult(expression=thresholds[0], value=5.0, passed=True)],
        workers=[WorkerResult(pid=4711, exit=0, cpu_s=0.5, max_rss_mb=13.0)],
        generator=GeneratorResult(
            verdict="valid", reasons=[], cpu_s=0.5, busy=0.05, lateness_p99_ms=0.01, pacing="hybrid"
        ),
    )
    return msgspec.structs.replace(result, **change)
