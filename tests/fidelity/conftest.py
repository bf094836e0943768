"""The fixture of the fidelity tests: a run against an oracle with a log, judged, repeated if disturbed."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadgen._engine import monotonic_ns
from tests.fidelity.laws import MS, SECOND
from tests.fidelity.observation import Observation, assert_every_request_arrived, read_log
from tests.support.books import balanced

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.command import Loadgen, RunningCommand

    Deed = Callable[[RunningCommand], None]

# A shared machine is not always ours. A run that fails and shows that it was disturbed is tried again.
ATTEMPTS = 5


@dataclass(frozen=True)
class Stall:
    """A freeze of the oracle, in seconds from the start of the run."""

    at_s: float
    for_s: float
    every_s: float | None = None

    def order(self, url: str, start_ns: int) -> None:
        after_ms = (start_ns + int(self.at_s * SECOND) - monotonic_ns()) // MS
        assert after_ms > 0, "the run is already past the stall"
        query = f"for={self.for_s * 1000:.0f}&after={after_ms}"
        if self.every_s is not None:
            query += f"&every={self.every_s * 1000:.0f}"
        urllib.request.urlopen(f"{url}/stall?{query}", timeout=5).close()  # noqa: S310


class Oracle:
    """Runs `loadgen blast` on a fresh target and hands what both have seen to a check."""

    def __init__(self, loadgen: Loadgen, folder: Path, tell: Callable[[str], None]) -> None:
        self._loadgen = loadgen
        self._folder = folder
        self._tell = tell
        self._runs = 0

    def command(self, url: str, path: str, folder: Path) -> tuple[str, ...]:  # noqa: ARG002 - a script needs it
        """What is run against the target at `url`, before any options."""
        return "blast", url + path

    def check_books(self, run: Observation) -> None:
        """What must hold in every run, before it is looked at."""
        balanced(run.result)
        assert_every_request_arrived(run)

    def observe(
        self, path: str, *options: str, stall: Stall | None = None, deed: Deed | None = None
    ) -> Observation:
        """One run. `deed` is done to it once the load is on."""
        self._runs += 1
        folder = self._folder / f"observation-{self._runs}"
        folder.mkdir()
        log = folder / "oracle.csv"
        target = self._loadgen.start("target", "--port", "0", "--log", str(log), folder=folder)
        url = target.wait_for_line(r"listening on (http://\S+)")[1]
        command = (*self.command(url, path, folder), "--out", "run", "--quiet", *options)
        running = self._loadgen.start(*command, folder=folder)
        try:
            if stall or deed:
                start_ns = wait_for_start(running, folder / "run" / "events.jsonl")
                if stall:
                    stall.order(url, start_ns)
                if deed:
                    deed(running)
            result = running.wait()
        finally:
            target.send_signal(signal.SIGINT)
            target.wait()
        return Observation(result, result.run_folder, read_log(log))

    def __call__(
        self,
        check: Callable[[Observation], None],
        path: str,
        *options: str,
        stall: Stall | None = None,
        deed: Deed | None = None,
    ) -> None:
        """Runs and checks, and runs again where the check fails and the run shows that it was disturbed."""
        for attempt in range(1, ATTEMPTS + 1):
            run = self.observe(path, *options, stall=stall, deed=deed)
            try:
                self.check_books(run)
                check(run)
            except AssertionError as error:
                disturbances = list(run.disturbances())
                if attempt == ATTEMPTS or not disturbances:
                    raise
                self._tell(f"attempt {attempt}: {error}".partition("\n")[0])
                for disturbance in disturbances:
                    self._tell(f"    {disturbance}")
            else:
                return


def wait_for_start(running: RunningCommand, events: Path) -> int:
    """The start of the run on the monotonic clock; it may lie a moment ahead."""
    give_up_at = time.monotonic() + 15
    while time.monotonic() < give_up_at:
        text = events.read_text() if events.exists() else ""
        if "\n" in text:
            start_ns: int = json.loads(text.partition("\n")[0])["monotonic_ns"]
            return start_ns
        assert not running.ended, running.wait()
        time.sleep(0.01)
    raise AssertionError("the run did not start")


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says something to whoever watches the tests, without failing any."""
    plugins = request.config.pluginmanager
    reporter, capture = plugins.getplugin("terminalreporter"), plugins.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"{request.node.nodeid}: {text}")

    return say


@pytest.fixture
def oracle(loadgen: Loadgen, tmp_path: Path, tell: Callable[[str], None]) -> Oracle:
    """`oracle(check, path, *options)`: run, compare, and say so when a disturbed run is repeated."""
    return Oracle(loadgen, tmp_path, tell)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is timed here has the machine to itself."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.alone)
