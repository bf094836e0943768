"""Single keys of the terminal, while we are in its foreground. It is given back as it was, whatever happens.

    line by line ── a look that finds us in the foreground ──▶ key by key
         ▲                                                         │
         └───────────── stop, Ctrl-Z, Ctrl-\\, a hangup ────────────┘

In the background its modes are others', and nothing is read: who tries is stopped. Signals are the main
thread's, and keys are read on the run's loop, which is in another.
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
from collections.abc import Callable, Iterator
from typing import Any

MOST_AT_ONCE = 64
SHOW_CURSOR = b"\x1b[?25h"
# How long Ctrl-Z waits for the run's loop to take its drawing away.
LEAVING_S = 1.0
# What arrows and the like send: letters that nobody typed.
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)


@contextlib.contextmanager
def open_keyboard() -> Iterator[Keyboard | None]:
    """For the main thread; None where nobody types: no terminal, or another session's."""
    descriptor = _find_terminal()
    if descriptor is None:
        yield None
        return
    keyboard = Keyboard(descriptor)
    # What somebody ignores on purpose stays ignored. The last two kill: nothing but a handler can clean up.
    handlers = {signal.SIGTSTP: keyboard.suspend, signal.SIGQUIT: keyboard.die, signal.SIGHUP: keyboard.die}
    ours = [number for number in handlers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, handlers[number])
    try:
        yield keyboard
    finally:
        keyboard.put_back()
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _find_terminal() -> int | None:
    try:
        descriptor = sys.stdin.fileno()
        os.tcgetpgrp(descriptor)
    except (AttributeError, ValueError, OSError):
        return None
    return descriptor


class Keyboard:
    """`start`, `look` and `stop` are for the run's loop, the others for the main thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._as_found: list[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_read = False
        self._is_away = False  # between Ctrl-Z and `fg` or `bg`

    @property
    def is_read(self) -> bool:
        """Whether who types now is heard."""
        return self._is_read

    def start(
        self, hear: Callable[[str], None], leave: Callable[[], None], come_back: Callable[[], None]
    ) -> None:
        """`hear` is called with each key, `leave` before Ctrl-Z takes effect, `come_back` after it."""
        self._hear, self._leave, self._come_back = hear, leave, come_back
        self._loop = asyncio.get_running_loop()
        self.look()

    def look(self) -> None:
        """Whether the terminal is ours now: shells tell nobody what they put into the foreground."""
        if self._is_away or not self._is_ours():
            self._stop_reading()
            return
        with contextlib.suppress(termios.error):  # it has gone
            now = termios.tcgetattr(self._descriptor)
            if now[tty.LFLAG] & termios.ICANON:
                self._as_found = now
                tty.setcbreak(self._descriptor, termios.TCSANOW)  # Ctrl-C stays what it is
            if not self._is_read and self._loop is not None:
                self._is_read = True
                self._loop.add_reader(self._descriptor, self._read)

    def stop(self) -> None:
        """Nothing is read any more. May be called again."""
        self._stop_reading()
        self.put_back()
        self._loop = None

    def put_back(self) -> None:
        """As it was found; not from the background."""
        if self._as_found is not None and self._is_ours():
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._as_found)
        self._as_found = None

    def suspend(self, number: int, _frame: object) -> None:
        """Ctrl-Z."""
        left = threading.Event()
        if self._post(self._go_away, left):
            left.wait(LEAVING_S)
        self.put_back()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # until somebody says `fg` or `bg`
        signal.signal(number, self.suspend)
        self._post(self._return)

    def die(self, number: int, _frame: object) -> None:
        """By the signal that has come."""
        self.put_back()
        with contextlib.suppress(OSError):
            os.write(self._descriptor, SHOW_CURSOR)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _post(self, act: Callable[..., None], *arguments: object) -> bool:
        """To the run's loop, where there is one."""
        try:
            if self._loop is None:
                return False
            self._loop.call_soon_threadsafe(act, *arguments)
        except RuntimeError:  # closed
            return False
        return True

    def _go_away(self, left: threading.Event) -> None:
        self._is_away = True
        self._stop_reading()
        self._leave()
        left.set()

    def _return(self) -> None:
        self._is_away = False
        self.look()
        self._come_back()

    def _is_ours(self) -> bool:
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # it has gone
            return False

    def _stop_reading(self) -> None:
        if self._is_read and self._loop is not None:
            self._is_read = False
            self._loop.remove_reader(self._descriptor)

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
