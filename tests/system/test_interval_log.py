"""latency.hlog as the Java tools read it: times, tags, maxima and percentiles are those of the summary."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from tests.support.command import Loadgen
from tests.support.interval_log import VALUES_IN_UNIT, Counts, Interval, decode, merged, read_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command import CommandResult

NAMES = ("GET /delay/2", "quick, with a comma", "café =1")
SCRIPT = f"""
from loadgen import scenario

@scenario
async def all_of_them(user):
    await user.get("/delay/2")
    for name in {NAMES[1:]!r}:
        await user.get("/", name=name)
    user.trend("basket", 12.5)
"""
PERCENTILES = {
    "p50_ms": 50.0,
    "p75_ms": 75.0,
    "p90_ms": 90.0,
    "p95_ms": 95.0,
    "p99_ms": 99.0,
    "p999_ms": 99.9,
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandResult]:
    """One run for all that is asked of it."""
    folder = tmp_path_factory.mktemp("interval-log")
    (folder / "scenario.py").write_text(SCRIPT)
    loadgen = Loadgen(folder)
    yield loadgen("run", "scenario.py", "--tps", "300", "-d", "2500ms", "--workers", "1", folder=folder)
    loadgen.stop()


@pytest.fixture(scope="module")
def intervals(result: CommandResult) -> list[Interval]:
    return list(read_log(result.run_folder / "latency.hlog"))


def test_every_tag_is_a_name_that_comes_back(intervals: list[Interval]) -> None:
    labels = [f"response:{quote(name, safe='')}" for name in (*NAMES, "all_of_them")]
    assert {one.tag for one in intervals} == {"response", "service", "lateness", "trend:basket", *labels}


def test_times_count_from_the_start_of_the_run(result: CommandResult, intervals: list[Interval]) -> None:
    started_ms = datetime.fromisoformat(result.summary["started_at"]).timestamp() * 1000
    for tag in ("response", "service", "lateness"):
        lines = [one for one in intervals if one.tag == tag]
        assert lines[0].offset_s == pytest.approx(0, abs=0.002)
        assert lines[0].start_ms == pytest.approx(started_ms, abs=3)
        assert [one.end_ms for one in lines[:-1]] == pytest.approx([one.start_ms for one in lines[1:]], abs=3)
        assert lines[-1].end_ms - lines[0].start_ms >= result.summary["duration_s"] * 1000 - 3
    second = list(read_log(result.run_folder / "latency.hlog", 0.5, 1.5))
    assert {round(one.offset_s) for one in second} == {1}


def test_the_maximum_of_a_line_is_in_the_readers_unit(intervals: list[Interval]) -> None:
    for one in intervals:
        highest = one.counts.max_value() if one.counts.total else 0
        # To a bucket, and to the three digits that the format has.
        expected = highest / VALUES_IN_UNIT
        assert one.maximum == pytest.approx(expected, rel=0, abs=expected / 1024 + 0.0006)


@pytest.mark.parametrize("kind", ["response", "service", "lateness"])
def test_percentiles_are_the_summarys(result: CommandResult, intervals: list[Interval], kind: str) -> None:
    totals = merged(one for one in intervals if one.tag == kind)
    summary = result.summary["latency"][kind]
    assert totals.total == summary["count"] == 3 * 750
    compare(totals, summary)


@pytest.mark.parametrize("name", [*NAMES, "all_of_them"])
def test_labels_have_percentiles_of_their_own(
    result: CommandResult, intervals: list[Interval], name: str
) -> None:
    label = merged(one for one in intervals if one.tag == f"response:{quote(name, safe='')}")
    (row,) = [row for row in result.summary["labels"] if row["label"] == name]
    assert label.total == row["requests"]["total"] == 750
    compare(label, row["latency"]["response"])


def compare(log: Counts, summary: dict[str, float | None]) -> None:
    """A reader says the highest value of a bucket; the summary's are never above the largest sample."""
    found = {name: log.at_percentile(percent) for name, percent in PERCENTILES.items()} | {
        "max_ms": log.max_value()
    }
    ours = {name: summary[name] for name in found}
    assert sum(value is not None for value in ours.values()) >= 5
    for name, value_ms in ours.items():
        if value_ms is not None:
            assert log.highest_equivalent(round(value_ms * 1e6)) == found[name], name


@given(st.dictionaries(st.integers(0, 2**42 - 1), st.integers(1, 2**40), min_size=1))
def test_the_decoder_reads_what_the_public_package_writes(values: dict[int, int]) -> None:
    """So that a mistake in the decoder is not taken for one in the log."""
    written = HdrHistogram(1, 2**42 - 1, 3)
    for value, count in values.items():
        written.record_value(value, count)
    counts = decode(written.encode().decode())
    assert counts.total == written.get_total_count()
    for percent in (0.1, 50.0, 90.0, 99.99, 100.0):
        assert counts.at_percentile(percent) == written.get_value_at_percentile(percent)
