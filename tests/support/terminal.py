"""The command in a terminal of its own: what it shows to people who look, and hears from people who type."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING, Self

from tests.support.command import LOADGEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

UNWANTED = ("NO_COLOR", "TERM", "COLUMNS")
PATIENCE_S = 20.0
# A new session has no terminal until it takes one.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _environment(added: Mapping[str, str] | None) -> dict[str, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in UNWANTED and not name.startswith("LOADGEN_")
    }
    return {**clean, "TERM": "xterm-256color", **(added or {})}


def run_in_terminal(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit code, and what a terminal on stdout and stderr was sent, to the last byte."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [str(LOADGEN), *arguments],
            cwd=folder,
            env=_environment(environment),
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


class Terminal:
    """A session in a terminal: a command, or a shell that starts some. It is typed to, and looked at."""

    def __init__(self, *command: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _TAKE_TERMINAL, *command],
                cwd=folder,
                env=_environment(environment),
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(10)
        os.close(self._ours)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(self._ours, 65536):
                self._shown += piece

    def shown(self) -> str:
        """All that was written so far, without what steers a terminal."""
        return _STEERING.sub("", bytes(self._shown).decode(errors="replace"))

    def type(self, text: str) -> None:
        """As fingers do."""
        os.write(self._ours, text.encode())

    def is_line_by_line(self) -> bool:
        """Whether the terminal is as shells leave it: whole lines, shown as they are typed."""
        modes = termios.tcgetattr(self._ours)[3]
        return bool(modes & termios.ICANON) and bool(modes & termios.ECHO)

    def is_cursor_shown(self) -> bool:
        """Whether what was written last about it showed it."""
        return self._shown.rfind(b"\x1b[?25h") >= self._shown.rfind(b"\x1b[?25l")

    def wait_until(self, holds: Callable[[], object], what: str) -> None:
        """By looking again and again."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < give_up_at, f"never: {what}\n{self.shown()[-3000:]}"
            time.sleep(0.02)

    def wait_for(self, pattern: str) -> None:
        """Until it was shown."""
        self.wait_until(lambda: re.search(pattern, self.shown()), pattern)

    def wait(self) -> int:
        """The exit code."""
        return self.process.wait(PATIENCE_S)
