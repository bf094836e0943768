"""The result of a run: what summary.json holds, and how the run ends. It knows nothing of how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from loadgen.engine_plan import EnginePlan, Pacing
from loadgen.errors import ExitCode
from loadgen.snapshot import Latency, Milliseconds
from loadgen.socket_result import SocketResult
from loadgen.thresholds import Outcome
from loadgen.verdict import GeneratorVerdict

Verdict = Literal["pass", "fail", "invalid", "no-data"]


# What a label counts. Requests and operations make the totals; groups and iterations are around them.
LabelKind = Literal["request", "operation", "group", "iteration"]
MetricKind = Literal["counter", "gauge", "rate", "trend"]


class Arrivals(Struct, frozen=True, kw_only=True):
    """scheduled = sent + dropped + cancelled; sent = completed + failed + unfinished. Exactly.

    Of a script's run they are iterations: `sent` were begun, `failed` raised an exception. They are, too, of
    a blast that follows redirects or answers challenges: `failed` are those whose last request was not ok.
    """

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
    send: Latency
    first_byte: Latency
    receive: Latency


class LabelResult(Struct, frozen=True, kw_only=True):
    """One label's share of the run."""

    label: str
    kind: LabelKind = "request"
    requests: Requests
    latency: Latencies


class CheckResult(Struct, frozen=True, kw_only=True):
    """One named check."""

    name: str
    passed: int
    failed: int


class Gauge(Struct, frozen=True, kw_only=True):
    """What a gauge showed; `last` is of the worker that was read last."""

    last: float
    min: float
    max: float


if TYPE_CHECKING:
    # A counter's sum and a rate's share are numbers. A trend has its distribution, in which "ms" stands for
    # the trend's own unit.
    Metric = Latency | Gauge | float
else:
    Metric = Any  # two kinds of object are told apart by hand, in Result.from_json


class ChangeResult(Struct, frozen=True, kw_only=True):
    """What somebody made of the load while it was on."""

    at_s: float
    event: str  # its kind, as in events.jsonl
    text: str


class ScriptErrorGroup(Struct, frozen=True, kw_only=True):
    """Exceptions of one kind at one place in the user's script; `count` is the iterations that they ended."""

    scenario: str
    error: str
    file: str
    line: int
    code: str
    count: int


class FailureGroup(Struct, frozen=True, kw_only=True):
    """Requests of one name that failed alike, in the words of the tool whose file it is. Times are Unix's."""

    method: str
    name: str
    error: str
    count: int
    first_seen: float
    last_seen: float


class BlockedCall(Struct, frozen=True, kw_only=True):
    """A call that held up every user of its worker."""

    text: str
    file: str
    line: int
    code: str
    longest_ms: float
    count: int
    tool: str = ""  # whose file it is, where that is not ours


class ScriptResult(Struct, frozen=True, kw_only=True):
    """What there is to say of a script's run only."""

    errors: list[ScriptErrorGroup]
    blocked: list[BlockedCall]
    stopped: str | None  # why its own errors stopped the run
    requests_per_s: float
    attempts: int  # at requests that a policy may repeat
    retries: int  # of these, those that were not the first
    amplification: float | None  # attempts for each such request
    cpu_share: float | None  # of the load's time, in Python code; of the worker that spent most
    metrics: dict[str, MetricKind]  # what the script's own metrics are
    exit_code: int | None = None  # that a file of another tool asks for
    failures: list[FailureGroup] = []  # of a file of another tool: what its script says of requests


class ThresholdResult(Struct, frozen=True, kw_only=True):
    """One threshold; `passed` is null where there was no data. `value` is what ended the run, if it did.

    Of one with `over` it is that of the worst window, or of the one that ended the run.
    """

    expression: str
    value: Milliseconds
    passed: bool | None
    aborted_at_s: float | None = None  # since the start
    window_ends_at_s: float | None = None  # the same


class WorkerResult(Struct, frozen=True, kw_only=True):
    """One worker process; `exit` is its exit status, negative for a signal."""

    pid: int
    exit: int | None
    cpu_s: float
    max_rss_mb: float


class OutputResult(Struct, frozen=True, kw_only=True):
    """One receiver of what a run shows: moments that it took, and those that it did not."""

    name: str  # the kind and the receiver, without secrets
    sent: int
    dropped: int
    failure: str | None  # the first


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
    metrics: dict[str, Metric]
    thresholds: list[ThresholdResult]
    workers: list[WorkerResult]
    generator: GeneratorResult
    script: ScriptResult | None = None  # null in blast
    sockets: SocketResult | None = None  # null but in ws
    outputs: list[OutputResult] = []  # that receive while the run goes on
    changes: list[ChangeResult] = []  # that people made while the load was on: then it was not the plan's

    def to_json(self) -> bytes:
        """The summary as text for people and programs."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @staticmethod
    def from_json(data: bytes) -> Result:
        """Read a summary back."""
        result = msgspec.json.decode(data, type=Result)
        metrics = {name: _read_metric(value) for name, value in result.metrics.items()}
        return msgspec.structs.replace(result, metrics=metrics)


def _read_metric(value: Any) -> Metric:
    if not isinstance(value, dict):
        return float(value)
    return msgspec.convert(value, Latency) if "count" in value else msgspec.convert(value, Gauge)


class Ending(Struct, frozen=True, kw_only=True):
    """What decides how a run ends."""

    interrupted: bool
    lost_workers: int
    books_wrong: bool  # an accounting identity does not hold: the numbers cannot be trusted
    any_request: bool  # or iteration
    unreachable: bool
    script_failed: bool = False  # its own errors stopped the run, or nothing in it worked
    generator: GeneratorVerdict
    outcomes: list[Outcome]


def conclude(ending: Ending) -> tuple[Verdict, ExitCode]:
    """The verdict and the exit code: the one place where they are decided. The first line that applies wins.

    interrupted                     its verdict so far    130
    worker lost, books wrong        invalid               3
    target never reached, or dead   fail                  4
    the script's own errors         fail                  5
    generator was the limit         invalid               3
    a threshold failed              fail                  1
    a threshold had no data         no-data               1    (what could not be judged has not passed)
    nothing was sent                no-data               0
    """
    if ending.lost_workers or ending.books_wrong:
        decided: tuple[Verdict, ExitCode] = ("invalid", ExitCode.INVALID)
    elif ending.unreachable:
        decided = ("fail", ExitCode.UNREACHABLE)
    elif ending.script_failed:
        decided = ("fail", ExitCode.SCRIPT_FAILED)
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
