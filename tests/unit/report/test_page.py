"""report.html: all of a run in one file, made from its folder; data that cannot become markup."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from loadgen.errors import UsageError
from loadgen.report import page
from loadgen.result import ThresholdResult
from tests.support.shown_runs import make_labels, make_moment, write_run
from tests.unit.results import make_result

HOSTILE = "</script><script>alert(1)</script><!-- \"'&"


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page that is nothing but the place for data."""
    path = tmp_path / "page.html"
    path.write_text("<html><!--feed--></html>")
    monkeypatch.setattr(page, "BUNDLE", path)
    return path


def data_of(report: bytes) -> dict[str, Any]:
    found = re.fullmatch(rb'<html><script type="text/plain" id="feed">(.*)</script></html>', report)
    assert found is not None
    data: dict[str, Any] = json.loads(gzip.decompress(b64decode(found[1])))
    return data


def moments() -> list[Any]:
    return [make_moment(second) for second in range(1, 11)]


def test_everything_is_in_it(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "run",
        moments(),
        result=make_result(),
        events=[(3.0, "stage", "stage 2")],
        distribution={"response": [[50.0, 3.0], [100.0, "inf"]]},
    )
    data = data_of(page.make_report(folder))
    assert data["schema"] == "loadgen/page/1"
    assert data["opening"]["started_at"] == "2026-01-02T03:04:05.678+00:00"
    assert data["opening"]["machine"][0]["name"] == "processors"
    assert data["moments"]["counts.sent"] == [100] * 10
    assert [told[1] if isinstance(told, list) else told["event"] for told in data["events"]] == [
        "start",
        "stage",
    ]
    assert data["labels"] == [[0, "GET /items", "request", 5000, 0, 3.0, 5.0, 5.0, 5.0]]
    assert data["distribution"] == {"response": [[50.0, 3.0], [100.0, "inf"]]}
    assert data["result"]["headline"] == "Passed: 1 threshold met. No request failed."
    assert data["result"]["trust"] == "The numbers can be trusted: the generator kept up."


def test_the_same_run_gives_the_same_file(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", moments(), result=make_result())
    assert page.make_report(folder) == page.make_report(folder)


def test_no_text_becomes_markup(tmp_path: Path) -> None:
    result = make_result(label=HOSTILE, name=HOSTILE)
    folder = write_run(tmp_path / "run", moments(), result=result, events=[(1.0, "script", HOSTILE)])
    report = page.make_report(folder)
    assert report.count(b"<") == 4  # those of the page itself and of the place of its data
    data = data_of(report)
    assert data["labels"][0][1] == HOSTILE
    assert data["events"][1]["text"] == HOSTILE


def test_a_name_of_ten_megabytes_does_not_make_ten_megabytes(tmp_path: Path) -> None:
    result = make_result(label="x" * 10_000_000)
    folder = write_run(tmp_path / "run", moments(), result=result)
    assert len(page.make_report(folder)) < 50_000


def test_an_hour_with_a_thousand_labels_leaves_room_for_the_page(tmp_path: Path) -> None:
    names = [f"GET /items/{number * 7919 % 10_007}/part" for number in range(1000)]
    hour = [make_moment(second) for second in range(1, 3601)]
    folder = write_run(tmp_path / "run", hour, result=make_result(labels=make_labels(names)))
    report = page.make_report(folder)
    assert len(data_of(report)["labels"]) == 1000
    assert len(report) < 250_000


def test_failures_have_examples(tmp_path: Path) -> None:
    result = make_result(
        infinite=10,
        thresholds=[ThresholdResult(expression="errors < 1%", value=0.02, passed=False)],
        verdict="fail",
        exit_code=1,
    )
    folder = write_run(tmp_path / "run", moments(), result=result)
    data = data_of(page.make_report(folder))
    assert data["errors"] == [
        {
            "kind": "timeout",
            "words": "no complete response within the timeout",
            "count": 10,
            "examples": ["GET /items (10)"],
        }
    ]
    assert data["result"]["headline"] == "Failed: 1 of 1 threshold not met. 10 of 5,000 requests failed."


def test_a_run_that_broke_has_a_report_without_result(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", moments())
    with (folder / "timeline.jsonl").open("a") as file:
        file.write('{"at_s": 11')  # killed while it wrote
    data = data_of(page.make_report(folder))
    assert "result" not in data
    assert len(data["moments"]["at_s"]) == 10


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder with a timeline: it has no plan"):
        page.make_report(tmp_path)
    folder = write_run(tmp_path / "run", moments())
    (folder / "plan.json").write_text('{"schema": "loadgen/plan/9"}')
    with pytest.raises(UsageError, match="cannot be read, another version may have made it"):
        page.make_report(folder)


def test_a_missing_page_says_how_to_get_it(tmp_path: Path, bundle: Path) -> None:
    bundle.unlink()
    folder = write_run(tmp_path / "run", moments())
    with pytest.raises(page.PageMissing, match="built without the page") as caught:
        page.make_report(folder)
    assert caught.value.hint is not None
    assert "Node" in caught.value.hint
