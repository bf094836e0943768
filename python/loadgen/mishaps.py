"""What goes wrong in a script: grouped by the user's own line, told once a second. It decides nothing."""

from __future__ import annotations

import linecache
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from loadgen._engine import monotonic_ns

# Longest text of an error that is told.
TEXT = 300
# Groups that are told apart; what is beyond them is counted as one.
GROUPS = 200
# Code that keeps the loop for so long keeps every user of the worker.
LONG_NS = 50_000_000
# After this it is told at once: it may never give way.
TOO_LONG_NS = 1_000_000_000
LOOK_S = 0.1
# Where loadgen itself lies.
OURS = str(Path(__file__).parent)

Told = Iterator[tuple[str, dict[str, Any]]]


class Mishaps:
    """Exceptions of a script, grouped."""

    def __init__(self, script: str) -> None:
        self._script = script
        self._folder = str(Path(script).parent)
        self._counts: dict[tuple[str, str, str, int], int] = {}
        self._warned: dict[str, tuple[str, int]] = {}
        self._told: set[str] = set()
        self.last = ""  # in a line

    def add(self, scenario: str, error: BaseException) -> None:
        """One more."""
        file, line = self._place(error)
        text = _describe(error)
        self.last = _in_a_line(text, file, line)
        group = (scenario, text, file, line)
        if group not in self._counts and len(self._counts) >= GROUPS:
            group = (scenario, "other errors", self._script, 0)
        self._counts[group] = self._counts.get(group, 0) + 1

    def describe(self, where: str, error: BaseException) -> str:
        """One of them, in a line."""
        return f"{where}: {_in_a_line(_describe(error), *self._place(error))}"

    def warn(self, text: str, file: str, line: int) -> None:
        """What Python warns of, each once."""
        if text not in self._told and len(self._told) < GROUPS:
            self._told.add(text)
            self._warned[text[:TEXT]] = (file, line)

    def take(self) -> Told:
        """What has come since the last call."""
        counts, self._counts = self._counts, {}
        for (scenario, text, file, line), count in counts.items():
            yield (
                "script_error",
                {
                    "scenario": scenario,
                    "error": text,
                    "file": file,
                    "line": line,
                    "code": _code(file, line),
                    "count": count,
                },
            )
        warned, self._warned = self._warned, {}
        for text, (file, line) in warned.items():
            yield "script_warning", {"text": text, "file": file, "line": line}

    def _place(self, error: BaseException) -> tuple[str, int]:
        """The innermost line of the user's own code, or else the innermost that is not loadgen's."""
        last = own = (self._script, 0)
        while isinstance(error, BaseExceptionGroup) and error.exceptions:
            error = error.exceptions[0]
        trace = error.__traceback__
        while trace is not None:
            place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
            if _is_own(place[0], self._folder):
                own = place
            if not place[0].startswith(OURS):
                last = place
            trace = trace.tb_next
        return own if own[1] else last


class Blocking:
    """Finds code that keeps the loop: a clock interrupts it and looks where it is."""

    def __init__(
        self,
        script: str,
        running_since_ns: Callable[[], int],
        tell_now: Callable[[], None],
        tool: str = "",
    ) -> None:
        self._tool = tool
        self._folder = str(Path(script).parent)
        self._running_since_ns = running_since_ns
        self._tell_now = tell_now
        self._found: dict[tuple[str, int], list[int]] = {}  # place: [count, longest]
        self._last = 0
        self._queued_ns = 0  # up to the last look
        self._queued_since: tuple[int, int] = (0, 0)  # since when code runs, and what of that it was queued

    def begin(self) -> None:
        """From now on."""
        self._parent = os.getppid()
        self._queued_ns = _queued_ns()
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)

    def end(self) -> None:
        """No more."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        since = self._running_since_ns()
        took = monotonic_ns() - since
        before_ns, self._queued_ns = self._queued_ns, _queued_ns()
        queued_ns = self._queued_ns - before_ns
        if since == self._queued_since[0]:
            queued_ns += self._queued_since[1]
        self._queued_since = (since, queued_ns)
        # Whoever waits for a processor keeps nobody waiting: the machine does.
        if not since or took - queued_ns < LONG_NS:
            return
        if took > TOO_LONG_NS and os.getppid() != self._parent:
            os._exit(1)  # nobody is left to tell, and it may never give way
        while frame is not None and not _is_own(frame.f_code.co_filename, self._folder):
            frame = frame.f_back
        if frame is None:
            return
        found = self._found.setdefault((frame.f_code.co_filename, frame.f_lineno), [0, 0])
        found[0] += since != self._last
        found[1] = max(found[1], took - queued_ns)
        self._last = since
        if took > TOO_LONG_NS:
            self._tell_now()

    def take(self) -> Told:
        """What has come since the last call."""
        found, self._found = self._found, {}
        for (file, line), (count, longest) in found.items():
            code = _code(file, line)
            yield (
                "blocked",
                {
                    "text": code,
                    "file": file,
                    "line": line,
                    "code": code,
                    "tool": self._tool,
                    "longest_ms": round(longest / 1e6),
                    "count": count,
                },
            )


def _queued_ns() -> int:
    """How long this thread has waited for a processor; 0 where the system does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_bytes().split()[1])
    except (OSError, IndexError):
        return 0


def _is_own(file: str, folder: str) -> bool:
    return file.startswith(folder) and "site-packages" not in file and not file.startswith(sys.prefix)


def _in_a_line(text: str, file: str, line: int) -> str:
    return f"{text} ({Path(file).name}:{line}: {_code(file, line)})"


def _code(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


def _describe(error: BaseException) -> str:
    """`KeyError: 'id'`. It never raises, though `__str__` may be the script's own."""
    try:
        said = str(error)
    except BaseException as another:  # noqa: BLE001 - whatever it is, the first error is what matters
        said = f"(its text cannot be had: {type(another).__name__})"
    kind = type(error).__name__
    text = " ".join(f"{kind}: {said}".split())[:TEXT] if said else kind
    if isinstance(error, AttributeError | TypeError) and (
        "Future' object" in text or "'coroutine' object" in text
    ):
        text += " (is an `await` missing?)"
    return text
