"""Processes that are killed, stopped or interrupted: the run ends, says so, and keeps what was recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import balanced
from tests.support.command import LOADGEN
from tests.support.ports import FullServer
from tests.support.processes import children_of, state_of, wait_until_gone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen


def events(result: CommandResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (result.run_folder / "events.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("load", [("--tps", "400"), ("--users", "4")], ids=["open", "closed"])
def test_a_worker_that_is_killed_is_named_and_loses_nothing_it_recorded(
    loadgen: Loadgen, target: Target, reactor: str, load: tuple[str, ...]
) -> None:
    started = loadgen.start(
        *("blast", f"{target.url}/delay/10", "--reactor", reactor, *load),
        *("--duration", "500ms", "--workers", "2", "--connections", "8"),
    )
    workers = started.wait_for_workers(2)
    target.wait_for_requests(40)
    os.kill(workers[1], signal.SIGKILL)
    result = started.wait()
    summary = balanced(result)
    assert (summary["verdict"], summary["exit_code"], result.exit_code) == ("invalid", 3, 3), result
    exits = {worker["pid"]: worker["exit"] for worker in summary["workers"]}
    assert exits == {workers[0]: 0, workers[1]: -signal.SIGKILL}
    (lost,) = [event for event in events(result) if event["event"] == "worker_lost"]
    for text in (lost["text"], result.stdout, result.stderr):
        assert f"pid {workers[1]}" in text, result
    assert "SIGKILL" in lost["text"]
    # The target has counted what was sent; what was on its way when the worker died, at most one on each of
    # its connections, has no outcome and counts as unfinished.
    counted = target.requests()["total"]
    assert summary["requests"]["ok"] <= counted, result
    assert 0 <= summary["arrivals"]["unfinished"] <= 8, result
    assert abs(summary["arrivals"]["sent"] - counted) <= 8, result
    assert summary["requests"]["ok"] >= 40 - 8, result
    if load[0] == "--tps":
        # The dead worker's share is in the books: due, never sent.
        assert summary["arrivals"]["scheduled"] == 200, result
        assert summary["arrivals"]["cancelled"] > 0, result


def test_a_run_whose_workers_are_all_killed_is_reported(loadgen: Loadgen, target: Target) -> None:
    started = loadgen.start(
        "blast", target.url, "--tps", "300", "--duration", "20s", "--workers", "2", "--drain", "1s"
    )
    workers = started.wait_for_workers(2)
    target.wait_for_requests(40)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    result = started.wait(15)
    summary = balanced(result)
    assert (summary["verdict"], result.exit_code) == ("invalid", 3), result
    assert summary["requests"]["ok"] >= 38, result
    assert sum(event["event"] == "worker_lost" for event in events(result)) == 2


def test_a_worker_that_dies_before_the_start_is_named(loadgen: Loadgen, slow_start: dict[str, str]) -> None:
    started = loadgen.start("blast", "--tps", "10", "--duration", "300ms", environment=slow_start)
    (worker,) = started.wait_for_workers(1)
    os.kill(worker, signal.SIGKILL)
    result = started.wait(15)
    assert result.exit_code == 3, result
    assert f"pid {worker}" in result.stderr and "SIGKILL" in result.stderr, result
    assert "Traceback" not in result.stderr, result


@pytest.mark.parametrize("load", [("--tps", "300"), ("--users", "2")], ids=["open", "closed"])
def test_workers_whose_parent_is_killed_stop(
    loadgen: Loadgen, target: Target, reactor: str, load: tuple[str, ...]
) -> None:
    started = loadgen.start(
        *("blast", f"{target.url}/delay/5", "--reactor", reactor, *load),
        *("--duration", "60s", "--workers", "2"),
    )
    workers = started.wait_for_workers(2)
    target.wait_for_requests(20)
    os.kill(started.pid, signal.SIGKILL)
    wait_until_gone(workers)
    # What they had sent has arrived: from now on the count stands still.
    before = target.requests()["paths"]
    time.sleep(0.3)
    assert target.requests()["paths"] == before
    started.wait()


def test_the_embedded_target_goes_with_its_parent(loadgen: Loadgen) -> None:
    started = loadgen.start("blast", "--tps", "20", "--duration", "60s")
    started.wait_for_workers(1)
    children = children_of(started.pid)
    assert len(children) == 2, "a worker and the target"
    os.kill(started.pid, signal.SIGKILL)
    wait_until_gone(children)
    started.wait()


def test_a_target_goes_with_the_parent_that_started_it(tmp_path: Path) -> None:
    """`loadgen target`, started by a program that is killed, does not stay behind."""
    parent = subprocess.Popen(
        ["sh", "-c", f"'{LOADGEN}' target --port 0 & wait"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("listening on ")
        children = children_of(parent.pid)
        parent.kill()
        parent.wait(10)
        wait_until_gone(children, timeout_s=5)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate(timeout=10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_target_that_is_told_to_stop_has_its_log_complete(
    loadgen: Loadgen, tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "target.csv"
    running = loadgen.start("target", "--port", "0", "--log", str(log))
    url = running.wait_for_line(r"listening on (http://\S+)")[1]
    for _ in range(5):
        urllib.request.urlopen(f"{url}/health", timeout=10).close()  # noqa: S310
    running.send_signal(number)
    result = running.wait(15)
    assert "Traceback" not in result.stderr, result
    assert log.read_text().count(",/health\n") == 5, result


def test_a_worker_that_stands_still_for_a_while_is_late_and_says_so(
    loadgen: Loadgen, target: Target, reactor: str
) -> None:
    started = loadgen.start(
        *("blast", target.url, "--reactor", reactor, "--tps", "400", "--duration", "1s"),
        *("--workers", "1"),
    )
    (worker,) = started.wait_for_workers(1)
    target.wait_for_requests(40)
    os.kill(worker, signal.SIGSTOP)
    time.sleep(0.6)
    os.kill(worker, signal.SIGCONT)
    result = started.wait()
    summary = balanced(result)
    response, service, lateness = (summary["latency"][kind] for kind in ("response", "service", "lateness"))
    assert summary["requests"]["status"] == {"200": 400}, "all of them, late or not"
    # Some 240 of 400 were due while it stood still.
    assert lateness["max_ms"] >= 590 and lateness["p90_ms"] > 200, result
    assert response["p90_ms"] > 200, "the user would have waited, so the response carries it"
    assert service["p90_ms"] < lateness["p90_ms"] / 2, "the server did nothing wrong"
    assert (summary["generator"]["verdict"], summary["verdict"]) == ("client-limited", "invalid"), result
    assert result.exit_code == 3, result


@pytest.mark.slow
def test_a_worker_that_stands_still_to_the_end_is_named(loadgen: Loadgen, target: Target) -> None:
    started = loadgen.start(
        *("blast", target.url, "--tps", "200", "--duration", "1200ms", "--workers", "2", "--drain", "100ms")
    )
    workers = started.wait_for_workers(2)
    target.wait_for_requests(20)
    os.kill(workers[0], signal.SIGSTOP)
    result = started.wait(40)
    summary = balanced(result)
    assert (summary["verdict"], result.exit_code) == ("invalid", 3), result
    told = {event["event"]: event["text"] for event in events(result)}
    assert f"pid {workers[0]}" in told["worker_stalled"], result
    assert f"pid {workers[0]}" in told["worker_lost"], result
    assert summary["arrivals"]["scheduled"] == 240, "the share of the one that stood still is in the books"
    assert summary["requests"]["ok"] >= 120, "the other did its own"
    assert state_of(workers[0]) == "", "it was ended"


@pytest.mark.parametrize(
    ("load", "number"),
    [
        (("--tps", "200"), signal.SIGINT),
        (("--tps", "200"), signal.SIGTERM),
        (("--users", "4"), signal.SIGINT),
    ],
    ids=["open", "open, SIGTERM", "closed"],
)
def test_an_interrupt_drains_and_reports(
    loadgen: Loadgen, target: Target, reactor: str, load: tuple[str, ...], number: signal.Signals
) -> None:
    started = loadgen.start(
        *("blast", f"{target.url}/delay/50", "--reactor", reactor, *load),
        *("--duration", "60s", "--workers", "2", "--drain", "10s"),
    )
    started.wait_for_workers(2)
    target.wait_for_requests(20)
    if number == signal.SIGINT:
        started.interrupt()  # as a terminal does: to every process
    else:
        started.send_signal(number)
    started.wait_for_line("once more stops at once", stream="stderr")
    before = target.requests()["total"]
    result = started.wait(20)
    summary = balanced(result)
    assert (summary["exit_code"], result.exit_code) == (130, 130), result
    assert summary["arrivals"]["unfinished"] == 0, "what was on its way was waited for"
    assert summary["requests"]["ok"] == summary["arrivals"]["sent"] == target.requests()["total"], result
    assert summary["duration_s"] < 60
    # A few may have left before the workers heard of it; who went on to the end of the drain would send 800.
    assert target.requests()["total"] < before + 100, "nothing new was sent"
    assert "interrupted" in [event["event"] for event in events(result)]
    assert "Traceback" not in result.stderr and "(exit code 130)" in result.stdout, result


def test_a_second_interrupt_stops_at_once(loadgen: Loadgen, target: Target, reactor: str) -> None:
    """Answers take an hour: nobody wants to wait for them."""
    started = loadgen.start(
        "blast", f"{target.url}/delay/3600000", "--reactor", reactor, "--tps", "50", "--duration", "60s"
    )
    started.wait_for_workers(1)
    target.wait_for_requests(10)
    started.interrupt()
    started.wait_for_line("once more stops at once", stream="stderr")
    started.interrupt()
    result = started.wait(15)
    summary = balanced(result)
    assert result.exit_code == 130, result
    assert summary["arrivals"]["completed"] == 0
    # It was stopped between a request's way out and its arrival at most.
    assert summary["arrivals"]["unfinished"] == summary["arrivals"]["sent"] >= 10, result
    assert summary["latency"]["response"]["max_ms"] == "inf"


def test_an_interrupt_in_the_drain_stops_at_once(loadgen: Loadgen, target: Target) -> None:
    started = loadgen.start("blast", f"{target.url}/never", "--tps", "50", "--duration", "300ms")
    started.wait_for_workers(1)
    target.wait_for_requests(15)
    folder = started.folder
    wait_for_event(folder, "gate_shut")
    started.interrupt()
    result = started.wait(15)
    assert result.exit_code == 130, result
    assert balanced(result)["arrivals"]["unfinished"] == 15, result


def wait_for_event(folder: Path, kind: str, timeout_s: float = 20.0) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not any(f'"{kind}"' in file.read_text() for file in folder.rglob("events.jsonl")):
        assert time.monotonic() < give_up_at, f"no event {kind} after {timeout_s} s"
        time.sleep(0.01)


@pytest.fixture
def slow_start(tmp_path: Path) -> dict[str, str]:
    """An environment in which workers take an hour to start."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(
        "import sys, time\nif 'loadgen.worker_main' in sys.orig_argv: time.sleep(3600)\n"
    )
    return {"PYTHONPATH": str(place)}


def test_an_interrupt_while_workers_start_leaves_nothing_behind(
    loadgen: Loadgen, slow_start: dict[str, str]
) -> None:
    started = loadgen.start("blast", "--tps", "50", "--duration", "60s", environment=slow_start)
    started.wait_for_workers(1)
    children = children_of(started.pid)
    assert len(children) == 2, "a worker and the target"
    started.interrupt()
    result = started.wait(15)
    assert result.exit_code == 130, result
    assert "interrupted before the load began" in result.stderr, result
    assert "Traceback" not in result.stderr, result
    assert not list(result.folder.rglob("*")), result
    wait_until_gone(children)


def test_an_interrupt_while_the_target_is_looked_for_ends_the_run(loadgen: Loadgen) -> None:
    with FullServer() as server:
        started = loadgen.start("blast", server.url, "--tps", "50", "--duration", "60s")
        server.wait_until_somebody_waits()
        started.interrupt()
        result = started.wait(15)
    assert result.exit_code == 130, result
    assert "Traceback" not in result.stderr, result


def test_the_parent_gives_way_to_its_workers(loadgen: Loadgen, target: Target) -> None:
    started = loadgen.start("blast", target.url, "--tps", "100", "--duration", "1m", "--workers", "1")
    target.wait_for_requests(1)
    (worker,) = started.worker_pids()
    threads = [int(thread.name) for thread in Path(f"/proc/{started.pid}/task").iterdir()]
    first, *others = sorted(threads)
    assert [os.sched_getscheduler(thread) for thread in (first, worker)] == [os.SCHED_OTHER] * 2
    assert os.SCHED_BATCH in [os.sched_getscheduler(thread) for thread in others]
    started.interrupt()
    balanced(started.wait())
