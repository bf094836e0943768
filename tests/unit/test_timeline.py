"""A moment of the timeline: what is in it, and what is left out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import msgspec

from loadgen.progress import Progress
from loadgen.timeline import Moment, moment_of
from tests.unit.figures import Counted, Samples

if TYPE_CHECKING:
    from loadgen._engine import Snapshot

MS = 1_000_000


def moment(snapshot: Counted, now: dict[str, int] | None = None) -> Moment:
    taken = cast("Snapshot", snapshot)
    return moment_of(
        Progress(
            phase="load",
            elapsed_s=7.0,
            interval_s=1.0,
            total=taken,
            interval=taken,
            now=now or {},
            target_rate_per_s=None,
            target_users=20,
        )
    )


def test_what_never_ended_stands_above_all_else() -> None:
    """A second in which half the answers never came must not look like a fast one."""
    found = moment(Counted(response=Samples([MS] * 50, infinite=50))).response
    assert found is not None
    assert (found.count, found.p50, found.p90, found.max) == (100, 1.0, "inf", "inf")
    assert found.mean == 1.0


def test_the_heat_map_has_each_finite_sample_in_its_step() -> None:
    values = [MS, MS + 1000, 1_190_000, 2 * MS]
    found = moment(Counted(response=Samples(values, infinite=3))).heat
    assert found == [(math.floor(math.log2(MS) * 4), 2), (80, 1), (83, 1)]
    assert all(2 ** (step / 4) <= max(values) for step, _ in found)


def test_nothing_is_written_of_what_did_not_happen() -> None:
    line = msgspec.json.decode(msgspec.json.encode(moment(Counted(counters={"sent": 3}), {"users": 20})))
    assert line == {
        "at_s": 7.0,
        "length_s": 1.0,
        "target_users": 20,
        "counts": {"sent": 3},
        "now": {"users": 20},
    }
