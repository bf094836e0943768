"""The scripts in scenarios/: each runs as it is, against the embedded target, and shows what it is for."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.command import Loadgen

FOLDER = Path(__file__).parents[2] / "scenarios"
SCRIPTS = sorted(FOLDER.glob("*.py"))


@dataclass(frozen=True)
class Expected:
    """What a run of a script must show."""

    labels: frozenset[str]  # requests and operations
    checks: frozenset[str] = frozenset()
    options: tuple[str, ...] = ("--duration", "1s")


def expected(*labels: str, checks: tuple[str, ...] = (), **options: Any) -> Expected:
    return Expected(frozenset(labels), frozenset(checks), **options)


EXPECTED = {
    "cookies_and_redirects": expected("basket", "login", checks=("sent to log in", "logged in")),
    "custom_protocol": expected("connect", "turn a line", checks=("turned around",)),
    "data_feed": expected("login", "search", checks=("logged in as myself",)),
    "hello": expected("GET /", checks=("says hello",)),
    "journey": expected(
        *("list items", "GET /bytes/{size}", "order"),
        checks=("the page is whole", "the right item is ordered"),
    ),
    "live_feed": expected("WS /ws/feed", "subscribe", checks=("no event is missing",)),
    "login": expected("login", "GET /headers", "logout", checks=("it is my own page",)),
    "made_body": expected("POST /echo", checks=("every reading has arrived",)),
    "poisson": expected("GET /queue/2"),
    "ramp": expected("GET /", options=()),  # its stages say how long
    "retries": expected(*("GET /", "GET /status/503", "POST /echo"), checks=("page ok", "still broken")),
    "thresholds": expected("GET /delay/2", checks=("page ok",)),
    "token_stream": expected("chat", checks=("it answers", "every token came")),
    "weighted": expected("GET /", "GET /delay/5", "upload"),
}


def test_the_folder_and_this_list_agree() -> None:
    assert [script.stem for script in SCRIPTS] == sorted(EXPECTED)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_says_its_idea_and_shows_no_more(script: Path) -> None:
    text = script.read_text()
    idea = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    assert len(idea) == 1 and text.startswith('"""') and idea[0].endswith(".")
    assert len(text.splitlines()) <= 50


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_runs_as_it_is(script: Path, loadgen: Loadgen) -> None:
    want = EXPECTED[script.stem]
    result = loadgen("run", str(script), *want.options, "-w", "1", "-q", "--summary-json", "-")
    assert result.exit_code in (0, 3), result  # 3: this machine had too little left for the generator
    summary = json.loads(result.stdout)
    arrivals = summary["arrivals"]
    assert arrivals["scheduled"] == arrivals["sent"] + arrivals["dropped"] + arrivals["cancelled"], result
    assert arrivals["sent"] == arrivals["completed"] + arrivals["failed"] + arrivals["unfinished"], result
    assert arrivals["completed"] > 0 and arrivals["failed"] == 0, result
    labels = {label["label"]: label["requests"] for label in summary["labels"]}
    assert want.labels <= set(labels), result
    for label in want.labels - {"GET /status/503"}:
        assert labels[label]["ok"] > 0 and labels[label]["failed"] == 0, result
    checks = {check["name"]: (check["passed"], check["failed"]) for check in summary["checks"]}
    assert set(checks) == want.checks, result
    assert all(passed > 0 and failed == 0 for passed, failed in checks.values()), result


def test_the_mix_is_mixed_as_it_says(loadgen: Loadgen) -> None:
    script = FOLDER / "weighted.py"
    result = loadgen("run", str(script), "--duration", "2s", "-w", "1", "-q", "--summary-json", "-")
    labels = {label["label"]: label["requests"]["ok"] for label in json.loads(result.stdout)["labels"]}
    total = sum(labels[name] for name in ("GET /", "GET /delay/5", "upload"))
    for name, share in (("GET /", 0.6), ("GET /delay/5", 0.3), ("upload", 0.1)):
        assert labels[name] / total == pytest.approx(share, abs=0.08), labels
