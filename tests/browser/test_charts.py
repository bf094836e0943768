"""Charts of data that are hard to draw: axes that begin where rounding is hard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from loadgen.report.page import NAME, make_report
from tests.support.shown_runs import make_moment, write_run
from tests.unit.results import make_result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Open

COLOURED = """() => {
    const canvas = document.querySelector("#chart-heat canvas");
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let coloured = 0;
    for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] > 200 && data[at + 2] - data[at] > 15) coloured++;
    return coloured;
}"""


def test_a_heat_map_may_begin_just_below_a_power_of_ten(tmp_path: Path, open_page: Open) -> None:
    """The quickest answers took 2 ** (54 / 4) ns, and the axis begins a step below that: at 9.74 µs."""
    moments = [make_moment(second, heat=[(54, 90), (63, 10)]) for second in range(1, 31)]
    folder = write_run(tmp_path / "run", moments, result=make_result())
    (folder / NAME).write_bytes(make_report(folder))
    page = open_page((folder / NAME).as_uri())
    heat = page.locator("#chart-heat")
    heat.scroll_into_view_if_needed()
    expect(heat.locator("canvas")).to_have_count(1)
    assert page.evaluate(COLOURED) > 1000


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
