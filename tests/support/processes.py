"""Processes as the kernel shows them, and waiting for what they do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < give_up_at, f"{is_so} does not hold after {timeout_s} s"
        time.sleep(0.01)


def wait_until_gone(pids: list[int], timeout_s: float = 20.0) -> None:
    """Until none of them runs; what only waits to be reaped runs no more."""
    give_up_at = time.monotonic() + timeout_s
    while alive := [pid for pid in pids if state_of(pid) not in ("", "Z", "X")]:
        assert time.monotonic() < give_up_at, f"{alive} of {pids} are still there after {timeout_s} s"
        time.sleep(0.01)


def state_of(pid: int) -> str:
    """One letter, as `ps` shows it; empty for a process that is not there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    """What it started, by whichever of its threads."""
    found = [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in _words(file)]
    return sorted(found)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # that thread has ended meanwhile
        return []
