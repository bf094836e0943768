"""The oracle freezes and the run must show it, as long as it was and for everybody who was due in it.

    freeze of S in a run of T, capacity without bound, delay L:
        delayed share S / T        Q(p) = L + max(0, S - (1 - p) T)        longest L + S

A tool that waits for answers before it sends, or that starts its clock when it sends, shows a handful of slow
requests instead: as many as it has connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fidelity.conftest import Stall
from tests.fidelity.laws import MS, SECOND, delayed, pooled, quantile, spans
from tests.fidelity.observation import BUCKET, assert_follows

if TYPE_CHECKING:
    from tests.fidelity.conftest import Oracle
    from tests.fidelity.observation import Observation


def law_ms(percent: float, *, delay_ms: float, stall_s: float, every_s: float) -> float:
    return delay_ms + max(0.0, stall_s - (1 - percent / 100) * every_s) * 1000


def assert_sent_on_schedule(run: Observation, from_ns: int, until_ns: int) -> None:
    """As many requests reached the oracle in a time as were due in it: nobody waits for answers."""
    due = sum(from_ns <= due_ns < until_ns for due_ns in run.dues)
    received = sum(from_ns <= line.recv_ns < until_ns for line in run.log)
    assert received == pytest.approx(due, abs=max(5, 0.02 * due))


def assert_ideal(run: Observation, hold_ns: int, *, tail_from: float) -> list[float]:
    """Responses are those of a server without bound behind the gate. Returns those."""
    ideal = spans(run.dues, delayed(run.dues, hold_ns, run.gate))
    assert_follows(run.response, ideal, "response against the schedule", slack_ms=2, tail_from=tail_from)
    assert_follows(
        run.response, run.true_response, "response against the log", tail_from=tail_from, reordered_ms=5
    )
    assert_follows(run.service, run.true_service, "service against the log", tail_from=tail_from)
    return ideal


def assert_delayed_count(run: Observation, ideal: list[float], above_ns: float) -> None:
    """The number of slow ones, to one; on top comes what the oracle answered late, and 5 ms on the way."""
    at_least = sum(time_ns > above_ns * (1 + 2 * BUCKET) for time_ns in ideal)
    at_most = sum(time_ns > above_ns - 5 * MS for time_ns in run.true_response) + 1
    assert at_least - 1 <= run.response.above(above_ns) <= at_most


def test_one_stall_delays_all_that_were_due_in_it(oracle: Oracle) -> None:
    """Catches coordinated omission: of a stall of 0.5 s in 4 s an eighth of the requests must tell."""
    rate, seconds, stall_s = 1000, 4, 0.5

    def check(run: Observation) -> None:
        ideal = assert_ideal(run, 2 * MS, tail_from=80)
        assert_delayed_count(run, ideal, 50 * MS)
        assert run.response.above(50 * MS) >= rate * (stall_s - 0.048) - 8
        latency = run.summary["latency"]["response"]
        for name, percent in (("p75_ms", 75), ("p90_ms", 90), ("p95_ms", 95), ("p99_ms", 99)):
            law = law_ms(percent, delay_ms=2, stall_s=stall_s, every_s=seconds)
            assert law - 1000 / rate <= latency[name] <= law * (1 + BUCKET) + 20, name
        assert 500 <= latency["max_ms"] <= 502 + 20
        mean = 2 + stall_s**2 / (2 * seconds) * 1000
        assert mean - 1 <= latency["mean_ms"] <= mean + 2
        assert_sent_on_schedule(run, run.gate.start_ns, run.gate.start_ns + run.gate.length_ns)

    oracle(
        check,
        "/delay/2",
        "--tps",
        str(rate),
        "--duration",
        f"{seconds}s",
        stall=Stall(at_s=1.5, for_s=stall_s),
    )


def test_stalls_that_come_again_and_again(oracle: Oracle) -> None:
    """Catches a stall that is seen once and then forgotten: four of 0.1 s delay a tenth of all requests."""

    def check(run: Observation) -> None:
        ideal = assert_ideal(run, 2 * MS, tail_from=80)
        assert_delayed_count(run, ideal, 30 * MS)
        for percent in (93, 95, 97, 99):
            law_ns = law_ms(percent, delay_ms=2, stall_s=0.1, every_s=1) * MS
            assert law_ns - 2 * MS <= run.response.percentile(percent) <= law_ns * (1 + BUCKET) + 20 * MS

    periodic = Stall(at_s=0.5, for_s=0.1, every_s=1)
    oracle(check, "/delay/2", "--tps", "1000", "--duration", "4s", stall=periodic)


def test_a_cap_on_connections_hides_no_stall(oracle: Oracle) -> None:
    """Catches latencies counted from when a connection was free, or from when the request was sent at last.

    With four connections only four requests are under way in the stall; all others wait for a connection.
    Service time must show the four, response time everybody, and the verdict must name the pool.
    """
    connections, hold_ns = 4, 2 * MS

    def check(run: Observation) -> None:
        times = pooled(run.dues, connections, hold_ns, run.gate)
        ideal = spans(run.dues, (done_ns for _, done_ns in times))
        waits = spans(run.dues, (sent_ns for sent_ns, _ in times))
        # The way through the loopback lengthens every use of a connection, and a backlog adds that up.
        assert_follows(run.response, ideal, "response", slack_ms=40, tail_slack_ms=40)
        assert_follows(run.lateness, waits, "lateness", slack_ms=40, tail_slack_ms=40)
        assert_follows(
            run.response, run.true_response, "response against the log", tail_from=75, reordered_ms=5
        )
        assert 1 <= run.service.above(100 * MS) <= connections
        assert run.response.above(100 * MS) >= sum(time_ns > 101 * MS for time_ns in ideal) - 1
        assert run.summary["metrics"]["connection_wait"]["max_ms"] >= 480
        generator = run.summary["generator"]
        assert generator["verdict"] == "client-limited", generator
        assert any("waited for a free connection; the cap is 4" in reason for reason in generator["reasons"])
        assert run.result.exit_code == 3, run.result

    options = ("--tps", "400", "--duration", "4s", "--connections", str(connections))
    oracle(check, "/delay/2", *options, stall=Stall(at_s=1.5, for_s=0.5))


def test_a_stall_without_end_is_in_the_percentiles(oracle: Oracle) -> None:
    """Catches requests that are forgotten because the run ends first: a third of them never had an answer."""

    def check(run: Observation) -> None:
        never = sum(line.sent_ns == 0 for line in run.log)
        expected = sum(due_ns + 2 * MS >= run.gate.start_ns for due_ns in run.dues)
        assert run.summary["arrivals"]["unfinished"] == never
        assert never == pytest.approx(expected, abs=5)
        for kind in ("response", "service"):
            latency = run.summary["latency"][kind]
            assert latency["count"] == run.schedule.total
            assert latency["p50_ms"] < 10
            assert [latency[name] for name in ("p75_ms", "p90_ms", "p99_ms", "max_ms")] == ["inf"] * 4
        assert run.response.infinite == run.service.infinite == never
        assert run.summary["verdict"] == "fail"
        assert run.result.exit_code == 1, run.result
        shut, end = (event["at_s"] for event in run.events if event["event"] in ("gate_shut", "end"))
        assert end - shut == pytest.approx(1, abs=0.5), "the drain takes as long as it was given"

    options = ("--tps", "500", "--duration", "3s", "--drain", "1s", "--threshold", "p95 < 1s")
    oracle(check, "/delay/2", *options, stall=Stall(at_s=2, for_s=60))


def test_what_is_dropped_for_being_late_is_in_the_percentiles(oracle: Oracle) -> None:
    """Catches a drop that makes the run look better: it must stand above every finite response time."""

    def check(run: Observation) -> None:
        arrivals, latency = run.summary["arrivals"], run.summary["latency"]
        released_ns = run.gate.start_ns + run.gate.length_ns
        expected = sum(run.gate.start_ns <= due_ns < released_ns - 50 * MS for due_ns in run.dues)
        assert arrivals["dropped"] == pytest.approx(expected, abs=20)
        assert latency["response"]["count"] == run.schedule.total
        assert run.response.infinite == arrivals["dropped"]
        assert latency["response"]["p75_ms"] < 100
        for kind in ("response", "lateness"):
            assert [latency[kind][name] for name in ("p90_ms", "p95_ms", "p99_ms")] == ["inf"] * 3, kind
        assert latency["service"]["p95_ms"] < 100
        assert run.summary["generator"]["verdict"] == "client-limited"

    options = ("--tps", "400", "--duration", "3s", "--connections", "2", "--drop-late", "50ms")
    oracle(check, "/delay/1", *options, stall=Stall(at_s=1, for_s=0.5))


def test_what_had_no_answer_in_time_is_in_the_percentiles(oracle: Oracle) -> None:
    """Catches a timeout recorded as a latency: a tenth was never answered, so p95 is infinite."""

    def check(run: Observation) -> None:
        total = run.schedule.total
        assert run.summary["requests"]["errors"] == {"timeout": total // 10}
        for kind in ("response", "service"):
            latency = run.summary["latency"][kind]
            assert latency["count"] == total
            assert latency["p75_ms"] < 50
            assert [latency[name] for name in ("p95_ms", "p99_ms", "max_ms")] == ["inf"] * 3
        assert run.response.infinite == run.service.infinite == total // 10
        # The answers that came are told by themselves.
        finite = [time_ns for time_ns in run.true_service if time_ns < 100 * MS]
        assert len(finite) == total - total // 10
        assert run.summary["latency"]["service"]["mean_ms"] * MS == pytest.approx(
            sum(finite) / len(finite), abs=2 * MS
        )
        assert quantile(finite, 100) < 0.1 * SECOND

    options = ("--tps", "400", "--duration", "2s", "--timeout", "100ms")
    oracle(check, "/delay/bimodal/2/400/10", *options)
