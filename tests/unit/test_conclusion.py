"""From evidence to result: the parts that are decided nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from loadgen.conclusion import WorkerEnd, conclude_run
from loadgen.engine_plan import EnginePlan
from loadgen.health import Strain
from loadgen.load import Evidence
from loadgen.plan import Plan
from loadgen.schedule import make_schedule
from loadgen.threshold_grammar import parse_threshold
from loadgen.watch import Abort
from tests.unit.figures import Counted, Samples

if TYPE_CHECKING:
    from loadgen._engine import Snapshot

MS = 1_000_000
SECOND = 1_000_000_000


def snapshot(**fields: Any) -> Snapshot:
    return cast("Snapshot", Counted(**fields))


def done(sent: int, **fields: Any) -> Snapshot:
    """So many sent and answered within a millisecond."""
    counters = {
        "scheduled": sent,
        "sent": sent,
        "ok": sent,
        "busy_ns": 2 * SECOND,
        "spin_ns": SECOND,
        "blocked_ns": 5 * SECOND,
    }
    return snapshot(
        response=Samples([MS] * sent),
        service=Samples([MS] * sent),
        statuses={200: sent},
        histograms={"dispatch": Samples([1000] * sent), "lateness": Samples([1000] * sent)},
        counters=counters | {"cpu_ns": 2 * SECOND, "max_rss_kb": 13_000},
        **fields,
    )


def evidence(final: Snapshot, workers: list[Snapshot], **change: Any) -> Evidence:
    fields: dict[str, Any] = {
        "started_at": 0.0,
        "load_ns": 10 * SECOND,
        "due": 1000,
        "at_gate": final,
        "workers_at_gate": workers,
        "final": final,
        "final_workers": workers,
        "strain": Strain(run_queue=0.0, steal=0.0, throttled=0.0),
        "interrupted": False,
    }
    return Evidence(**fields | change)


def plan(**fields: Any) -> EnginePlan:
    usual: dict[str, Any] = {"url": "http://127.0.0.1:8000/", "rate": 100, "duration": "10s", "workers": 1}
    return Plan(**usual | fields).compile()


def test_a_sound_run() -> None:
    compiled = plan(thresholds=["p99 < 250ms", "errors < 1%", "p99.9 < 1s"])
    result, wrong = conclude_run(
        compiled,
        make_schedule(compiled),
        evidence(done(1000), [done(1000)]),
        [WorkerEnd(index=0, pid=7, exit=0, lost=False)],
    )
    assert wrong == []
    assert (result.target_rate_per_s, result.achieved_rate_per_s, result.duration_s) == (100, 100, 10)
    assert result.generator.verdict == "valid"
    assert result.generator.busy == 0.25
    assert [threshold.passed for threshold in result.thresholds] == [True, True, None]
    assert (result.verdict, result.exit_code) == ("no-data", 1)
    assert (result.workers[0].cpu_s, result.workers[0].max_rss_mb) == (2.0, 13.0)


def test_a_threshold_that_ended_the_run_has_failed_whatever_the_drain_brought() -> None:
    text = "errors < 1% abort"
    compiled = plan(thresholds=[text, "errors < 2% abort"])
    result, wrong = conclude_run(
        compiled,
        make_schedule(compiled),
        evidence(done(1000), [done(1000)], aborts=[Abort(3.0004, parse_threshold(text), 0.015)]),
        [WorkerEnd(index=0, pid=7, exit=0, lost=False)],
    )
    assert wrong == []
    ended, held = result.thresholds
    assert (ended.value, ended.passed, ended.aborted_at_s) == (0.015, False, 3.0)
    assert (held.value, held.passed, held.aborted_at_s) == (0, True, None)
    assert (result.verdict, result.exit_code) == ("fail", 1)


@pytest.mark.parametrize(
    ("index", "load_ms", "abandoned"),
    [(0, 10_000, 400), (1, 10_000, 400), (1, 9_985, 399), (0, 1000, 0)],
)
def test_a_lost_worker_costs_what_was_due_in_its_share(index: int, load_ms: int, abandoned: int) -> None:
    compiled = plan(workers=2)
    survivors = [done(500), done(500)]
    survivors[index] = done(100)
    ends = [WorkerEnd(index=number, pid=number, exit=0, lost=number == index) for number in (0, 1)]
    result, wrong = conclude_run(
        compiled,
        make_schedule(compiled),
        evidence(done(600), survivors, load_ns=load_ms * MS, due=load_ms // 10),
        ends,
    )
    assert wrong == []
    assert result.arrivals.cancelled == abandoned
    assert result.arrivals.scheduled == 600 + abandoned
    assert (result.verdict, result.exit_code) == ("invalid", 3)
    assert result.generator.reasons[0] == f"worker {index} (pid {index}) was lost"


def test_a_target_that_was_never_there() -> None:
    final = snapshot(
        response=Samples(infinite=1000),
        service=Samples(infinite=1000),
        errors={"connect_refused": 990, "connect_timeout": 10},
        counters={"scheduled": 1000, "sent": 1000, "failed": 1000},
    )
    compiled = plan()
    ends = [WorkerEnd(index=0, pid=7, exit=0, lost=False)]
    result, _ = conclude_run(compiled, make_schedule(compiled), evidence(final, [final]), ends)
    assert (result.verdict, result.exit_code) == ("fail", 4)


@pytest.mark.parametrize(
    ("sentence", "waited_for", "connect_ms", "tls_ms", "cap_hits", "verdict"),
    [
        ("the loop was late", "dispatch", 50, 50, 0, "client-limited"),
        ("the cap was reached", "pool_wait", 50, 50, 1, "client-limited"),
        ("connections had to be made first", "pool_wait", 10, 0, 0, "valid"),
        ("handshakes were what took long", "pool_wait", 1, 9, 0, "valid"),
        ("they were made quickly", "pool_wait", 9, 0, 0, "client-limited"),
        ("handshakes too", "pool_wait", 1, 8, 0, "client-limited"),
    ],
)
def test_only_the_generators_own_lateness_is_held_against_it(
    sentence: str, waited_for: str, connect_ms: int, tls_ms: int, cap_hits: int, verdict: str
) -> None:
    late = Samples([50 * MS] * 1000)
    final = snapshot(
        response=Samples([51 * MS] * 1000),
        service=Samples([MS] * 1000),
        statuses={200: 1000},
        histograms={
            "lateness": late,
            "dispatch": Samples([0] * 1000),
            "connect": Samples([connect_ms * MS] * 20),
            "tls": Samples([tls_ms * MS] * 20 if tls_ms else []),
            waited_for: late,
        },
        counters={"scheduled": 1000, "sent": 1000, "ok": 1000, "cap_hits": cap_hits},
    )
    compiled = plan(connections=100)
    ends = [WorkerEnd(index=0, pid=7, exit=0, lost=False)]
    result, _ = conclude_run(compiled, make_schedule(compiled), evidence(final, [final]), ends)
    assert result.generator.verdict == verdict, sentence


def test_the_closed_model_has_no_target_rate() -> None:
    compiled = plan(rate=None, users=5)
    ends = [WorkerEnd(index=0, pid=7, exit=0, lost=False)]
    result, _ = conclude_run(compiled, None, evidence(done(1000), [done(1000)], due=0), ends)
    assert result.target_rate_per_s is None
    assert (result.verdict, result.exit_code) == ("pass", 0)


def test_secrets_are_not_in_the_result() -> None:
    compiled = plan(headers=[("Authorization", "secret")])
    ends = [WorkerEnd(index=0, pid=7, exit=0, lost=False)]
    result, _ = conclude_run(compiled, make_schedule(compiled), evidence(done(1), [done(1)], due=1), ends)
    assert b"secret" not in result.to_json()
