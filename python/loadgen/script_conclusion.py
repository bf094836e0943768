"""What is concluded where arrivals are iterations; of a script also where its own code was in the way."""

from __future__ import annotations

import math

import msgspec

from loadgen._engine import Snapshot
from loadgen.engine_plan import ClosedLoad, EnginePlan, OpenLoad
from loadgen.ledger import Ledger
from loadgen.load import Evidence
from loadgen.result import ScriptResult
from loadgen.script_news import ScriptNews, describe_blocked
from loadgen.snapshot import percentile_ns
from loadgen.verdict import MUCH_OF_THE_CORE, GeneratorFigures

# Iterations may be few. Where a lesser percentile is spoilt, the greater is all the more.
_PERCENTS = (99.0, 95.0, 90.0)


def script_result(
    evidence: Evidence, ledger: Ledger, cpu_share: float | None, news: ScriptNews | None
) -> ScriptResult:
    """The part of the summary that blast has not."""
    counters = evidence.final.counters
    attempts, retries = counters["attempts"], counters["retries"]
    return ScriptResult(
        errors=news.errors if news else [],
        blocked=news.blocked if news else [],
        failures=news.failures if news else [],
        stopped=evidence.stopped,
        exit_code=news.exit_code if news else None,
        requests_per_s=round(evidence.at_gate.counters["sent"] / (evidence.load_ns / 1e9), 6),
        attempts=attempts,
        retries=retries,
        amplification=round(attempts / (attempts - retries), 4) if attempts > retries else None,
        cpu_share=None if cpu_share is None else round(cpu_share, 4),
        metrics={name: kind for name, (kind, _) in ledger.metrics().items()},
    )


def script_share(evidence: Evidence) -> float | None:
    """The share of the load's time that scenario code took, of the worker in which it took most."""
    shares = [one.counters["script_ns"] / evidence.load_ns for one in evidence.workers_at_gate]
    return min(1.0, max(shares)) if shares else None


def all_raised(final: Snapshot, news: ScriptNews | None) -> bool:
    """Every iteration of a script ended in an exception: nothing worked, whatever else was measured.

    What a script of another tool fails an iteration with is no exception of the script's own.
    """
    if news is not None and not news.errors:
        return False
    counters = final.counters
    raised = sum(
        final.label_errors(label).get("script_error", 0)
        for label in final.labels
        if final.role(label) == "iteration"
    )
    return raised == counters["iterations_failed"] > 0 and counters["iterations_ok"] == 0


def script_figures(
    figures: GeneratorFigures,
    plan: EnginePlan,
    evidence: Evidence,
    ledger: Ledger,
    cpu_share: float | None,
    news: ScriptNews | None,
) -> GeneratorFigures:
    """The same where arrivals are iterations.

    From when one was due until it was begun is the generator's time, what the script does then is not: it may
    pause before its first request. But where its code took much of the core, it is that which requests waited
    for. Lateness may spoil the tail of iterations or of requests; the one that it spoils more counts.
    """
    final = evidence.final
    late = final.role_histogram("iteration", "lateness")
    percent = next((percent for percent in _PERCENTS if percentile_ns(late, percent) is not None), 99.0)
    tails = [
        (ledger.percentile_ns("response", percent), ledger.percentile_ns("service", percent)),
        (
            ledger.iterations_percentile_ns("response", percent),
            ledger.iterations_percentile_ns("service", percent),
        ),
    ]
    response, service = max(tails, key=_spoilt)
    lateness = _open_lateness_ns(plan, ledger, percent)
    if cpu_share is not None and cpu_share >= MUCH_OF_THE_CORE:
        of_requests = ledger.percentile_ns("dispatch" if figures.connecting else "lateness", percent)
        lateness = max((one for one in (lateness, of_requests) if one is not None), default=None)
    return msgspec.structs.replace(
        figures,
        sent_in_time=max(
            0,
            min(
                evidence.at_gate.counters["iterations_started"] - closed_iterations(plan, evidence.at_gate),
                evidence.due,
            ),
        ),
        iterations=final.counters["iterations_started"],
        late_1ms=late.count_above(1_000_000),
        percent=percent,
        lateness_p99_ns=lateness,
        response_p99_ns=response,
        service_p99_ns=service,
        script_share=cpu_share,
        users_per_worker=sum(load.most_users for load in plan.loads if isinstance(load, ClosedLoad))
        / plan.workers,
        blocked=[describe_blocked(call) for call in news.blocked] if news else [],
    )


def iteration_figures(
    figures: GeneratorFigures, evidence: Evidence, ledger: Ledger, own_lateness: str
) -> GeneratorFigures:
    """The same of a blast whose arrivals may take several requests.

    Only arrivals are due. What follows is sent at once, and would hide that they were late.
    """
    late = evidence.final.role_histogram("iteration", own_lateness)
    tails = [
        (figures.response_p99_ns, figures.service_p99_ns),
        (ledger.iterations_percentile_ns("response", 99), ledger.iterations_percentile_ns("service", 99)),
    ]
    response, service = max(tails, key=_spoilt)
    return msgspec.structs.replace(
        figures,
        iterations=evidence.final.counters["iterations_started"],
        late_1ms=late.count_above(1_000_000),
        lateness_p99_ns=percentile_ns(late, 99),
        response_p99_ns=response,
        service_p99_ns=service,
    )


def _spoilt(tail: tuple[float | None, float | None]) -> float:
    """The share of a response that service does not explain, both far out in their tails."""
    response, service = tail
    if response is None or service is None or math.isinf(service):
        return -1.0
    return 1.0 if math.isinf(response) else (response - service) / max(response, 1.0)


def _scenarios(plan: EnginePlan, kind: type[OpenLoad | ClosedLoad]) -> list[str]:
    """Those whose load is of a kind."""
    scenarios = plan.script.scenarios if plan.script else []
    return [scenario.name for scenario in scenarios if isinstance(scenario.load or plan.load, kind)]


def closed_iterations(plan: EnginePlan, snapshot: Snapshot) -> int:
    """Iterations that no schedule asked for."""
    known = set(snapshot.labels)
    names = [name for name in _scenarios(plan, ClosedLoad) if name in known]
    return sum(snapshot.label_counters(name)["sent"] for name in names)


def _open_lateness_ns(plan: EnginePlan, ledger: Ledger, percent: float) -> float | None:
    """Of the scenario that was latest: those of users are never late, and would hide it."""
    if not _scenarios(plan, ClosedLoad):
        return ledger.iterations_percentile_ns("lateness", percent)
    known = set(ledger.snapshot.labels)
    found = [
        percentile_ns(ledger.snapshot.histogram("lateness", name), percent)
        for name in _scenarios(plan, OpenLoad)
        if name in known
    ]
    return max((value for value in found if value is not None), default=None)
