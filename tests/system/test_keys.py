"""Keys typed into the live view: what they do, and that the terminal is given back whatever happens."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import LOADGEN
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target

KEYS_SHOWN = "q stop"


def blast(target: Target, *more: str) -> list[str]:
    """Longer than any test waits: it ends because somebody ends it."""
    return [str(LOADGEN), "blast", f"{target.url}/delay/5", "-d", "5m", "--out", "run", "-w", "1", *more]


def events(folder: Path) -> list[dict[str, Any]]:
    """As far as they are written."""
    path = folder / "run" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_event(terminal: Terminal, folder: Path, kind: str) -> dict[str, Any]:
    terminal.wait_until(lambda: any(one["event"] == kind for one in events(folder)), kind)
    return next(one for one in events(folder) if one["event"] == kind)


def test_keys_change_pause_and_stop_the_load(target: Target, tmp_path: Path) -> None:
    with Terminal(*blast(target, "--tps", "50"), folder=tmp_path) as terminal:
        terminal.wait_for(r"p pause   \+ - rate by a tenth   q stop")
        assert not terminal.is_line_by_line()
        terminal.type("+")
        assert "from 50/s to 55/s" in wait_for_event(terminal, tmp_path, "rate_changed")["text"]
        terminal.wait_for(r"\d s  the rate was changed from 50/s to 55/s")
        terminal.type("\x1b[5~x\x1bOpp")  # keys that send letters, one that does nothing, and one that does
        wait_for_event(terminal, tmp_path, "paused")
        terminal.wait_for("paused, .* left")
        terminal.type("-")
        terminal.wait_for("the load is paused: resume it first")
        terminal.type("p")
        wait_for_event(terminal, tmp_path, "resumed")
        terminal.type("-")
        terminal.wait_for("from 55/s to 50/s")
        terminal.type("q")
        assert terminal.wait() == 130
        assert terminal.is_line_by_line()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["exit_code"] == 130


def test_users_are_changed_by_keys(target: Target, tmp_path: Path) -> None:
    with Terminal(*blast(target, "--users", "2"), folder=tmp_path) as terminal:
        terminal.wait_for(r"\+ - users by a tenth")
        terminal.type("+")
        assert "from 2 to 3" in wait_for_event(terminal, tmp_path, "users_changed")["text"]
        terminal.wait_for("3 users")
        terminal.type("q")
        assert terminal.wait() == 130


@pytest.mark.parametrize(
    ("ending", "exit_code"), [("\x03", 130), ("\x1c", -signal.SIGQUIT)], ids=["Ctrl-C", "Ctrl-\\"]
)
def test_the_terminal_is_given_back(target: Target, tmp_path: Path, ending: str, exit_code: int) -> None:
    with Terminal(*blast(target, "--tps", "50"), folder=tmp_path) as terminal:
        terminal.wait_for(KEYS_SHOWN)
        assert not terminal.is_line_by_line()
        terminal.type(ending)
        assert terminal.wait() == exit_code
        assert terminal.is_line_by_line()
        assert terminal.is_cursor_shown()


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 130), (signal.SIGHUP, -signal.SIGHUP)])
def test_the_terminal_is_given_back_by_who_is_killed(
    target: Target, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    with Terminal(*blast(target, "--tps", "50"), folder=tmp_path) as terminal:
        terminal.wait_for(KEYS_SHOWN)
        os.kill(terminal.process.pid, number)
        assert terminal.wait() == exit_code
        assert terminal.is_line_by_line()
        assert terminal.is_cursor_shown()


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again(target: Target, tmp_path: Path) -> None:
    # A shell without line editing, which leaves the modes as it finds them.
    with Terminal("sh", "-i", folder=tmp_path, environment={"PS1": "ready> "}) as terminal:
        terminal.wait_for("ready> ")
        terminal.type(" ".join(blast(target, "--tps", "20")) + "\n")
        terminal.wait_for(KEYS_SHOWN)
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        assert terminal.is_line_by_line()
        assert terminal.is_cursor_shown()
        terminal.type("echo still $((40 + 2))\n")
        terminal.wait_for("still 42")
        terminal.type("fg\n")
        terminal.wait_until(lambda: not terminal.is_line_by_line(), "key by key again")
        terminal.type("+")
        wait_for_event(terminal, tmp_path, "rate_changed")
        terminal.type("q")
        wait_for_event(terminal, tmp_path, "end")
        terminal.wait_until(terminal.is_line_by_line, "line by line again")
        terminal.type("echo code $?\n")
        terminal.wait_for("code 130")
        terminal.type("exit\n")
        terminal.wait()


def test_in_the_background_keys_are_the_shells(target: Target, tmp_path: Path) -> None:
    with Terminal("sh", "-i", folder=tmp_path, environment={"PS1": "ready> "}) as terminal:
        terminal.wait_for("ready> ")
        terminal.type(" ".join(blast(target, "--tps", "20")) + " &\n")
        terminal.wait_for("sent 20/s")
        assert terminal.is_line_by_line()
        assert KEYS_SHOWN not in terminal.shown()
        terminal.type("echo p q $((40 + 2))\n")
        terminal.wait_for("p q 42")
        terminal.type("fg\n")
        terminal.wait_for(KEYS_SHOWN)
        terminal.type("q")
        wait_for_event(terminal, tmp_path, "end")
        terminal.wait_until(terminal.is_line_by_line, "line by line again")
        terminal.type("exit\n")
        terminal.wait()
    assert not {"paused", "rate_changed"} & {one["event"] for one in events(tmp_path)}


@pytest.mark.parametrize("how", ["--no-live", "-q", "a pipe"])
def test_elsewhere_keys_are_not_read(target: Target, tmp_path: Path, how: str) -> None:
    command = blast(target, "--tps", "20", *([how] if how.startswith("-") else []))
    if how == "a pipe":
        command = ["sh", "-c", f"sleep 300 | {' '.join(command)}"]
    with Terminal(*command, folder=tmp_path) as terminal:
        wait_for_event(terminal, tmp_path, "start")
        terminal.type("pq")
        terminal.wait_until(
            lambda: len((tmp_path / "run" / "timeline.jsonl").read_text().splitlines()) > 1, "time"
        )
        assert terminal.is_line_by_line()
        assert KEYS_SHOWN not in terminal.shown()
        terminal.type("\x03")
        wait_for_event(terminal, tmp_path, "end")
        terminal.wait()
    assert "paused" not in {one["event"] for one in events(tmp_path)}
