"""The gaps between events of a stream are the server's, whatever the script does with them."""

from __future__ import annotations

import csv
import itertools
import statistics
from typing import TYPE_CHECKING

import pytest

from tests.support.scripts import Scripts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import Loadgen

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")


@pytest.mark.parametrize("slow", [0, 0.03], ids=["prompt", "slow script"])
def test_gaps_are_the_servers_though_the_script_is_slow(
    loadgen: Loadgen, tmp_path: Path, slow: float
) -> None:
    log = tmp_path / "target.csv"
    target = loadgen.start("target", "--port", "0", "--log", str(log))
    url = target.wait_for_line(r"listening on (http://\S+)")[1]
    told = Scripts(loadgen, tmp_path)(
        f"""\
        import asyncio
        from loadgen import User, scenario

        @scenario
        async def feed(user: User) -> None:
            async for event in user.stream("GET", "/events?count=40&every=10", measure="token"):
                await asyncio.sleep({slow})
                user.expect(event.event == "message", "an event")
        """,
        *("--url", url, *ONE),
    )
    told.assert_iterations_balance()
    target.interrupt()
    target.wait()
    sent = [
        int(line["sent_ns"])
        for line in csv.DictReader(log.read_text().splitlines())
        if line["path"].startswith("/events")
    ]
    gaps_ms = [(after - before) / 1e6 for before, after in itertools.pairwise(sent)]
    seen = told.summary["metrics"]["gap between tokens"]
    assert seen["count"] == len(gaps_ms) == 39, told.result
    # Both ends of a mean are single stamps: what held one of them back is spread over all the gaps.
    assert seen["mean_ms"] == pytest.approx(statistics.mean(gaps_ms), abs=1), told.result
    assert seen["p50_ms"] == pytest.approx(statistics.median(gaps_ms), abs=1), told.result
