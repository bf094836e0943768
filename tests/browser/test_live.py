"""The live page in a browser, on a real run: it grows, and ends with what the summary says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from playwright.sync_api import expect

from loadgen.live.access import Address
from loadgen.live.page import PageServer
from loadgen.plan import Plan
from loadgen.progress import Opening, Progress
from loadgen.units import format_count
from tests.unit.figures import Counted, Samples
from tests.unit.results import make_result

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from loadgen._engine import Snapshot
    from tests.browser.conftest import Open
    from tests.conftest import Target
    from tests.support.command import Loadgen


def wait_for(page: Page, place: str, text: str) -> None:
    """Until it says so there; by looking from outside, because the page evaluates no strings."""
    expect(page.locator(place)).to_have_text(re.compile(text), timeout=20_000)


def test_a_run_is_followed_to_its_result(loadgen: Loadgen, target: Target, open_page: Open) -> None:
    running = loadgen.start(
        *("blast", target.url, "--stage", "1s:100", "--stage", "3s:200", "--page"),
        *("--threshold", "p50 < 9s", "--name", "<i>tilted</i>"),
    )
    page = open_page(running.wait_for_line(r"live page: (http://\S+)", stream="stderr")[1])
    assert page.locator("h1").inner_text() == "<i>tilted</i>"
    wait_for(page, "#thresholds tbody", "p50 < 9sholds[0-9.]+ µs")
    wait_for(page, ".verdict", "Running: [12]")
    assert page.locator(".state").inner_text() == "live"
    wait_for(page, ".state", "^over$")
    result = running.wait()
    summary = result.summary
    assert page.title() == "<i>tilted</i> – loadgen"
    assert page.locator(".verdict").inner_text().endswith("No request failed.")
    figures = page.locator(".figures").inner_text()
    assert format_count(summary["arrivals"]["sent"]) in figures
    assert page.locator("#labels tbody td").nth(1).inner_text() == format_count(summary["requests"]["total"])
    lines = [json.loads(line) for line in (result.run_folder / "timeline.jsonl").read_text().splitlines()]
    page.locator("#chart-rates").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    said = page.locator("#chart-rates").get_by_role("status").inner_text()
    sent = re.search(r"sent ([\d,.]+)/s", said)
    assert sent is not None, said
    second = lines[1]
    assert abs(float(sent[1].replace(",", "")) - second["counts"]["sent"] / second["length_s"]) <= 1
    assert page.locator("#distribution canvas").count() == 1


def test_an_hour_with_a_thousand_labels_stays_small_in_the_browser(open_page: Open) -> None:
    """What is drawn does not grow with the run: points are joined, rows are shown on demand."""
    labels = tuple(f"GET /items/{number}" for number in range(1000))
    total = cast(
        "Snapshot", Counted(response=Samples([1_000_000] * 50), labels=labels, counters={"sent": 50})
    )

    def tick(second: int) -> Progress:
        return Progress(
            phase="load",
            elapsed_s=float(second),
            interval_s=1.0,
            total=total,
            interval=total,
            now={"connections": 5},
            target_rate_per_s=50.0,
            target_users=None,
        )

    server = PageServer(Address("127.0.0.1", 0))
    try:
        plan = Plan(url="http://127.0.0.1:8000/", rate=50, duration="2h", workers=1).compile()
        server.begin(Opening(plan=plan, note=None, started_at=1_767_323_045.0, monotonic_ns=1))
        for second in range(1, 3601):
            server.progress(tick(second))
        page = open_page(server.url)
        for second in range(3601, 3613):
            server.progress(tick(second))
        wait_for(page, ".verdict", "^Running: 1h 00m")
        wait_for(page, "#labels [role=status]", "^1,000 labels")
        assert page.locator("#labels tbody tr").count() == 20
        assert page.locator("*").count() < 1500
        words = page.locator("#charts > .note").inner_text()
        assert int(words.split()[0].replace(",", "")) <= 1200
        server.end(make_result())
    finally:
        server.close()
    wait_for(page, ".state", "^over$")
    assert "Passed" in page.locator(".verdict").inner_text()
