"""A report that is printed: white, with whole charts and all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.report.page import NAME, make_report
from tests.support.shown_runs import make_labels, make_moment, write_run
from tests.unit.results import make_result

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.conftest import Open


def on_paper(page: Page, yes: bool) -> None:
    page.evaluate(f"dispatchEvent(new Event('{'before' if yes else 'after'}print'))")


def report(tmp_path: Path, labels: int) -> str:
    names = [f"GET /items/{number}" for number in range(labels)]
    moments = [make_moment(second) for second in range(1, 61)]
    folder = write_run(tmp_path / "run", moments, result=make_result(labels=make_labels(names)))
    (folder / NAME).write_bytes(make_report(folder))
    return (folder / NAME).as_uri()


def test_paper_has_whole_charts_on_white(tmp_path: Path, open_page: Open) -> None:
    page = open_page(report(tmp_path, 1), width=1700, dark=True)
    on_paper(page, True)
    assert page.locator("#chart-rates canvas").evaluate("canvas => canvas.clientWidth") <= 330
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    on_paper(page, False)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_paper_has_all_rows_of_a_table(tmp_path: Path, open_page: Open) -> None:
    page = open_page(report(tmp_path, 300))
    rows = page.locator("#labels").get_by_role("row")
    assert rows.count() < 60
    on_paper(page, True)
    assert rows.count() == 301
    on_paper(page, False)
    assert rows.count() < 60
