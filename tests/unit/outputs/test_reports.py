"""JUnit and Markdown of results that are hard to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loadgen.outputs.junit import JUnit
from loadgen.outputs.markdown import Markdown
from loadgen.outputs.table import Table
from loadgen.result import ThresholdResult
from tests.support.junit_rules import read_junit
from tests.unit.results import make_result

if TYPE_CHECKING:
    from pathlib import Path

NOT_MET = ThresholdResult(expression="p99 < 1ms", value=5.0, passed=False)
NO_DATA = ThresholdResult(expression="p99.9 < 1ms", value=None, passed=None)


@pytest.mark.parametrize(
    ("change", "outcomes"),
    [
        ({}, {"run": "passed", "p99 < 250ms": "passed"}),
        ({"thresholds": []}, {"run": "passed"}),
        (
            {"thresholds": [NOT_MET, NO_DATA], "exit_code": 1},
            {"run": "passed", "p99 < 1ms": "failure", "p99.9 < 1ms": "failure"},
        ),
        ({"exit_code": 3, "verdict": "invalid"}, {"run": "error", "p99 < 250ms": "passed"}),
        ({"exit_code": 4}, {"run": "error", "p99 < 250ms": "passed"}),
        ({"exit_code": 130}, {"run": "error", "p99 < 250ms": "passed"}),
        ({"infinite": 5000, "exit_code": 0}, {"run": "passed", "p99 < 250ms": "passed"}),
    ],
)
def test_cases_end_as_the_run_did(tmp_path: Path, change: dict[str, Any], outcomes: dict[str, str]) -> None:
    output = JUnit(str(tmp_path / "report.xml"))
    output.finish(make_result(**change))
    assert read_junit(tmp_path / "report.xml") == outcomes


@pytest.mark.parametrize("kind", [JUnit, Markdown, Table])
@pytest.mark.parametrize("filling", ["x", "<", "|", "\x00", "\u202e", "\ufffe", "\ud800", ",", '"', "="])
def test_ten_million_characters_are_cut_and_stay_text(
    tmp_path: Path, kind: type[JUnit | Markdown | Table], filling: str
) -> None:
    path = tmp_path / "file"
    kind(str(path)).finish(make_result(name=filling * 10_000_000, label=filling * 512))
    written = path.read_bytes().decode()
    assert len(written) < 40_000 and "\x00" not in written and "\u202e" not in written
    if kind is JUnit:
        assert read_junit(path)["run"] == "passed"


def test_what_never_ended_is_infinite() -> None:
    text = Markdown("file").render(make_result(infinite=1000, thresholds=[NO_DATA]))
    assert "| **no data** | p99.9 &lt; 1ms |" in text
    assert "| response | 5,000 | 4.00 ms | ∞ | ∞ | ∞ |" in text, text
    row = Table("file").render(make_result(infinite=1000)).splitlines()[-1]
    assert row.startswith("total,total,5000,4000,1000,") and ",inf," in row
