"""Readings: which labels have a series of their own, and what is summed; names as they are shown."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

import pytest

from loadgen.outputs.family import families
from loadgen.outputs.reading import BOUNDS_S, LONGEST_NAME, MOST_LABELS, OTHER, Reader, Together, shown_name
from loadgen.progress import Progress
from loadgen.timeline import spread_of
from tests.unit.figures import Counted, Samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen._engine import Histogram, Snapshot
    from loadgen.outputs.reading import Reading

MS = 1_000_000


class Grown(Counted):
    """A snapshot whose difference to an earlier one is itself."""

    def since(self, earlier: Grown) -> Grown:  # noqa: ARG002
        return self


def read(reader: Reader, *labels: str, response: Samples | None = None) -> Reading:
    counted = Grown(
        response=response or Samples([MS, 3 * MS], infinite=1),
        statuses={200: 2},
        errors={"timeout": 1},
        labels=labels,
        counters={"sent": 3, "ok": 2, "failed": 1, "bytes_sent": 30, "scheduled": 3},
    )
    snapshot = cast("Snapshot", counted)
    return reader.read(
        Progress(
            phase="load",
            elapsed_s=2.0,
            interval_s=1.0,
            total=snapshot,
            interval=snapshot,
            now={"users": 4},
            target_rate_per_s=None,
            target_users=20,
        )
    )


def labels_of(reading: Reading) -> list[str]:
    return [row.label for row in reading.total.labels]


def test_who_came_first_keeps_its_series() -> None:
    """Labels come sorted: a late one must not push out one that has been counted already."""
    reader = Reader(1e9)
    first = [f"m{number}" for number in range(MOST_LABELS)]
    assert labels_of(read(reader, *first)) == first
    later = read(reader, "a", *first, "z")
    assert set(labels_of(later)) == {*first, OTHER}
    (other,) = [row for row in later.total.labels if row.label == OTHER]
    assert (other.sent, other.ok, other.status, other.errors) == (6, 4, {"200": 4}, {"timeout": 2})
    assert other.response.count == 6 and other.response.at_most[-1] == 4
    assert later.at_ns == 1_000_000_002 * 10**9


def test_others_of_two_kinds_in_the_same_families_are_one_series() -> None:
    reader = Reader(0)
    read(reader, *(f"m{number}" for number in range(MOST_LABELS)))
    counted = Grown(response=Samples([MS]), labels=("GET /late", "operation"), counters={"sent": 3})
    counted.role = lambda label: "operation" if label == "operation" else "request"  # type: ignore[method-assign]
    (row,) = reader._figures(cast("Snapshot", counted), spread_of).labels
    assert (row.label, row.kind, row.sent) == (OTHER, "request", 6)


def test_names_that_look_the_same_are_one_series() -> None:
    """Two series of the same name would be refused, all of them."""
    (row,) = read(Reader(0), "a\x00", "a\\x00").total.labels
    assert (row.label, row.sent) == ("a\\x00", 6)


def test_a_name_is_printable_and_has_an_end() -> None:
    shown = shown_name("\u202e\x00\ud800<" + "x" * 10_000_000)
    assert len(shown) == LONGEST_NAME and shown.startswith("\\u202e\\x00\\ud800<x") and shown.isprintable()


def test_buckets_hold_all_that_ended_and_the_count_the_rest() -> None:
    (row,) = read(
        Reader(0), "GET /", response=Samples([MS, MS, 2 * MS, 40_000 * MS], infinite=3)
    ).total.labels
    found = dict(zip(BOUNDS_S, row.response.at_most, strict=True))
    assert (found[0.0005], found[0.001], found[0.0025], found[30.0]) == (0, 2, 3, 3)
    assert row.response.count == 7 and row.response.sum_s == pytest.approx(40.004)


@pytest.mark.parametrize("seed", range(5))
def test_histograms_together_are_one(seed: int) -> None:
    drawn = random.Random(seed)
    parts = [
        Samples([drawn.randrange(1, 10**9) for _ in range(drawn.randrange(40))], infinite=drawn.randrange(4))
        for _ in range(3)
    ]
    whole = Samples([value for part in parts for value in part.values], sum(part.infinite for part in parts))
    together = Together(cast("Sequence[Histogram]", parts))
    for percent in (0.0, 10.0, 50.0, 90.0, 99.0, 100.0):
        assert together.percentile(percent) == whole.percentile(percent)
    assert (together.count, together.infinite, together.max_ns) == (whole.count, whole.infinite, whole.max_ns)
    assert together.count_above(5 * 10**8) == whole.count_above(5 * 10**8)
    assert together.mean_ns == pytest.approx(whole.mean_ns)


def test_what_is_well_without_a_status_is_counted_too() -> None:
    """Operations and messages: were only their errors there, each would seem to fail."""
    reader = Reader(0)
    counted = Grown(errors={"script_error": 1}, labels=("op",), counters={"ok": 2, "failed": 1})
    found = reader._figures(cast("Snapshot", counted), spread_of)
    ended = {family.name: family.points for family in families(found, {})}["loadgen_requests"]
    assert [(point.labels, point.value) for point in ended] == [
        ({"label": "op", "status": "", "error": "script_error"}, 1),
        ({"label": "op", "status": "", "error": ""}, 2),
    ]


def test_families_have_each_request_once() -> None:
    reading = read(Reader(0), "a", "b")
    found = {family.name: family for family in families(reading.total, reading.now)}
    ended = found["loadgen_requests"].points
    assert [(point.labels["status"], point.labels["error"], point.value) for point in ended] == [
        ("200", "", 2),
        ("", "timeout", 1),
    ] * 2
    assert found["loadgen_users"].points[0].value == 4
    assert found["loadgen_target_users"].points[0].value == 20
    assert "loadgen_target_rate" not in found, "what is not known is not told"
