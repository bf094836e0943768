"""Windows: which there are, that nothing falls between them, and how much is kept for them."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen._engine import Snapshot
from loadgen.windows import LATE_NS, MOST_KEPT, START, Mark, Windows
from tests.unit.figures import Counted

SECOND = 1_000_000_000
TOTAL = cast("Snapshot", Counted())


def walk(windows: Windows, *seconds: float) -> list[tuple[float, float]]:
    """(from, to) of the windows that end when these looks are taken."""
    found = []
    for second in seconds:
        begin = windows.end(TOTAL, round(second * SECOND))
        if begin is not None:
            found.append((begin.at_ns / SECOND, second))
    return found


def begun(length_s: int, at_s: float = 0) -> Windows:
    windows = Windows(length_s * SECOND)
    windows.begin(START if not at_s else Mark(round(at_s * SECOND), TOTAL))
    return windows


def last_s(windows: Windows, load_s: float) -> float | None:
    begin = windows.last(round(load_s * SECOND))
    return None if begin is None else begin.at_ns / SECOND


def test_windows_slide_by_the_second() -> None:
    windows = begun(2)
    assert walk(windows, 1, 2, 3, 4) == [(0, 2), (1, 3), (2, 4)]
    assert last_s(windows, 5) == 3


def test_windows_of_a_second_stand_side_by_side() -> None:
    assert walk(begun(1), 1, 2, 3) == [(0, 1), (1, 2), (2, 3)]


def test_before_their_delay_is_over_there_are_none() -> None:
    windows = Windows(2 * SECOND)
    assert walk(windows, 1, 2, 3) == []
    assert last_s(windows, 4) is None
    windows.begin(Mark(3 * SECOND, TOTAL))
    assert walk(windows, 3.001, 4, 5, 6) == [(3, 5), (4, 6)]


@pytest.mark.parametrize(
    ("sentence", "looks", "windows"),
    [
        ("a look that is late makes a window long", (1, 2, 3.4, 4), [(0, 2), (1, 3.4), (2, 4)]),
        ("looks that come at once make one window", (1, 4.2, 4.2001, 5, 6), [(0, 4.2), (4.2, 6)]),
    ],
)
def test_on_a_busy_machine(
    sentence: str, looks: tuple[float, ...], windows: list[tuple[float, float]]
) -> None:
    assert walk(begun(2), *looks) == windows, sentence


@pytest.mark.parametrize(
    ("load_s", "looks", "begin_s"),
    [
        (1.4, (1,), None),
        (2.0, (1,), 0),
        (4.0, (1, 2, 3), 2),
        (4.4, (1, 2, 3, 4), 2),  # two seconds ended at 4; the last window is a little longer
        (4.6, (1, 2, 3, 4), 3),
    ],
)
def test_the_last_window_ends_with_the_load(
    load_s: float, looks: tuple[float, ...], begin_s: float | None
) -> None:
    windows = begun(2)
    walk(windows, *looks)
    assert last_s(windows, load_s) == begin_s


def test_an_hour_is_kept_in_sixty_snapshots() -> None:
    windows = begun(3600)
    found = walk(windows, *range(1, 7201))
    assert found == [(second - 3600, second) for second in range(3600, 7201, 60)]
    assert len(windows._open) <= MOST_KEPT


@given(
    st.integers(1, 200),
    st.lists(st.floats(0.0, 0.4), min_size=1, max_size=400),
)
def test_windows_cover_all_of_a_run_and_keep_little(length_s: int, lateness: list[float]) -> None:
    windows = begun(length_s)
    found = walk(windows, *(second + late for second, late in enumerate(lateness, 1)))
    assert len(windows._open) <= MOST_KEPT + 1
    covered = 0.0
    for begin, end in found:
        assert begin <= covered + 1e-6, "nothing falls between two windows"
        assert abs(end - begin - length_s) <= LATE_NS / SECOND + 1e-6
        covered = end
