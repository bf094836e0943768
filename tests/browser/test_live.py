"""The live page in a browser, on a real run: it grows, and ends with what the summary says."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, cast

from playwright.sync_api import expect

from loadgen.live.access import Address
from loadgen.live.page import PageServer
from loadgen.plan import Plan
from loadgen.progress import Opening, Progress
from loadgen.units import format_count
from tests.browser.conftest import COUNT_POINTS
from tests.support.long_feed import LongFeed
from tests.unit.figures import Counted, Samples
from tests.unit.results import make_result

THOUSAND_LABELS = Path(__file__).parents[1] / "bench" / "scenarios" / "thousand_labels.py"
PLOT_WIDTH = "document.querySelector('#chart-rates .u-over').clientWidth"

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


def test_a_run_that_is_killed_is_not_shown_as_running(
    loadgen: Loadgen, target: Target, open_page: Open
) -> None:
    """By a signal that nobody can handle. The page asks again for a while, and then says so."""
    running = loadgen.start("blast", target.url, "--tps", "50", "-d", "5m", "-w", "1", "--page")
    page = open_page(running.wait_for_line(r"live page: (http://\S+)", stream="stderr")[1], mortal=True)
    wait_for(page, ".verdict", "Running: ")
    os.kill(running.pid, signal.SIGKILL)
    wait_for(page, ".state", "^connection lost, trying again$")
    wait_for(page, ".verdict", "^Connection lost at [0-9.]+ s of 5m.$")
    while page.locator(".state").inner_text() != "connection lost":
        page.clock.fast_forward(5000)
    wait_for(page, ".verdict", "in its run folder.$")
    assert page.locator("#control").is_hidden()


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
        assert page.locator("#labels").get_by_role("row").count() < 60
        assert page.locator("*").count() < 1500
        words = page.locator("#charts > .note").inner_text()
        assert int(words.split()[0].replace(",", "")) <= 1200
        server.end(make_result())
    finally:
        server.close()
    wait_for(page, ".state", "^over$")
    assert "Passed" in page.locator(".verdict").inner_text()


# In which rows of the labels anything is changed, and how often.
WATCH_ROWS = """() => {
    window.touched = new Set();
    window.updates = 0;
    const row = (node) => (node.closest ? node : node.parentElement).closest("tr");
    new MutationObserver((changes) => {
        for (const { target } of changes) touched.add(row(target));
        updates++;
    }).observe(document.querySelector("#labels table"), {
        subtree: true, childList: true, characterData: true,
    });
}"""


def test_a_real_thousand_labels_beside_an_hour(loadgen: Loadgen, target: Target, open_page: Open) -> None:
    """A second touches the rows in sight, and none while nobody sees them; all can be found."""
    running = loadgen.start(
        *("run", str(THOUSAND_LABELS), "--url", target.url, "--tps", "20", "--duration", "60s"),
        *("--workers", "1", "--page"),
    )
    with LongFeed(running.wait_for_line(r"live page: (http://\S+)", stream="stderr")[1]) as feed:
        page = open_page(feed.url, record=COUNT_POINTS)
        wait_for(page, "#labels [role=status]", "^1,001 labels$")
        wait_for(page, ".verdict", "^Running: 1h 00m")
        assert 100 < max(points for points, _ in page.evaluate("drawn")[-5:]) <= page.evaluate(PLOT_WIDTH)
        page.evaluate(WATCH_ROWS)
        seconds_seen(page, 6)  # in which each row is looked up once
        assert page.evaluate("updates") == 0
        page.locator("#labels").scroll_into_view_if_needed()
        page.wait_for_function("() => updates >= 2", timeout=20_000)
        rows = page.locator("#labels").get_by_role("row").count()
        assert page.evaluate("touched.size") <= rows < 60
        page.get_by_role("searchbox", name="Filter labels").fill("/shop/0777/")
        wait_for(page, "#labels tbody th", "^GET /shop/0777/items$")
        assert page.locator("#labels").get_by_role("row").count() == 2
        page.close()
    running.interrupt()
    result = running.wait()
    labels = [row["label"] for row in result.summary["labels"] if row["kind"] == "request"]
    assert len(labels) == 1000 and "(other)" not in labels


def seconds_seen(page: Page, count: int) -> None:
    """Until the page has been told of so many more seconds."""
    place = page.locator("#chart-rates .legend")
    for _ in range(count):
        expect(place).not_to_have_text(place.text_content() or "", timeout=20_000)
