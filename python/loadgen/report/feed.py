"""What the page is fed, live and in a file: one shape, of which a message holds what is new.

opening      the run before it began
moments      columns, one value for each moment; they are added to those known already, or replace them
labels       rows by label, so far: each replaces the one with its number
thresholds, errors, checks, metrics, events
result       when all is known; distribution comes with it
control      how the load stands that can be changed, and the answer to whoever asked for a change; only live

Texts in it are cut and made printable by who makes it, so that whoever shows them need not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from loadgen.machine import Finding
from loadgen.report.percentiles import Point
from loadgen.report.series import Column
from loadgen.result import Metric
from loadgen.snapshot import Latency, Milliseconds
from loadgen.thresholds import Outcome

if TYPE_CHECKING:
    from loadgen.control import ControlState


class Introduction(Struct, kw_only=True, frozen=True):
    """A run before it began."""

    name: str
    command: str
    load: str
    target: str
    note: str | None
    started_at: str
    duration_s: float
    open_model: bool
    iterations: bool  # arrivals are iterations, of any number of requests
    sockets: bool
    plan: Any
    machine: list[Finding]


class LabelRow(Struct, array_like=True, frozen=True):
    """What is known of a label; latencies are responses, in ms."""

    number: int
    label: str
    kind: str
    total: int
    failed: int
    p50: Milliseconds
    p95: Milliseconds
    p99: Milliseconds
    max: Milliseconds


class ThresholdRow(Struct, frozen=True):
    """How a threshold stands, or stood at the end."""

    expression: str
    outcome: Outcome
    measured: str  # in words


class ErrorRow(Struct, frozen=True, kw_only=True):
    """One kind of error; examples are labels that had it, or places in a script."""

    kind: str
    words: str
    count: int
    examples: list[str]


class Told(Struct, frozen=True):
    """An event."""

    at_s: float
    event: str
    text: str


class Ending(Struct, kw_only=True, frozen=True):
    """What a run showed, but for its labels."""

    verdict: str
    exit_code: int
    headline: str
    trust: str
    changed: str | None  # that it was not the plan's load
    generator: Any
    duration_s: float
    target_rate_per_s: float | None
    achieved_rate_per_s: float
    completed_rate_per_s: float | None
    arrivals: Any
    requests: Any
    latency: Mapping[str, Latency]
    workers: Any
    sockets: Any
    blocked: Any


class Feed(Struct, kw_only=True, frozen=True):
    """Some of it, or all."""

    schema: Literal["loadgen/page/1"] = "loadgen/page/1"
    opening: Introduction | UnsetType = UNSET
    moments: Mapping[str, Column] | UnsetType = UNSET
    afresh: bool | UnsetType = UNSET  # forget the moments before
    labels: Sequence[LabelRow] | UnsetType = UNSET
    label_count: int | UnsetType = UNSET  # where there are more than rows
    thresholds: Sequence[ThresholdRow] | UnsetType = UNSET
    errors: Sequence[ErrorRow] | UnsetType = UNSET
    checks: Sequence[tuple[str, int, int]] | UnsetType = UNSET  # passed, failed
    metrics: Sequence[tuple[str, str, Metric]] | UnsetType = UNSET
    events: Sequence[Told] | UnsetType = UNSET
    distribution: Mapping[str, Sequence[Point]] | UnsetType = UNSET
    result: Ending | UnsetType = UNSET
    control: ControlState | UnsetType = UNSET  # only live
    answer: str | UnsetType | None = UNSET  # to one's own order: why not; None: it is done

    def encode(self) -> bytes:
        """JSON."""
        return msgspec.json.encode(self)
