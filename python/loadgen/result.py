"""The result of a run: what summary.json holds, and how the run ends. It knows nothing of how it was made."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from loadgen.engine_plan import EnginePlan, Pacing
from loadgen.errors import ExitCode
from loadgen.snapshot import Latency, Milliseconds
from loadgen.thresholds import Outcome
from loadgen.verdict import GeneratorVerdict

Verdict = Literal["pass", "fail", "invalid", "no-data"]


class Arrivals(Struct, frozen=True, kw_only=True):
    """scheduled = sent + dropped + cancelled; sent = completed + failed + unfinished. Exactly."""

    scheduled: int
    sent: int
    completed: int
    failed: int
    dropped: int
    cancelled: int
    unfinished: int


class Requests(Struct, frozen=True, kw_only=True):
    """`ok` is a complete response with a status below 400; `failed` is everything else that ended."""

    total: int
    ok: int
    failed: int
    bytes_sent: int
    bytes_received: int
    status: dict[str, int]
    errors: dict[str, int]


class Latencies(Struct, frozen=True, kw_only=True):
    """response = done - due, service = done - sent, lateness = sent - due."""

    response: Latency
    service: Latency
    lateness: Latency


class Phases(Struct, frozen=True, kw_only=True):
    """Parts of a request's time."""

    dns: Latency
    connect: Latency
    tls: Latency
    first_byte: Latency
    receive: Latency


class LabelResult(Struct, frozen=True, kw_only=True):
    """One label's share of the run."""

    label: str
    requests: Requests
    latency: Latencies


class CheckResult(Struct, frozen=True, kw_only=True):
    """One named check."""

    name: str
    passed: int
    failed: int


class ThresholdResult(Struct, frozen=True, kw_only=True):
    """One threshold; `passed` is null where there was no data."""

    expression: str
    value: Milliseconds
    passed: bool | None


class WorkerResult(Struct, frozen=True, kw_only=True):
    """One worker process; `exit` is its exit status, negative for a signal."""

    pid: int
    exit: int | None
    cpu_s: float
    max_rss_mb: float


class GeneratorResult(Struct, frozen=True, kw_only=True):
    """Whether the generator itself can be trusted, and why not."""

    verdict: GeneratorVerdict
    reasons: list[str]
    cpu_s: float
    busy: float | None
    lateness_p99_ms: Milliseconds
    pacing: Pacing


class Result(Struct, frozen=True, kw_only=True):
    """What the run showed. Rates are over `duration_s`, the time for which the load was on."""

    schema: Literal["loadgen/summary/1"] = "loadgen/summary/1"
    loadgen_version: str
    name: str
    command: str
    started_at: str
    duration_s: float
    verdict: Verdict
    exit_code: int
    plan: EnginePlan  # without secrets
    target_rate_per_s: float | None  # null in the closed model
    achieved_rate_per_s: float
    arrivals: Arrivals
    requests: Requests
    latency: Latencies
    phases: Phases
    labels: list[LabelResult]
    checks: list[CheckResult]
    metrics: dict[str, Latency | float]
    thresholds: list[ThresholdResult]
    workers: list[WorkerResult]
    generator: GeneratorResult

    def to_json(self) -> bytes:
        """The summary as text for people and programs."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @staticmethod
    def from_json(data: bytes) -> Result:
        """Read a summary back."""
        return msgspec.json.decode(data, type=Result)


class Ending(Struct, frozen=True, kw_only=True):
    """What decides how a run ends."""

    interrupted: bool
    lost_workers: int
    books_wrong: bool  # an accounting identity does not hold: the numbers cannot be trusted
    any_request: bool
    unreachable: bool
    generator: GeneratorVerdict
    outcomes: list[Outcome]


def conclude(ending: Ending) -> tuple[Verdict, ExitCode]:
    """The verdict and the exit code: the one place where they are decided. The first line that applies wins.

    interrupted                     its verdict so far    130
    worker lost, books wrong        invalid               3
    target never reached            fail                  4
    generator was the limit         invalid               3
    a threshold failed              fail                  1
    a threshold had no data         no-data               1    (what could not be judged has not passed)
    nothing was sent                no-data               0
    """
    if ending.lost_workers or ending.books_wrong:
        decided: tuple[Verdict, ExitCode] = ("invalid", ExitCode.INVALID)
    elif ending.unreachable:
        decided = ("fail", ExitCode.UNREACHABLE)
    elif ending.generator == "client-limited":
        decided = ("invalid", ExitCode.INVALID)
    elif "fail" in ending.outcomes:
        decided = ("fail", ExitCode.THRESHOLD_FAILED)
    elif "no data" in ending.outcomes:
        decided = ("no-data", ExitCode.THRESHOLD_FAILED)
    elif not ending.any_request:
        decided = ("no-data", ExitCode.PASSED)
    else:
        decided = ("pass", ExitCode.PASSED)
    return (decided[0], ExitCode.INTERRUPTED) if ending.interrupted else decided
