"""What a run tells while it goes on, and who listens. Listeners know snapshots and results, not workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadgen._engine import Snapshot
    from loadgen.control import Control
    from loadgen.engine_plan import EnginePlan
    from loadgen.result import Result, ScriptErrorGroup
    from loadgen.watch import State

Phase = Literal["load", "drain"]
# What workers tell about the scripts that they run; "script" is whatever has no kind of its own.
ScriptEventKind = Literal[
    "script_error",
    "script_warning",
    "script_stop",
    "script_end",
    "blocked",
    "breaker",
    "data_exhausted",
    "labels_full",
    "never_waits",
    "session_cut_off",
    "task_leak",
    "script",
]
EventKind = (
    Literal[
        "start",
        "stage",
        "imported",
        "rate_changed",
        "users_changed",
        "paused",
        "resumed",
        "gate_shut",
        "interrupted",
        "worker_lost",
        "worker_stalled",
        "worker_resumed",
        "near_limit",
        "target_dead",
        "threshold_abort",
        "threshold_failed",
        "books_wrong",
        "recording_failed",
        "output",
        "output_failed",
        "no_report",
        "worker_said",
        "end",
    ]
    | ScriptEventKind
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The gate opens."""

    plan: EnginePlan
    note: str | None  # something to know, such as what takes the load
    started_at: float  # epoch
    monotonic_ns: int  # the same instant on the clock of all stamps
    control: Control | None = None  # of a load that people may change


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a time."""

    at_s: float  # since the start
    event: EventKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The run at one instant, and the interval since the instant before."""

    phase: Phase
    elapsed_s: float
    interval_s: float
    total: Snapshot
    interval: Snapshot
    now: Mapping[str, int]  # connections, overdue, in_flight, users: of the workers that live
    target_rate_per_s: float | None  # of all open loads together; of a script: iterations
    target_users: int | None  # of all closed loads together
    thresholds: Sequence[State] = ()  # how they stand
    exceptions: Sequence[ScriptErrorGroup] = ()  # of a script, so far


class Observer(Protocol):
    """Someone who follows a run. Called on the run's own loop: be quick, never raise."""

    def begin(self, opening: Opening) -> None:
        """First of all."""

    def progress(self, progress: Progress) -> None:
        """Every second, and at the end of the load and of the run."""

    def event(self, event: Event) -> None:
        """At once."""

    def end(self, result: Result) -> None:
        """When all is known."""

    def close(self) -> None:
        """Always last, also where the run broke before its end."""
