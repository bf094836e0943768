"""The bar that changes a load, in a browser: by mouse and by keyboard, wide and on a phone, on real runs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.test_live import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.conftest import Open
    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen, RunningCommand


LESS = "\N{MINUS SIGN}10 % rate"


def start(loadgen: Loadgen, target: Target, *load: str) -> RunningCommand:
    """Longer than any test waits: it ends because somebody ends it."""
    return loadgen.start("blast", f"{target.url}/delay/5", *load, "-d", "5m", "-w", "1", "--page")


def url_of(running: RunningCommand) -> str:
    return running.wait_for_line(r"live page: (http://\S+)", stream="stderr")[1]


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def stop(page: Page) -> None:
    button(page, "Stop…").click()
    page.get_by_role("dialog", name="Stop the run?").get_by_role("button", name="Stop the run").click()


def events(result: CommandResult, *kinds: str) -> list[dict[str, Any]]:
    lines = (result.run_folder / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] in kinds]


def test_the_rate_is_changed_and_the_run_stopped(loadgen: Loadgen, target: Target, open_page: Open) -> None:
    running = start(loadgen, target, "--tps", "50")
    page = open_page(url_of(running))
    field = page.get_by_role("spinbutton", name="Requests per second")
    expect(field).to_have_value("50")
    field.fill("80")
    field.press("Enter")
    status = page.locator("#control").get_by_role("status")
    expect(status).to_have_text(re.compile(r"^Last changed at 0:\d\d\.\d: .* from 50/s to 80/s\.$"))
    button(page, LESS).click()
    expect(field).to_have_value("72")
    wait_for(page, "#chart-rates .legend", "offered 72/s")
    stop(page)
    wait_for(page, ".state", "^over$")
    assert page.locator("#control").is_hidden()
    result = running.wait()
    assert result.exit_code == 130
    told = events(result, "rate_changed")
    assert [re.findall(r"[\d.]+/s", event["text"]) for event in told] == [["50/s", "80/s"], ["80/s", "72/s"]]
    # The marks in the charts have the numbers that the list gives them, and stand at these times.
    page.locator("#events").scroll_into_view_if_needed()
    found = page.locator("#events tbody tr", has_text="rate changed")
    expect(found).to_have_count(2)  # it is drawn when it comes into sight
    rows = found.all()
    assert [row.locator("td").nth(0).inner_text() for row in rows] == ["1", "2"]
    minutes = [row.locator("th").inner_text() for row in rows]
    assert minutes == [f"0:{event['at_s']:04.1f}" for event in told]


def test_pause_and_resume_by_keyboard(loadgen: Loadgen, target: Target, open_page: Open) -> None:
    running = start(loadgen, target, "--users", "4")
    page = open_page(url_of(running))
    expect(page.get_by_role("spinbutton", name="Users")).to_have_value("4")
    assert page.get_by_role("spinbutton").count() == 1
    button(page, "Pause").focus()
    page.keyboard.press("Enter")
    wait_for(page, ".verdict", "^Paused: ")
    assert page.get_by_role("spinbutton", name="Users").is_disabled()
    assert button(page, "+10 % users").is_disabled()
    expect(button(page, "Resume")).to_be_focused()
    page.keyboard.press("Enter")
    wait_for(page, ".verdict", "^Running: ")
    page.get_by_role("spinbutton", name="Users").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("6")
    page.keyboard.press("Tab")
    expect(button(page, "Set users")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#control").get_by_role("status")).to_contain_text("from 4 to 6")
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(button(page, "Stop…")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Let it run")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button(page, "Stop…")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    result = running.wait()
    assert result.exit_code == 130
    found = [event["event"] for event in events(result, "paused", "resumed", "users_changed")]
    assert found == ["paused", "resumed", "users_changed"]


def test_what_is_refused_is_said(loadgen: Loadgen, target: Target, open_page: Open) -> None:
    running = start(loadgen, target, "--tps", "50")
    url = url_of(running)
    page = open_page(url)
    field = page.get_by_role("spinbutton")
    field.fill("1e12")
    button(page, "Set rate").click()
    alert = page.locator("#control").get_by_role("alert")
    expect(alert).to_contain_text("Not done: expected a rate of at most")
    expect(field).to_have_value("50")
    button(open_page(url), "+10 % rate").click()  # somebody else
    expect(field).to_have_value("55")
    expect(alert).to_have_text("")
    stop(page)
    assert running.wait().exit_code == 130


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_all_of_it_can_be_reached(
    loadgen: Loadgen, target: Target, open_page: Open, dark: bool
) -> None:
    running = start(loadgen, target, "--tps", "50")
    page = open_page(url_of(running), width=360, dark=dark)
    for name in ("Set rate", LESS, "+10 % rate", "Pause", "Stop…"):
        box = button(page, name).bounding_box()
        assert box is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360
        assert box["height"] >= 44, "a finger finds it"
    box = page.locator("html").bounding_box()
    assert box is not None and box["width"] <= 360
    stop(page)
    assert running.wait().exit_code == 130


def test_a_report_has_no_bar(loadgen: Loadgen, target: Target, open_page: Open) -> None:
    result = loadgen("blast", target.url, "--tps", "50", "-d", "1s")
    page = open_page((result.run_folder / "report.html").as_uri())
    assert page.locator("#control").is_hidden()
    assert page.get_by_role("spinbutton").count() == 0
