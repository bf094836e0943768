"""Past runs: found where they are, and put in groups by what was run, whatever else lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgen.errors import UsageError
from loadgen.history import read_history
from loadgen.plan import Plan
from tests.unit.results import make_result


def store(folder: Path, name: str = "blast", rate: int = 500, day: int = 1) -> Path:
    folder.mkdir(parents=True)
    plan = Plan(url="http://127.0.0.1:8000/items", rate=rate, workers=1).compile()
    result = make_result(name=name, plan=plan, started_at=f"2026-01-{day:02}T03:04:05.678+00:00")
    (folder / "summary.json").write_bytes(result.to_json())
    (folder / "plan.json").write_bytes(b"{}")
    return folder


def test_runs_are_grouped_by_name_and_load_and_stand_in_order_of_time(tmp_path: Path) -> None:
    store(tmp_path / "c", day=1)
    store(tmp_path / "a", day=2)
    store(tmp_path / "b", rate=1000, day=3)
    store(tmp_path / "d", name="nightly", day=1)
    found = read_history([tmp_path])
    told = [(group.name, group.load, [Path(run.folder).name for run in group.runs]) for group in found.groups]
    assert told == [
        ("nightly", "GET /items: 500/s for 10s", ["d"]),
        ("blast", "GET /items: 500/s for 10s", ["c", "a"]),
        ("blast", "GET /items: 1,000/s for 10s", ["b"]),
    ]
    assert found.unfinished == 0


def test_folders_without_a_result_are_counted(tmp_path: Path) -> None:
    store(tmp_path / "whole")
    (store(tmp_path / "killed") / "summary.json").unlink()
    (store(tmp_path / "broken") / "summary.json").write_text("{")
    (tmp_path / "other").mkdir()
    found = read_history([tmp_path])
    assert [len(group.runs) for group in found.groups] == [1]
    assert found.unfinished == 2


def test_a_run_folder_without_a_result_is_no_obstacle(tmp_path: Path) -> None:
    """As the shell writes out `runs/*`."""
    (store(tmp_path / "killed") / "summary.json").unlink()
    found = read_history([store(tmp_path / "whole"), tmp_path / "killed"])
    assert (len(found.groups), found.unfinished) == (1, 1)


def test_a_run_that_links_lead_to_is_there_once(tmp_path: Path) -> None:
    run = store(tmp_path / "runs/b")
    (tmp_path / "runs/a-latest").symlink_to("b")
    (tmp_path / "runs/again").symlink_to(".")
    found = read_history([tmp_path / "runs", run, tmp_path / "runs/a-latest"])
    assert [past.folder for past in found.groups[0].runs] == [str(run)]
    assert found.unfinished == 0


def test_a_folder_that_is_somebody_elses_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path / "ours")
    (tmp_path / "theirs").mkdir()
    true_exists = Path.exists

    def exists(path: Path) -> bool:
        if path.parent.name == "theirs":
            raise PermissionError(13, "Permission denied")
        return true_exists(path)

    monkeypatch.setattr(Path, "exists", exists)
    found = read_history([tmp_path])
    assert (len(found.groups), found.unfinished) == (1, 1)
    with pytest.raises(UsageError, match="theirs cannot be read: Permission denied"):
        read_history([tmp_path / "theirs"])


def test_a_run_folder_stands_for_itself(tmp_path: Path) -> None:
    folder = store(tmp_path / "run")
    assert read_history([folder]).groups[0].runs[0].folder == str(folder)


def test_a_plan_of_another_version_is_no_obstacle(tmp_path: Path) -> None:
    folder = store(tmp_path / "run")
    file = folder / "summary.json"
    file.write_text(file.read_text().replace('"drain_ns"', '"drain_for_ns"'))
    assert read_history([folder]).groups[0].load == "GET /items: a plan of another version"


def test_a_place_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        read_history([tmp_path])
    with pytest.raises(UsageError, match="there is no folder"):
        read_history([tmp_path / "none"])
