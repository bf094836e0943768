"""The face of the package: an exact list of names, and nothing heavy behind the door."""

from __future__ import annotations

import subprocess
import sys

import pytest

import loadgen

NAMES = [
    *("Interrupted", "LoadgenError", "Plan", "PlanError", "Result", "RunFolderError", "Stage", "TargetError"),
    *("UsageError", "WorkerError", "run"),
]


def test_the_export_list_is_exact() -> None:
    assert sorted(loadgen.__all__) == NAMES
    assert [name for name in dir(loadgen) if not name.startswith("__")] == NAMES


@pytest.mark.parametrize("name", [*NAMES, "__version__"])
def test_each_name_is_there(name: str) -> None:
    assert getattr(loadgen, name) is not None


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'loadgen' has no attribute 'rum'"):
        _ = loadgen.rum


def test_run_is_the_function_and_not_the_module_of_that_name() -> None:
    assert callable(loadgen.run)


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
    )


def test_a_worker_imports_next_to_nothing() -> None:
    heavy = {"asyncio", "click", "rich", "msgspec", "json", "typing", "re", "dataclasses", "subprocess"}
    bare = modules_after("pass")
    assert not (modules_after("import loadgen.worker_main") - bare) & heavy


@pytest.mark.parametrize("command", ["--version", "--help"])
def test_short_commands_load_no_run(command: str) -> None:
    loaded = modules_after(f"from loadgen.cli import call; call(['{command}'])")
    assert not loaded & {"asyncio", "rich", "loadgen.run", "loadgen.plan"}


def test_reports_and_views_know_nothing_of_workers() -> None:
    loaded = modules_after("import loadgen.report.text, loadgen.live.terminal, loadgen.run_folder")
    assert not loaded & {"loadgen.workers", "loadgen.run", "loadgen.load", "loadgen._engine"}
