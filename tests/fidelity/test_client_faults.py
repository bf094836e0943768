"""What goes wrong in the generator is blamed on the generator: it shows in lateness and in the verdict."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from loadgen._engine import monotonic_ns
from tests.fidelity.laws import MS, Gate, delayed, spans
from tests.fidelity.observation import BUCKET
from tests.support.command import LOADGEN, RunningCommand

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target
    from tests.fidelity.conftest import Oracle
    from tests.fidelity.observation import Observation
    from tests.support.command import Loadgen


def test_a_stopped_worker_is_late_and_says_so(oracle: Oracle) -> None:
    """Catches latencies counted from when the loop woke up: a worker that stood still owes them all.

    Lateness and response follow the law of a stall; service does not, but for the few that were in flight.
    """
    stops: list[tuple[int, int]] = []

    def stop_for_half_a_second(running: RunningCommand) -> None:
        (worker,) = running.wait_for_workers(1)
        time.sleep(1)
        os.kill(worker, signal.SIGSTOP)
        stopped_ns = monotonic_ns()
        time.sleep(0.5)
        stops.append((stopped_ns, monotonic_ns()))
        os.kill(worker, signal.SIGCONT)

    def check(run: Observation) -> None:
        stopped_ns, resumed_ns = stops[-1]
        # Whatever was due while it stood was sent when it went on, at the soonest.
        freeze = Gate(stopped_ns, resumed_ns - stopped_ns)
        late = spans(run.dues, delayed(run.dues, 0, freeze))
        for above_ms in (50, 100, 200, 400):
            law = sum(time_ns > above_ms * MS * (1 + 2 * BUCKET) for time_ns in late)
            # The law is the least. Catching up takes a while, and the machine has other work.
            ceiling = sum(time_ns > (above_ms - 50) * MS for time_ns in late) + 50
            assert law - 1 <= run.lateness.above(above_ms * MS) <= ceiling, f"late by {above_ms} ms"
            assert law - 1 <= run.response.above(above_ms * MS) <= ceiling, f"answered after {above_ms} ms"
        assert late[-1] <= run.lateness.percentile(100) <= late[-1] + 50 * MS
        assert run.service.above(100 * MS) <= 10, "a stop of the client is no service time"
        # The oracle saw nothing, then everything.
        silent = [line for line in run.log if stopped_ns + 5 * MS < line.recv_ns < resumed_ns]
        assert not silent
        generator = run.summary["generator"]
        assert generator["verdict"] == "client-limited", generator
        assert run.result.exit_code == 3, run.result

    options = ("--tps", "1000", "--duration", "4s", "--workers", "1")
    oracle(check, "/delay/2", *options, deed=stop_for_half_a_second)


def test_a_stolen_processor_is_noticed(oracle: Oracle) -> None:
    """Catches a verdict that is blind to the machine: two spinners share the worker's core."""
    core = min(os.sched_getaffinity(0))
    spinners: list[subprocess.Popen[bytes]] = []

    def crowd(running: RunningCommand) -> None:
        (worker,) = running.wait_for_workers(1)
        os.sched_setaffinity(worker, {core})
        spin = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
        spinners.extend(subprocess.Popen([sys.executable, "-c", spin]) for _ in range(2))

    def check(run: Observation) -> None:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()
        spinners.clear()
        generator = run.summary["generator"]
        assert generator["verdict"] != "valid", generator
        assert any("run queue" in reason for reason in generator["reasons"]), generator
        # What it did to the requests is not hidden either: the oracle's own stamps bear the lateness out.
        assert run.lateness.percentile(100) <= run.true_lateness[-1] * (1 + BUCKET)
        assert run.response.percentile(100) >= run.true_response[-1]

    try:
        # One that sleeps most of the time would be let in before the others, and hardly wait.
        options = ("--tps", "1000", "--duration", "3s", "--workers", "1", "--pacing", "spin")
        oracle(check, "/delay/2", *options, deed=crowd)
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def test_a_rate_out_of_reach_is_no_result(loadgen: Loadgen, target: Target) -> None:
    """Catches a generator that reports the target's latency where it could not even send the load."""
    options = ("--tps", "3000000", "--duration", "1s", "--drain", "500ms", "--workers", "1", "--quiet")
    result = loadgen("blast", target.url, *options)
    assert result.exit_code == 3, result
    summary = result.summary
    arrivals, generator = summary["arrivals"], summary["generator"]
    assert summary["verdict"] == "invalid"
    assert generator["verdict"] == "client-limited"
    assert any("of what was due was sent in time" in reason for reason in generator["reasons"]), generator
    assert arrivals["scheduled"] == 3_000_000 == arrivals["sent"] + arrivals["cancelled"]
    assert arrivals["cancelled"] > 0
    assert summary["achieved_rate_per_s"] < 0.95 * summary["target_rate_per_s"]
    assert summary["latency"]["response"]["p99_ms"] == "inf"
    assert "Do not rely on these numbers" in result.stdout


def test_descriptors_that_run_out_are_the_clients_own_error(target: Target, tmp_path: Path) -> None:
    """Catches a lack of descriptors that hangs the run, or that is counted as an error of the target."""
    command = ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"', str(LOADGEN), "blast", f"{target.url}/delay/500"]
    command += ["--tps", "1000", "--duration", "2s", "--drain", "2s", "--workers", "1", "--quiet"]
    running = RunningCommand(command, folder=tmp_path, environment=dict(os.environ))
    result = running.wait(30)
    summary = result.summary
    errors = summary["requests"]["errors"]
    assert set(errors) == {"no_descriptors"}, result
    assert errors["no_descriptors"] >= 500
    assert summary["requests"]["ok"] + errors["no_descriptors"] == summary["arrivals"]["sent"]
    assert target.requests()["paths"]["/delay/500"] == summary["requests"]["ok"]
    generator = summary["generator"]
    assert generator["verdict"] == "client-limited", generator
    assert any("for want of descriptors" in reason for reason in generator["reasons"]), generator
    assert result.exit_code == 3, result
    assert summary["latency"]["service"]["p50_ms"] == "inf" or summary["requests"]["ok"] > 1000


def test_a_limit_that_can_be_raised_is_raised(target: Target, tmp_path: Path) -> None:
    """Catches a run that fails for a soft limit although the hard one has room."""
    command = [
        "sh",
        "-c",
        'ulimit -S -n 64; exec "$0" "$@"',
        str(LOADGEN),
        "blast",
        f"{target.url}/delay/300",
    ]
    command += ["--tps", "600", "--duration", "1s", "--workers", "1", "--quiet"]
    result = RunningCommand(command, folder=tmp_path, environment=dict(os.environ)).wait(30)
    assert result.summary["requests"]["errors"] == {}, result
    assert result.summary["arrivals"]["completed"] == 600, result
    assert pytest.approx(300, abs=100) == result.summary["latency"]["service"]["p50_ms"]
