"""Where keys can be read. What they do, and how a terminal is given back, is in tests/system/test_keys.py."""

from __future__ import annotations

import io
import os
import pty
import signal
import sys
from typing import TYPE_CHECKING

from loadgen.live.keys import open_keyboard

if TYPE_CHECKING:
    import pytest

SIGNALS = (signal.SIGTSTP, signal.SIGQUIT, signal.SIGHUP)


def test_who_has_no_terminal_has_no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    ours, theirs = pty.openpty()
    with os.fdopen(reading) as piped, os.fdopen(theirs) as of_another_session:
        for stdin in (None, io.StringIO("q"), piped, of_another_session):
            monkeypatch.setattr(sys, "stdin", stdin)
            with open_keyboard() as keyboard:
                assert keyboard is None, stdin
    with open_keyboard() as keyboard:
        assert keyboard is None, "closed"
    os.close(ours)


def test_signals_are_handled_only_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
    before = [signal.getsignal(number) for number in SIGNALS]
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with open_keyboard() as keyboard:
            assert keyboard is not None
            assert signal.SIG_DFL not in [signal.getsignal(number) for number in SIGNALS]
    os.close(ours)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_hangup_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `nohup` has it."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
    ours, theirs = pty.openpty()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with os.fdopen(theirs) as terminal:
            monkeypatch.setattr(sys, "stdin", terminal)
            with open_keyboard():
                assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    os.close(ours)
