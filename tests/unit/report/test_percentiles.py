"""The percentile plot: each value is a percentile of the samples, and none is left out at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from loadgen.report.percentiles import points_of
from tests.unit.figures import Samples

if TYPE_CHECKING:
    from loadgen._engine import Histogram

MS = 1_000_000


def points(values: list[int], infinite: int = 0, lost: int = 0) -> list[tuple[float, object]]:
    return list(points_of(cast("Histogram", Samples(values, infinite)), lost))


@given(values=st.lists(st.integers(1, 100).map(lambda ms: ms * MS), min_size=1), infinite=st.integers(0, 50))
def test_values_only_grow_and_end_with_the_highest(values: list[int], infinite: int) -> None:
    found = points(values, infinite)
    numbers = [float(str(value)) for _, value in found]
    assert numbers == sorted(numbers)
    assert found[-1][1] == ("inf" if infinite else max(values) / MS)
    assert [percent for percent, _ in found] == sorted(percent for percent, _ in found)


def test_each_is_the_percentile_of_its_place() -> None:
    found = dict(points([number * MS for number in range(1, 1001)]))
    assert (found[0.0], found[50.0], found[75.0], found[100.0]) == (1, 500, 750, 1000)


def test_what_was_lost_stands_above_all() -> None:
    found = points([MS] * 50, lost=50)
    assert found[-1][1] == "inf"
    assert found[-1][0] > 50
    assert (50.0, 1.0) in found


def test_nothing_has_no_points() -> None:
    assert points([]) == []
