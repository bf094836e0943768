"""One clock: the data path reads CLOCK_MONOTONIC and nothing that a clock correction could move."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fidelity.laws import SECOND

if TYPE_CHECKING:
    from tests.fidelity.conftest import Oracle
    from tests.fidelity.observation import Observation

ROOT = Path(__file__).parents[2]
WALL_IN_RUST = re.compile(
    r"SystemTime|UNIX_EPOCH|Realtime|CLOCK_REALTIME|gettimeofday|chrono|time::OffsetDate"
)
WALL_IN_PYTHON = re.compile(
    r"\btime\.(time|time_ns|localtime|gmtime)\(|datetime\.(now|utcnow)\(|date\.today\("
)
# Where people are told what time it was; never where something is measured or waited for.
# A server may say by date when to come back.
ANCHORS = {"junit.py": 1, "load.py": 1, "run_folder.py": 2, "policy.py": 1}
# Where files of Locust's are told, by its events and in its tables, what time it was; and what is no cache's.
ANCHORS |= {"events.py": 1, "failures.py": 1, "response.py": 1, "rest.py": 1}
# In the text of a script that is written.
ANCHORS |= {"postman_values.py": 1}


@pytest.mark.parametrize("crate", ["engine", "target"])
def test_no_wall_clock_in_rust(crate: str) -> None:
    """Catches a stamp that would jump when the time of day is set."""
    sources = sorted((ROOT / "rust" / crate / "src").rglob("*.rs"))
    assert len(sources) > 10
    found = {path.name for path in sources if WALL_IN_RUST.search(path.read_text())}
    # The kernel stamps by the wall clock what arrives; clock.rs translates that, for epoll.rs alone.
    assert found <= ({"clock.rs"} if crate == "engine" else set())
    users = {path.name for path in sources if "wall_ahead_ns" in path.read_text()}
    assert users == ({"clock.rs", "epoll.rs"} if crate == "engine" else set())


def test_no_other_clock_than_the_one_in_the_engine() -> None:
    """Catches a second source of instants beside clock.rs, which could drift from the first."""
    other = re.compile(r"Instant::now|clock_gettime|_rdtsc")
    sources = sorted((ROOT / "rust" / "engine" / "src").rglob("*.rs"))
    # QUIC's library counts in Instants: quic.rs takes one, beside our clock, and goes by ours from there.
    found = {path.name: len(other.findall(path.read_text())) for path in sources}
    assert {name: count for name, count in found.items() if count and name != "clock.rs"} == {"quic.rs": 1}


def test_wall_time_in_python_is_for_people_only() -> None:
    """Catches a duration or a deadline taken from the time of day: each use is counted, and is an anchor."""
    found = {}
    for path in sorted((ROOT / "python" / "loadgen").rglob("*.py")):
        uses = len(WALL_IN_PYTHON.findall(path.read_text()))
        if uses:
            found[path.name] = uses
    assert found == ANCHORS


def test_stamps_are_in_order_and_on_one_clock(oracle: Oracle) -> None:
    """Catches an answer before its request, and a parent whose clock is not the workers' and the server's."""

    def check(run: Observation) -> None:
        for due_ns, line in zip(run.dues, run.log, strict=True):
            assert due_ns <= line.recv_ns <= line.due_ns <= line.sent_ns
        assert run.start_ns <= run.log[0].recv_ns
        assert run.log[-1].sent_ns - run.start_ns < 2 * SECOND + 5 * SECOND
        latency = run.summary["latency"]
        assert latency["service"]["min_ms"] >= 1
        assert latency["response"]["min_ms"] >= latency["service"]["min_ms"]
        assert latency["lateness"]["min_ms"] >= 0

    oracle(check, "/delay/1", "--tps", "500", "--duration", "1s")
