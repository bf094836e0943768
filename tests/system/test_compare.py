"""`loadgen compare`, `loadgen history` and `--baseline`, as people and their CI use them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from loadgen.plan import Plan
from loadgen.report.columns import width_of
from tests.support.run_folders import Second, write_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import Loadgen

HOSTILE = [
    "<script>alert(1)</script>",
    "quo\"te & 'amp",
    "nul\x00 escape\x1b[31m",
    "right \u202eto left",
    "שלום עולם",
    "new\nline, comma",
    "long" * 2_500_000,
]


def seconds(
    seed: int, labels: dict[str, float], *, count: int = 10, rate: int = 500
) -> list[dict[str, Second]]:
    """Each label's response times have this mean, in ms."""
    random = np.random.default_rng(seed)
    return [
        {label: random.exponential(mean_ms * 1e6, rate) + 1e5 for label, mean_ms in labels.items()}
        for _ in range(count)
    ]


def run(path: Path, seed: int, mean_ms: float = 5.0, **change: Any) -> Path:
    return write_run(path, seconds(seed, {"GET /": mean_ms}), **change)


@pytest.mark.parametrize(("mean_ms", "exit_code"), [(5.0, 0), (8.0, 1), (3.0, 0)])
def test_a_regression_has_its_exit_code(
    loadgen: Loadgen, tmp_path: Path, mean_ms: float, exit_code: int
) -> None:
    before, after = run(tmp_path / "before", 1), run(tmp_path / "after", 2, mean_ms)
    ended = loadgen("compare", str(before), str(after))
    assert ended.exit_code == exit_code, ended
    assert "within-run only" in ended.stdout
    assert ("worse" in ended.stdout.replace("to be worse", "")) is (exit_code == 1)
    assert f"exit code {exit_code}" in ended.stdout
    assert [line for line in ended.stdout.splitlines() if width_of(line) > 80] == []


def test_it_says_first_that_the_plans_differ(loadgen: Loadgen, tmp_path: Path) -> None:
    plan = Plan(url="http://127.0.0.1:8000/items", rate=900, workers=1).compile()
    before, after = run(tmp_path / "before", 1), run(tmp_path / "after", 2, plan=plan)
    ended = loadgen("compare", str(before), str(after))
    first, *rest = ended.stdout.splitlines()
    assert first.startswith("The plans differ in 4 fields")
    assert rest[rest.index("  load.stages[0].to_rate") + 1] == "    500.0 -> 900.0"


@pytest.mark.parametrize("folders", ["options", "folders"])
def test_several_runs_on_each_side(loadgen: Loadgen, tmp_path: Path, folders: str) -> None:
    before = [str(run(tmp_path / f"before/{seed}", seed)) for seed in range(5)]
    after = [str(run(tmp_path / f"after/{seed}", 10 + seed, 6.0)) for seed in range(5)]
    words = [*after, "--baseline", *before] if folders == "options" else ["before", "after"]
    ended = loadgen("compare", *words, "--tolerance", "2%", "--json", folder=tmp_path)
    assert ended.exit_code == 1, ended
    told = json.loads(ended.stdout)
    assert (told["schema"], told["method"], told["tolerance"]) == (
        "loadgen/comparison/1",
        "between-run",
        0.02,
    )
    assert [len(told["baseline"]), len(told["runs"])] == [5, 5]
    (whole,) = told["labels"]
    judged = {figure["name"]: figure["judgement"] for figure in whole["figures"]}
    assert judged["p50"] == judged["p99"] == "worse" and judged["failed"] == "same"
    p50 = whole["figures"][0]
    assert p50["low"] < 0.2 < p50["high"] and p50["by_chance"] <= 0.05


def test_a_slower_label_is_found_among_the_others(loadgen: Loadgen, tmp_path: Path) -> None:
    labels = dict.fromkeys([f"GET /{number}" for number in range(30)], 5.0)
    before = write_run(tmp_path / "before", seconds(1, labels, rate=100))
    after = write_run(tmp_path / "after", seconds(2, {**labels, "GET /7": 10.0, "new": 1.0}, rate=100))
    ended = loadgen("compare", str(before), str(after), "--percentile", "p90")
    assert ended.exit_code == 1, ended
    blocks = ended.stdout.split("\n\n")
    (found,) = [block for block in blocks if block.startswith("GET /7\n")]
    assert "p90" in found and "worse" in found and "p50" not in found
    assert "29 more labels without a change" in ended.stdout
    assert "only in the run:\n  new" in ended.stdout


def test_iterations_without_requests_are_compared(loadgen: Loadgen, tmp_path: Path) -> None:
    """A single label of requests would be the whole run once more; one of iterations is not."""
    folders = [run(tmp_path / "before", 1), run(tmp_path / "after", 2, 50.0)]
    assert "GET /\n" not in loadgen("compare", *map(str, folders)).stdout
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text())
        summary["labels"][0]["kind"] = "iteration"
        (folder / "summary.json").write_text(json.dumps(summary))
    assert "GET /\n" in loadgen("compare", *map(str, folders)).stdout


def test_an_invalid_run_tells_nothing(loadgen: Loadgen, tmp_path: Path) -> None:
    before, after = run(tmp_path / "before", 1), run(tmp_path / "after", 2, 50.0, verdict="invalid")
    ended = loadgen("compare", str(before), str(after))
    assert ended.exit_code == 3
    assert "Nothing can be told" in ended.stdout


def test_a_short_run_tells_nothing(loadgen: Loadgen, tmp_path: Path) -> None:
    folders = [str(write_run(tmp_path / name, seconds(1, {"a": 5.0}, count=3))) for name in ("a", "b")]
    ended = loadgen("compare", *folders)
    assert ended.exit_code == 3
    assert "not resolvable: 3 windows of time, needs 8" in ended.stdout


def test_what_never_ended_stands_above_all_else(loadgen: Loadgen, tmp_path: Path) -> None:
    """Two of a hundred have no answer: that is the p99, and nothing can be told of it."""
    drawn = seconds(2, {"GET /": 5.0})
    for second in drawn:
        second["GET /"][:10] = np.inf
    before, after = run(tmp_path / "before", 1), write_run(tmp_path / "after", drawn)
    ended = loadgen("compare", str(before), str(after))
    lines = {line.split()[0]: line for line in ended.stdout.splitlines() if line.startswith("  p")}
    assert "∞" in lines["p99"] and "so many never ended" in lines["p99"]
    assert "not resolvable" not in lines["p50"] + lines["p90"]


def test_failures_are_counted_by_the_second(loadgen: Loadgen, tmp_path: Path) -> None:
    before = run(tmp_path / "before", 1)
    always = run(tmp_path / "always", 1, failed=[20] * 10)
    once = run(tmp_path / "once", 1, failed=[200])
    assert loadgen("compare", str(before), str(always)).exit_code == 1
    assert loadgen("compare", str(before), str(once)).exit_code == 0
    old = run(tmp_path / "old", 1, failed=[20] * 10, timeline=False)
    ended = loadgen("compare", str(before), str(old))
    assert "0 windows of time" in ended.stdout and ended.exit_code == 0


def test_hostile_labels_are_text(loadgen: Loadgen, tmp_path: Path) -> None:
    """In the table, in JSON and in the picture: nothing in them is taken for anything else."""
    labels = dict.fromkeys(HOSTILE, 5.0)
    # One interval of labels: ten of them with a name of ten megabytes would be a large file.
    folders = [
        str(write_run(tmp_path / name, seconds(seed, labels, rate=50), label_every=10, name=HOSTILE[0]))
        for seed, name in enumerate(("<b>", "after"))
    ]
    picture = tmp_path / "picture.svg"
    ended = loadgen("compare", *folders, "--picture", str(picture))
    assert ended.exit_code in (0, 3), ended.stderr
    assert "<script>alert(1)</script>\n" in ended.stdout
    assert "nul\\x00 escape\\x1b[31m\n" in ended.stdout
    assert "right \\u202eto left\n" in ended.stdout
    assert "new\\nline, comma\n" in ended.stdout
    assert "longlong" in ended.stdout
    assert not {"\x00", "\x1b", "\u202e"} & set(ended.stdout)
    assert [line for line in ended.stdout.splitlines() if width_of(line) > 80] == []
    drawn = ET.fromstring(picture.read_text())  # noqa: S314 - our own
    kinds = {element.tag.rpartition("}")[2] for element in drawn.iter()}
    assert kinds <= {"svg", "style", "g", "rect", "text", "line", "polyline", "path", "circle"}
    texts = [element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "<script>alert(1)</script>" in texts and any("<b>" in text for text in texts)
    assert picture.stat().st_size < 1_000_000
    told = json.loads(loadgen("compare", *folders, "--json").stdout)
    assert [label["label"] for label in told["labels"][1:]] == HOSTILE


def test_the_picture_has_both_sides(loadgen: Loadgen, tmp_path: Path) -> None:
    before, after = run(tmp_path / "before", 1), run(tmp_path / "after", 2, 8.0)
    picture = tmp_path / "picture.svg"
    loadgen("compare", str(before), str(after), "--picture", str(picture))
    drawn = ET.fromstring(picture.read_text())  # noqa: S314 - our own
    lines = list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len({line.get("stroke") for line in lines}) == len(lines) == 2
    # The slower one lies higher, which is a smaller y.
    heights = [[float(point.split(",")[1]) for point in line.get("points", "").split()] for line in lines]
    assert all(slow < fast for fast, slow in zip(*heights, strict=True))
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == 4
    assert "http" not in picture.read_text().replace("http://www.w3.org/2000/svg", "")


def test_there_is_a_picture_where_nothing_can_be_told_and_nothing_is_tolerated(
    loadgen: Loadgen, tmp_path: Path
) -> None:
    short = str(write_run(tmp_path / "short", seconds(1, {"GET /": 5.0})[:1]))
    picture = tmp_path / "picture.svg"
    ended = loadgen("compare", short, short, "--tolerance", "0%", "--picture", str(picture))
    assert ended.exit_code == 3, ended
    assert "Traceback" not in ended.stderr
    ET.fromstring(picture.read_text())  # noqa: S314 - our own


@pytest.mark.slow
def test_a_run_is_compared_with_its_baseline_at_its_end(loadgen: Loadgen, tmp_path: Path) -> None:
    """Against a run that was a hundred times faster, and against one that was slower; both by far."""
    fast, slow = run(tmp_path / "fast", 1, 0.01), run(tmp_path / "slow", 2, 100_000.0)
    words = ["blast", "/delay/20", "--tps", "100", "-d", "8500ms", "-q", "--pacing", "eco"]
    loads = [loadgen.start(*words, "--baseline", str(one)) for one in (fast, slow)]
    worse, better = (load.wait() for load in loads)
    for ended in (worse, better):
        assert "The plans differ" in ended.stdout and "within-run only" in ended.stdout
        verdict = ended.summary["verdict"]
        assert ended.exit_code == (3 if verdict == "invalid" else 1 if ended is worse else 0), ended


@pytest.mark.parametrize("words", [("--baseline=before", "also"), ("--baseline", "before", "also")])
def test_all_that_follow_the_baseline_are_baselines(
    loadgen: Loadgen, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """As a shell writes `--baseline=before*` out."""
    for seed, name in enumerate(("before", "also", "after")):
        run(tmp_path / name, seed)
    told = json.loads(loadgen("compare", "after", *words, "--json", folder=tmp_path).stdout)
    assert [side["folder"] for side in told["baseline"]] == ["before", "also"]
    assert [side["folder"] for side in told["runs"]] == ["after"]


def test_a_folder_may_have_any_name(loadgen: Loadgen, tmp_path: Path) -> None:
    """Also one that no text can hold."""
    name = os.fsdecode(b"a\xff\n")
    before, after = run(tmp_path / "before", 1), run(tmp_path / name, 2)
    for words in (["history", str(after)], ["compare", str(before), str(after)]):
        ended = loadgen(*words, "--json")
        assert ended.exit_code == 0 and json.loads(ended.stdout), ended
        assert r"a\\udcff\n" in ended.stdout, ended
        assert r"a\udcff\n" in loadgen(*words).stdout


def test_history_lists_what_runs_left(loadgen: Loadgen, tmp_path: Path) -> None:
    for day, mean_ms in enumerate((5.0, 5.0, 50.0), 1):
        run(tmp_path / f"runs/{day}", day, mean_ms, started_at=f"2026-01-0{day}T00:00:00+00:00")
    run(tmp_path / "runs/4", 4, name="<b>\x1b[31m", verdict="fail", exit_code=1)
    ended = loadgen("history", folder=tmp_path)
    assert ended.exit_code == 0, ended
    assert "GET /items: 500/s for 10s: 3 runs" in ended.stdout
    assert "  p99     ▁▁█  up to " in ended.stdout
    assert "2026-01-03 00:00:00  pass" in ended.stdout and "  runs/3\n" in ended.stdout
    assert "<b>\\x1b[31m\n" in ended.stdout and "\x1b" not in ended.stdout
    assert [line for line in ended.stdout.splitlines() if width_of(line) > 80] == []
    short = loadgen("history", "runs", "--last", "1", folder=tmp_path)
    assert "the last 1 of 3 runs" in short.stdout and "runs/2" not in short.stdout
    told = json.loads(loadgen("history", "--json", folder=tmp_path).stdout)
    assert [len(group["runs"]) for group in told["groups"]] == [1, 3]
    assert told["groups"][1]["runs"][2]["p99_ms"] == pytest.approx(230, rel=0.2)
