"""`run(plan)`, through the front door: real workers against the real embedded target, for moments."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import loadgen
from loadgen import Interrupted, Plan, PlanError, Result, RunFolderError, TargetError
from loadgen.schedule import make_schedule

if TYPE_CHECKING:
    from loadgen.progress import Event, Opening, Progress


class Watch:
    """An observer that keeps what it sees, and may do something at the first look."""

    def __init__(self, at_begin: object = None) -> None:
        self.seen: list[str] = []
        self.opening: Opening | None = None
        self._at_begin = at_begin

    def begin(self, opening: Opening) -> None:
        self.opening = opening
        self.seen.append("begin")
        if callable(self._at_begin):
            self._at_begin()

    def progress(self, progress: Progress) -> None:
        self.seen.append(progress.phase)

    def event(self, event: Event) -> None:
        self.seen.append(event.event)

    def end(self, result: Result) -> None:
        self.seen.append(f"end {result.exit_code}")

    def close(self) -> None:
        self.seen.append("close")


def test_a_run_is_counted_recorded_and_told(tmp_path: Path) -> None:
    watch = Watch()
    result = loadgen.run(Plan(rate=200, duration="200ms", workers=2), out=tmp_path / "run", observers=[watch])
    assert (result.arrivals.scheduled, result.arrivals.completed) == (40, 40)
    assert result.requests.status == {"200": 40}
    assert result.target_rate_per_s == 200
    assert Result.from_json((tmp_path / "run/summary.json").read_bytes()) == result
    assert watch.seen[0] == "begin"
    assert watch.seen[-2:] == [f"end {result.exit_code}", "close"]
    assert watch.opening is not None
    assert "the embedded target at http://127.0.0.1:" in (watch.opening.note or "")
    events = [json.loads(line)["event"] for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    assert events == ["start", "stage", "gate_shut", "end"]


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loadgen.run(Plan(rate=100, duration="50ms"))
    assert list(tmp_path.iterdir()) == []


def test_users_are_counted_as_exactly() -> None:
    result = loadgen.run(Plan(url="/delay/5", users=3, duration="200ms"))
    arrivals = result.arrivals
    assert result.target_rate_per_s is None
    assert arrivals.completed > 0
    assert arrivals.sent == arrivals.completed + arrivals.failed + arrivals.unfinished


def test_it_works_in_another_thread() -> None:
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(loadgen.run(Plan(rate=100, duration="50ms"))))
    thread.start()
    thread.join()
    assert results[0].arrivals.completed == 5


def test_it_works_where_a_loop_is_running() -> None:
    async def main() -> Result:
        return loadgen.run(Plan(rate=100, duration="50ms"))

    assert asyncio.run(main()).arrivals.completed == 5


def test_an_interrupt_that_another_thread_is_handed_is_heard() -> None:
    watch = Watch(at_begin=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT))
    assert loadgen.run(Plan(rate=100, duration="1h"), observers=[watch]).exit_code == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop_is_running", [False, True])
def test_an_interrupt_shuts_the_gate_and_drains(number: signal.Signals, loop_is_running: bool) -> None:
    watch = Watch(at_begin=lambda: os.kill(os.getpid(), number))

    def run() -> Result:
        return loadgen.run(Plan(rate=100, duration="1h"), observers=[watch])

    async def main() -> Result:
        return run()

    result = asyncio.run(main()) if loop_is_running else run()
    assert result.exit_code == 130
    assert result.duration_s < 60
    assert "interrupted" in watch.seen
    arrivals = result.arrivals
    assert arrivals.scheduled == arrivals.sent + arrivals.dropped + arrivals.cancelled


def test_signals_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    loadgen.run(Plan(rate=100, duration="50ms"))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_interrupt_before_the_load_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted_meanwhile(*_: object) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(30)
        raise AssertionError("it was waited for")

    monkeypatch.setattr(import_module("loadgen.run"), "find_addresses", interrupted_meanwhile)
    with pytest.raises(Interrupted, match="before the load began"):
        loadgen.run(Plan(url="http://127.0.0.1:1/"))


def test_a_target_that_is_not_there_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="connection refused"):
        loadgen.run(Plan(url="http://127.0.0.1:1/"), out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_stops_it_before_the_load(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError):
        loadgen.run(Plan(rate=1), out=tmp_path / "file")


def test_a_record_that_is_incomplete_has_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("loadgen.run_folder.write_whole", full)
    watch = Watch()
    result = loadgen.run(Plan(rate=100, duration="50ms"), out=tmp_path / "run", observers=[watch])
    assert result.exit_code == 2
    assert watch.seen.count("recording_failed") == 1


def test_a_load_without_arrivals_is_a_mistake() -> None:
    with pytest.raises(PlanError, match="load: no arrival is due"):
        make_schedule(Plan(rate="1/h", duration="1s", arrivals="poisson").compile())
