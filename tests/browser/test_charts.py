"""Charts of data that are hard to draw: axes that begin where rounding is hard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from playwright.sync_api import expect

from loadgen.report.page import NAME, make_report
from tests.support.shown_runs import make_moment, write_run
from tests.unit.results import make_result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Open

COLOURED = """([chart, colour]) => {
    const canvas = document.querySelector(`#chart-${chart} canvas`);
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const near = (at) => colour.every((part, index) => Math.abs(data[at + index] - part) < 15);
    return Array.from({length: data.length / 4}, (_, place) => 4 * place).filter(near).length;
}"""
# See web/src/theme.ts: the most samples in a heat map, and a chart's first line.
MOST, FIRST = [0x09, 0x3A, 0x6C], [0x0B, 0x6B, 0xB8]


def test_a_heat_map_may_begin_just_below_a_power_of_ten(tmp_path: Path, open_page: Open) -> None:
    """The quickest answers took 2 ** (54 / 4) ns, and the axis begins a step below that: at 9.74 µs."""
    moments = [make_moment(second, heat=[(54, 90), (63, 10)]) for second in range(1, 31)]
    folder = write_run(tmp_path / "run", moments, result=make_result())
    (folder / NAME).write_bytes(make_report(folder))
    page = open_page((folder / NAME).as_uri())
    heat = page.locator("#chart-heat")
    heat.scroll_into_view_if_needed()
    expect(heat.locator("canvas")).to_have_count(1)
    assert page.evaluate(COLOURED, ["heat", MOST]) > 1000


def test_a_second_between_seconds_without_values_is_seen(tmp_path: Path, open_page: Open) -> None:
    """As of users, who are late at the start, and never again."""
    moments = [make_moment(second) for second in range(1, 31)]
    moments = [
        moment if number == 3 else msgspec.structs.replace(moment, lateness=None)
        for number, moment in enumerate(moments)
    ]
    folder = write_run(tmp_path / "run", moments, result=make_result())
    (folder / NAME).write_bytes(make_report(folder))
    assert 5 < open_page((folder / NAME).as_uri()).evaluate(COLOURED, ["lateness", FIRST]) < 100


def test_another_theme_shows_the_same_part_of_the_run(tmp_path: Path, open_page: Open) -> None:
    folder = write_run(
        tmp_path / "run", [make_moment(second) for second in range(1, 61)], result=make_result()
    )
    (folder / NAME).write_bytes(make_report(folder))
    page = open_page((folder / NAME).as_uri())
    page.get_by_role("button", name="Zoom in").click()
    canvas = page.locator("#chart-rates canvas")
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("button", name="Dark theme").click()
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
    page.get_by_role("button", name="Light theme").click()
    assert canvas.evaluate("canvas => canvas.toDataURL()") == before
