"""Locust's CSV files: over which time their rates are."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, cast

from loadgen.outputs.locust import LocustCsv
from loadgen.progress import Progress
from tests.unit.figures import Counted, Samples
from tests.unit.results import make_result

if TYPE_CHECKING:
    from pathlib import Path

    from loadgen._engine import Snapshot


class Grown(Counted):
    """A snapshot of which all is of the moment."""

    def since(self, earlier: Grown) -> Grown:  # noqa: ARG002
        return self


def moment(elapsed_s: float, **counters: int) -> Progress:
    labels = ("GET /late",) if counters else ()
    total = cast("Snapshot", Grown(response=Samples([1] * 40), counters=counters, labels=labels))
    return Progress(
        phase="load",
        elapsed_s=elapsed_s,
        interval_s=1.0,
        total=total,
        interval=total,
        now={},
        target_rate_per_s=None,
        target_users=None,
    )


def test_a_name_that_comes_up_late_has_the_rate_of_the_last_ten_seconds(tmp_path: Path) -> None:
    output = LocustCsv(str(tmp_path / "l"), of_locust=True, full_history=True)
    for elapsed_s in range(1, 30):
        output.look(moment(elapsed_s))
    output.look(moment(30.0, ok=30, failed=10))
    output.finish(make_result())
    with (tmp_path / "l_stats_history.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] == "/late"]
    assert [(float(row["Requests/s"]), float(row["Failures/s"])) for row in rows] == [(4.0, 1.0)]
