"""Every exception that loadgen raises on purpose, and every exit code. It must import nothing heavy.

LoadgenError                  the run is broken (a failed request is data, never an exception)
├── UsageError                2    what was asked for cannot be done as asked
│   ├── PlanError             2    the plan has mistakes: all of them at once, each with its place
│   ├── RunFolderError        2    the run folder cannot be written
│   └── ScriptError           2    the script cannot be used: its mistakes, each with file and line
├── ScriptFailed              5    the script's own code failed before the load began
├── WorkerError               3    the workers could not be started
├── TargetError               4    the target cannot be reached at all
├── ControlRefused                 what was asked of a load that is on cannot be done; the load goes on
└── Interrupted               130  Ctrl-C or SIGTERM before the load began

What is raised in a scenario fails one iteration, and never a run:

StatusError                   by `response.raise_for_status()`
SocketClosed                  by a WebSocket that was lost or refused: counted by its kind, no script error
NoReply                       by `ws.request()`, a TimeoutError: counted as `timeout`, no script error
IterationFailed               by a script of another tool, as that tool counts failures: no script error
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """How `loadgen` ends. Programs rely on these: add, never change."""

    PASSED = 0
    THRESHOLD_FAILED = 1  # also: a threshold had no data to be judged by
    UNUSABLE = 2  # usage, plan or script cannot be read; the run folder cannot be written
    INVALID = 3  # the generator was the limit, or a worker was lost
    UNREACHABLE = 4  # the target could not be reached at all
    SCRIPT_FAILED = 5  # the scenario's own errors stopped the run
    INTERRUPTED = 130  # the report is still written


class LoadgenError(Exception):
    """The run is broken. `hint` is the remedy, where there is one."""

    exit_code: ClassVar[ExitCode] = ExitCode.INVALID

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LoadgenError):
    """What was asked for cannot be done as asked."""

    exit_code = ExitCode.UNUSABLE


@dataclass(frozen=True)
class Mistake:
    """One mistake in a plan: its place (`--tps`, `stages[1].rate`) and what is wrong there."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class PlanError(UsageError):
    """A plan that cannot be run, with all of its mistakes."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class RunFolderError(UsageError):
    """The run folder cannot be written."""


class ScriptError(UsageError):
    """The script cannot be used; the message has the user's own file and line."""


class ScriptFailed(LoadgenError):
    """The script's own code failed before the load began."""

    exit_code = ExitCode.SCRIPT_FAILED


class WorkerError(LoadgenError):
    """The workers could not be started."""


class TargetError(LoadgenError):
    """The target cannot be reached at all."""

    exit_code = ExitCode.UNREACHABLE


class ControlRefused(LoadgenError):
    """What was asked of a load that is on cannot be done; the load goes on."""


class Interrupted(LoadgenError):
    """Ctrl-C or SIGTERM before the load began: there is nothing to report."""

    exit_code = ExitCode.INTERRUPTED


class StatusError(Exception):
    """A response whose status is 400 or above, or that never came. It fails an iteration, never a run."""

    def __init__(self, message: str, response: object) -> None:
        super().__init__(message)
        self.response = response


class SocketClosed(Exception):
    """A WebSocket that was lost, closed by its server or refused. It fails an iteration, never a run.

    `kind` is the name under which it is counted; `code` and `reason` are the server's, `status` what it
    answered the handshake with.
    """

    def __init__(
        self, message: str, *, kind: str, code: int | None = None, reason: str = "", status: int = 0
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.reason = reason
        self.status = status


class NoReply(TimeoutError):
    """A message of a WebSocket without a reply in time. It fails an iteration, never a run."""

    kind: ClassVar[str] = "timeout"


class IterationFailed(Exception):
    """What a script of another tool ends an iteration with. `kind` is the name under which it is counted."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def failure_kind(error: BaseException) -> str | None:
    """The kind under which a failure is counted already; None for what is the script's own."""
    if isinstance(error, SocketClosed | NoReply | IterationFailed):
        return error.kind
    if isinstance(error, BaseExceptionGroup):  # of tasks that a script has waited for together
        kinds = [failure_kind(one) for one in error.exceptions]
        return None if None in kinds else kinds[0]
    return None
