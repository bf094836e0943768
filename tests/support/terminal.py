"""The command in a terminal of its own, for what it shows to people who look."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.command import LOADGEN

if TYPE_CHECKING:
    from collections.abc import Mapping

UNWANTED = ("NO_COLOR", "TERM", "COLUMNS")


def run_in_terminal(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit code, and what a terminal on stdout and stderr was sent, to the last byte."""
    ours, theirs = pty.openpty()
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in UNWANTED and not name.startswith("LOADGEN_")
    }
    try:
        process = subprocess.Popen(
            [str(LOADGEN), *arguments],
            cwd=folder,
            env={**clean, "TERM": "xterm-256color", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    shown = bytearray()
    # A terminal whose last writer is gone says so with EIO.
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    return process.wait(30), shown.decode()
