"""report.html in a browser, without any network: what is drawn is what was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from playwright.sync_api import expect

from loadgen.report.page import NAME, make_report
from loadgen.result import ChangeResult, CheckResult, ThresholdResult
from tests.browser.conftest import COUNT_POINTS
from tests.support.shown_runs import make_labels, make_moment, write_run
from tests.unit.results import make_result

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from loadgen.timeline import Moment
    from tests.browser.conftest import Open

HOSTILE = [
    "<img src=x onerror=\"window.hit='img'\">",
    "</script><script>window.hit='script'</script>",
    "quotes \" ' ` and &amp; &lt;b&gt;",
    "nul \0 inside",
    "\u202eright to left override",
    "שלום עולם",
    "x" * 10_000_000,
]
# Height of the plot in CSS pixels, less the axis below and the room above it: see web/src/figure.ts.
TOP, HEIGHT = 8, 190 - 26 - 8


def half_answered(second: int, sent: int) -> Moment:
    return make_moment(second, sent=sent, counts={"sent": sent, "ok": sent // 2, "failed": sent // 10})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """100 a second for 30 s, then 300 a second; hostile labels, failures, a lost worker."""
    moments = [half_answered(second, 100 if second <= 30 else 300) for second in range(1, 61)]
    result = make_result(
        infinite=10,
        labels=make_labels([*HOSTILE, *(f"GET /items/{number}" for number in range(30))]),
        checks=[CheckResult(name="<b>there</b>", passed=10, failed=2)],
        thresholds=[
            ThresholdResult(expression="p99 < 250ms", value=5.0, passed=True),
            ThresholdResult(expression="errors < 0.1%", value=0.002, passed=False),
        ],
        verdict="fail",
        exit_code=1,
    )
    curve = [(100 * (1 - 2 ** (-step / 5)), 1.0 + step) for step in range(50)]
    folder = write_run(
        tmp_path / "run",
        moments,
        result=result,
        events=[(30.0, "stage", "stage 2: 300/s"), (40.0, "worker_lost", "worker 1 was lost")],
        distribution={"response": curve, "service": curve, "lateness": [(0.0, 0.001), (100.0, 0.5)]},
    )
    (folder / NAME).write_bytes(make_report(folder))
    return folder


@pytest.fixture
def report(folder: Path, open_page: Open) -> Page:
    return open_page((folder / NAME).as_uri())


def heights(page: Page, chart: str, colour: tuple[int, int, int]) -> list[float | None]:
    """How high above its zero a line of that colour runs, as a share of the plot, from left to right."""
    found: list[float | None] = page.evaluate(
        """([chart, [r, g, b], top, height]) => {
            const canvas = document.querySelector(`#chart-${chart} canvas`);
            const scale = canvas.width / canvas.clientWidth;
            const {data, width} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const rows = Math.round((top + height + 3) * scale);
            return Array.from({length: width}, (_, x) => {
                let [sum, count] = [0, 0];
                for (let y = 0; y < rows; y++) {
                    const at = 4 * (y * width + x);
                    const off = [r, g, b].map((part, index) => Math.abs(data[at + index] - part));
                    if (Math.max(...off) < 15 && data[at + 3] > 200) { sum += y; count++; }
                }
                return count ? (top + height - sum / count / scale) / height : null;
            });
        }""",
        [chart, list(colour), TOP, HEIGHT],
    )
    return found


@pytest.mark.parametrize(
    ("colour", "share"), [((0x0B, 0x6B, 0xB8), 1.0), ((0x00, 0x79, 0x5C), 0.5)], ids=["sent", "completed"]
)
def test_lines_are_as_high_as_what_was_measured(
    report: Page, colour: tuple[int, int, int], share: float
) -> None:
    """300 a second is the most, and the axis goes 8 % above it."""
    found = heights(report, "rates", colour)
    drawn = [(x, height) for x, height in enumerate(found) if height is not None]
    first, last = drawn[0][0], drawn[-1][0]
    left = [height for x, height in drawn if x < first + (last - first) * 0.45]
    right = [height for x, height in drawn if x > first + (last - first) * 0.55]
    assert len(left) > 50 and len(right) > 50
    assert sum(left) / len(left) == pytest.approx(share * 100 / 324, abs=0.03)
    assert sum(right) / len(right) == pytest.approx(share * 300 / 324, abs=0.03)


def test_keys_read_the_true_values_and_zoom_all_charts(report: Page, folder: Path) -> None:
    line = json.loads((folder / "timeline.jsonl").read_text().splitlines()[44])
    figure = report.locator("#chart-response")
    figure.focus()
    for key in ("Home", *["Shift+ArrowRight"] * 4, *["ArrowRight"] * 4):
        report.keyboard.press(key)
    said = figure.get_by_role("status").inner_text()
    spread = line["response"]
    assert said.startswith("0:45: p50 "), said
    values = dict(re.findall(r"(p50|p90|p99|max) ([\d.]+) ms", said))
    assert {name: float(text) for name, text in values.items()} == {
        name: pytest.approx(spread[name], rel=0.01) for name in ("p50", "p90", "p99", "max")
    }
    # The others point at the same second.
    assert "300/s" in report.locator("#chart-rates .legend").inner_text()
    report.keyboard.press("+")
    shown = report.locator("#charts .range")
    assert re.fullmatch(r"0:\d\d to 0:\d\d", shown.inner_text())
    report.keyboard.press("Escape")
    assert shown.inner_text() == ""


def test_dragging_zooms_and_the_button_shows_all_again(report: Page) -> None:
    plot = report.locator("#chart-service .u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    report.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    report.mouse.down()
    report.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=4)
    report.mouse.up()
    assert report.locator("#charts .range").inner_text() in ("0:14 to 0:44", "0:15 to 0:45")
    report.get_by_role("button", name="Show the whole run").click()
    assert report.locator("#charts .range").inner_text() == ""


def test_the_heat_map_has_colour_where_samples_are(report: Page) -> None:
    shares = report.evaluate(
        """() => {
            const canvas = document.querySelector("#chart-heat canvas");
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let coloured = 0;
            for (let at = 0; at < data.length; at += 4)
                if (data[at + 3] > 200 && data[at + 2] - data[at] > 15) coloured++;
            return coloured / (data.length / 4);
        }"""
    )
    assert 0.3 < shares < 0.95


def test_hostile_text_is_text(report: Page) -> None:
    names = report.locator("#labels tbody th").all_inner_texts()
    assert len(names) == len(HOSTILE) + 30
    for text in HOSTILE[:3]:
        assert text in names
    assert "nul \\x00 inside" in names
    assert "\\u202eright to left override" in names
    assert any("10,000,000 characters" in name for name in names)
    assert "<b>there</b>" in report.locator("#checks").inner_text()
    assert report.evaluate("window.hit") is None
    assert report.locator("#page img, #page script, #page b").count() == 0


def column(table: Locator, number: int) -> list[str]:
    return table.locator(f"tbody:not(.space) tr > :nth-child({number})").all_inner_texts()


def test_labels_sort_and_filter(report: Page) -> None:
    labels = report.locator("#labels")
    counts = [int(text.replace(",", "")) for text in column(labels, 3)]
    assert counts == sorted(counts, reverse=True) and len(counts) == 37
    head = labels.get_by_role("columnheader", name="p99")
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(labels, 7)[0] == "45.7 ms"  # 37 labels, the last the slowest
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(labels, 7)[0] == "1.23 ms"
    labels.get_by_role("searchbox", name="Filter labels").fill("ITEMS/1")
    assert len(column(labels, 1)) == 11
    assert labels.get_by_role("status").inner_text() == "11 of 37 labels"


def test_the_verdict_stands_on_top_in_words(report: Page) -> None:
    verdict = report.get_by_role("region", name="Verdict")
    assert "Failed: 1 of 2 thresholds not met. 10 of 5,000 requests failed." in verdict.inner_text()
    assert "The numbers can be trusted: the generator kept up." in verdict.inner_text()
    thresholds = report.locator("#thresholds")
    assert column(thresholds, 2) == ["met", "NOT MET"]
    assert column(thresholds, 3) == ["5.00 ms", "0.2 %"]
    assert "worker 1 was lost" in report.locator("#events").inner_text()
    assert "timeout" in report.locator("#errors").inner_text()


def test_everything_that_can_be_reached_has_a_name(report: Page) -> None:
    session = report.context.new_cdp_session(report)
    nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    reachable = {
        *("button", "searchbox", "checkbox", "link", "group", "region", "table", "figure", "columnheader"),
        *("main", "heading", "rowheader"),
    }
    seen: dict[str, list[str]] = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        if not node.get("ignored") and role in reachable - {"main"}:
            seen.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    assert {"button", "searchbox", "group", "region", "table", "columnheader", "heading"} <= seen.keys()
    nameless = {role: names.count("") for role, names in seen.items() if "" in names}
    assert nameless == {}
    words = report.locator("#chart-rates .heard").first.inner_text()
    assert "sent: from 100/s to 300/s, last 300/s" in words


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_it_all_in_its_width(folder: Path, open_page: Open, dark: bool) -> None:
    page = open_page((folder / NAME).as_uri(), width=360, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", back))
    assert (brightness < 150) is dark
    page.get_by_role("button", name=f"{'Light' if dark else 'Dark'} theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != back


def test_an_hour_with_a_thousand_labels_is_below_400_kb(tmp_path: Path, open_page: Open) -> None:
    labels = make_labels([f"GET /items/{number * 7919 % 10_007}" for number in range(1000)])
    hour = [make_moment(second, sent=1000 + 7 * second % 501) for second in range(1, 3601)]
    folder = write_run(tmp_path / "run", hour, result=make_result(labels=labels, duration_s=3600.0))
    report = make_report(folder)
    assert len(report) < 400_000
    (folder / NAME).write_bytes(report)
    page = open_page((folder / NAME).as_uri())
    assert "each of up to 4 s: counts are summed" in page.locator("#charts > .note").inner_text()
    assert page.locator("#labels").get_by_role("status").inner_text() == "1,000 labels"
    table = page.get_by_role("table", name="Response by label")
    assert table.get_attribute("aria-rowcount") == "1001"
    assert table.get_by_role("row").count() < 60


def test_a_window_shows_the_rows_it_is_moved_to(tmp_path: Path, open_page: Open) -> None:
    """Of a thousand rows, those in sight exist; each says which it is."""
    labels = make_labels([f"GET /items/{number:03d}" for number in range(1000)])
    folder = write_run(tmp_path / "run", [make_moment(1)], result=make_result(labels=labels))
    (folder / NAME).write_bytes(make_report(folder))
    page = open_page((folder / NAME).as_uri())
    section = page.locator("#labels")
    section.get_by_role("columnheader", name="Label").get_by_role("button").click()
    window = section.get_by_role("region")
    window.scroll_into_view_if_needed()
    height = window.evaluate("frame => frame.scrollHeight")
    for share in (0.5, 1.0, 0.0):
        window.evaluate(
            "(frame, share) => frame.scrollTo(0, share * (frame.scrollHeight - frame.clientHeight))", share
        )
        shown = f"GET /items/{[0, 500, 999][round(share * 2)]:03d}"
        row = section.get_by_role("row", name=shown)
        expect(row).to_be_in_viewport()
        assert row.get_attribute("aria-rowindex") == str(int(shown[-3:]) + 2)
        assert window.evaluate("frame => frame.scrollHeight") == height
        assert section.get_by_role("row").count() < 60
    names = column(section, 1)
    assert names == sorted(names) and len(set(names)) == len(names)
    # One that is far away is found by its name.
    section.get_by_role("searchbox").fill("items/777")
    expect(section.get_by_role("row", name="GET /items/777")).to_be_visible()
    assert section.get_by_role("row").count() == 2


def test_no_more_points_are_drawn_than_there_are_pixels(tmp_path: Path, open_page: Open) -> None:
    """Neighbours are joined to what was lowest and highest: a peak of one second is seen in an hour."""
    hour = [make_moment(second, sent=900 if second == 1801 else 100) for second in range(1, 3601)]
    folder = write_run(tmp_path / "run", hour, result=make_result(duration_s=3600.0))
    (folder / NAME).write_bytes(make_report(folder))
    page = open_page((folder / NAME).as_uri(), record=COUNT_POINTS)
    page.evaluate("drawn = []")
    page.get_by_role("button", name="Dark theme").click()  # all is drawn anew
    page.get_by_role("button", name="Light theme").click()
    drawn = page.evaluate("drawn")
    plot = page.locator("#chart-rates .u-over").bounding_box()
    assert plot is not None
    assert 100 < max(points for points, _ in drawn) <= plot["width"]
    # A point is 4 s: once 300/s beside 100/s, and the axis goes 8 % above it.
    peaks = [rise for points, rise in drawn if points > 100 and rise > plot["height"] / 2]
    assert peaks and max(peaks) == pytest.approx(plot["height"] * 200 / 324, abs=2)


def test_what_never_ended_is_shown_as_such(tmp_path: Path, open_page: Open) -> None:
    moments = [make_moment(second) for second in range(1, 11)]
    assert moments[4].response is not None
    lost = msgspec.structs.replace(moments[4].response, p99="inf", max="inf")
    moments[4] = msgspec.structs.replace(moments[4], response=lost)
    folder = write_run(tmp_path / "run", moments, result=make_result(infinite=100))
    (folder / NAME).write_bytes(make_report(folder))
    page = open_page((folder / NAME).as_uri())
    page.locator("#chart-response").focus()
    for key in ("Home", *["ArrowRight"] * 4):
        page.keyboard.press(key)
    assert "p99 ∞, max ∞" in page.locator("#chart-response").get_by_role("status").inner_text()
    assert "∞" in page.locator("#latencies").inner_text()


def test_a_load_that_was_changed_by_hand_is_called_so(tmp_path: Path, open_page: Open) -> None:
    changes = [ChangeResult(at_s=4.25, event="paused", text="the load was paused")]
    result = make_result(changes=changes)
    folder = write_run(tmp_path / "run", [half_answered(1, 100)], result=result)
    (folder / NAME).write_bytes(make_report(folder))
    facts = open_page((folder / NAME).as_uri()).locator("p.facts")
    assert "changed by hand at 4.2 s: this was not the load of the plan" in facts.inner_text()
