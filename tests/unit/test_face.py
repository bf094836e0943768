"""The face of the package: an exact list of names, and nothing heavy behind the door."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import loadgen
from loadgen.outputs.kinds import KINDS

NAMES = [
    *(
        "Bearer",
        "Breaker",
        "ControlRefused",
        "DigestAuth",
        "Interrupted",
        "LoadgenError",
        "NoReply",
        "Plan",
        "PlanError",
        "Response",
        "Result",
        "Retry",
    ),
    *(
        "RunFolderError",
        "SocketClosed",
        "Sockets",
        "Stage",
        "StatusError",
        "TargetError",
        "UsageError",
        "User",
        "WorkerError",
    ),
    *("csv_rows", "json_rows", "once", "run", "scenario", "session"),
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


@pytest.mark.parametrize("name", ["run", "scenario"])
def test_functions_are_not_hidden_by_the_modules_of_their_names(name: str) -> None:
    import_module(f"loadgen.{name}")
    assert callable(getattr(loadgen, name))


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


def test_reports_views_and_outputs_know_nothing_of_workers() -> None:
    outputs = ", ".join(f"loadgen.outputs.{kind.home.partition('.')[0]}" for kind in KINDS.values())
    loaded = modules_after(f"import {outputs}, loadgen.outputs.outputs")
    assert not loaded & {"loadgen.workers", "loadgen.run", "loadgen.load"}
    loaded = modules_after("import loadgen.report.text, loadgen.live.terminal, loadgen.run_folder")
    assert not loaded & {"loadgen.workers", "loadgen.run", "loadgen.load", "loadgen._engine"}
