"""Single keys of the terminal, while we are in its foreground. It is given back as it was, whatever happens.

    line by line ── a look that finds us in the foreground ──▶ key by key
         ▲                                                         │
         └───────────── close, Ctrl-Z, Ctrl-\\, a hangup ───────────┘

In the background its modes are others', and nothing is read: who tries is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable
from typing import Any

MOST_AT_ONCE = 64
SHOW_CURSOR = b"\x1b[?25h"
# What arrows and the like send: letters that nobody typed.
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
# These kill without a word, and leave no time to clean up but in their handlers.
_DEADLY = (signal.SIGQUIT, signal.SIGHUP)


def find_keyboard() -> int | None:
    """The descriptor to read keys from; None where nobody types: no terminal, or not ours."""
    if threading.current_thread() is not threading.main_thread():
        return None  # who runs us there has signals and terminal for itself
    try:
        descriptor = sys.stdin.fileno()
        os.tcgetpgrp(descriptor)
    except (AttributeError, ValueError, OSError):
        return None
    return descriptor


class Keys:
    """`hear` is called with each key; `leave` before Ctrl-Z takes effect, `come_back` after it."""

    def __init__(
        self,
        descriptor: int,
        hear: Callable[[str], None],
        leave: Callable[[], None],
        come_back: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._hear, self._leave, self._come_back = hear, leave, come_back
        self._loop = asyncio.get_running_loop()
        self._as_found: list[Any] | None = None
        self._is_read = False
        self._handled: list[signal.Signals] = []
        for number in _DEADLY:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._die)
                self._handled.append(number)
        if signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
            self._loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self.look()

    @property
    def is_read(self) -> bool:
        """Whether who types now is heard."""
        return self._is_read

    def look(self) -> None:
        """Whether the terminal is ours now: shells tell nobody what they put into the foreground."""
        if not self._is_ours():
            self._stop_reading()
            return
        with contextlib.suppress(termios.error):  # it has gone
            now = termios.tcgetattr(self._descriptor)
            if now[tty.LFLAG] & termios.ICANON:
                self._as_found = now
                tty.setcbreak(self._descriptor, termios.TCSANOW)  # Ctrl-C stays what it is
            if not self._is_read:
                self._is_read = True
                self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Give it back. May be called again."""
        self._give_back()
        self._loop.remove_signal_handler(signal.SIGTSTP)
        while self._handled:
            signal.signal(self._handled.pop(), signal.SIG_DFL)

    def _is_ours(self) -> bool:
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # it has gone
            return False

    def _stop_reading(self) -> None:
        if self._is_read:
            self._is_read = False
            self._loop.remove_reader(self._descriptor)

    def _give_back(self) -> None:
        self._stop_reading()
        self._put_back()

    def _put_back(self) -> None:
        if self._as_found is not None and self._is_ours():
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._as_found)
        self._as_found = None

    def _read(self) -> None:
        # Who has got into the background since is told so then, not stopped.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTIN})
        try:
            data = os.read(self._descriptor, MOST_AT_ONCE)
        except OSError:
            data = b""
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if not data:
            self._stop_reading()
        for key in _SEQUENCE.sub(b"", data).decode(errors="ignore"):
            self._hear(key)

    def _suspend(self) -> None:
        self._leave()
        self._give_back()
        self._loop.remove_signal_handler(signal.SIGTSTP)
        signal.raise_signal(signal.SIGTSTP)  # until somebody says `fg` or `bg`
        self._loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self.look()
        self._come_back()

    def _die(self, number: int, _frame: object) -> None:
        self._put_back()
        with contextlib.suppress(OSError):
            os.write(self._descriptor, SHOW_CURSOR)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
