"""From the evidence of a run to its result: books balanced, thresholds and generator judged. Never waits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from loadgen._engine import Snapshot, __version__
from loadgen.deliveries import Deliveries
from loadgen.engine_plan import EnginePlan
from loadgen.ledger import Ledger, of_labels
from loadgen.load import Evidence
from loadgen.result import (
    ChangeResult,
    Ending,
    GeneratorResult,
    Requests,
    Result,
    ThresholdResult,
    WorkerResult,
    conclude,
)
from loadgen.schedule import Schedules
from loadgen.script_conclusion import (
    all_raised,
    closed_iterations,
    iteration_figures,
    script_figures,
    script_result,
    script_share,
)
from loadgen.script_news import ScriptNews
from loadgen.snapshot import Milliseconds, busy_share, milliseconds
from loadgen.socket_conclusion import socket_result
from loadgen.thresholds import Outcome, Threshold
from loadgen.verdict import GeneratorFigures, judge_generator
from loadgen.watch import State, stretch_since, thresholds_of

# Errors that say that nothing answered at the other end, and those that say that this end had run out.
_NO_TARGET = frozenset({"name_not_resolved", "connect_refused", "connect_timeout", "connect_failed"})
_OWN_LIMITS = ("no_descriptors", "no_ports")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd:
    """How one worker ended."""

    index: int
    pid: int
    exit: int | None
    lost: bool


def conclude_run(
    plan: EnginePlan,
    schedule: Schedules | None,
    evidence: Evidence,
    workers: list[WorkerEnd],
    news: ScriptNews | None = None,
    deliveries: Deliveries | None = None,
) -> tuple[Result, list[str]]:
    """The result, and the accounting identities that do not hold (there should be none)."""
    scripted, in_iterations = plan.script is not None, plan.counts_iterations
    lost = [worker for worker in workers if worker.lost]
    load_s = evidence.load_ns / 1e9
    at_gate = evidence.at_gate.counters
    # Of arrivals: requests, or iterations.
    labels = plan.sockets.arrival_labels if plan.sockets else None
    arrived = of_labels(evidence.at_gate, labels)
    sent_in_time = arrived["iterations_started" if in_iterations else "sent"]
    ledger = Ledger(
        evidence.final,
        scripted=in_iterations,
        abandoned=sum(_abandoned(plan, schedule, evidence, worker) for worker in lost),
        worker_lost=bool(lost),
        sent_in_time=at_gate["sent"],
        load_s=load_s,
        arrival_labels=labels,
    )
    thresholds, outcomes = _judge_thresholds(plan, evidence, ledger)
    busy = max(
        (share for one in evidence.workers_at_gate if (share := busy_share(one.counters)) is not None),
        default=None,
    )
    cpu_share = script_share(evidence) if scripted else None
    figures = _figures(plan, evidence, ledger, busy, arrived["sent"])
    if scripted:
        figures = script_figures(figures, plan, evidence, ledger, cpu_share, news)
    generator, reasons = judge_generator(figures)
    reasons = [f"worker {worker.index} (pid {worker.pid}) was lost" for worker in lost] + reasons
    requests = ledger.requests
    verdict, exit_code = conclude(
        Ending(
            interrupted=evidence.interrupted,
            lost_workers=len(lost),
            books_wrong=bool(ledger.errors),
            any_request=requests.total > 0 or ledger.arrivals.sent > 0,
            unreachable=evidence.target_dead or _unreachable(requests),
            script_failed=evidence.stopped is not None or (scripted and all_raised(evidence.final, news)),
            generator=generator,
            outcomes=outcomes,
        )
    )
    result = Result(
        loadgen_version=__version__,
        name=plan.name,
        command=plan.command,
        started_at=datetime.fromtimestamp(evidence.started_at, UTC).isoformat(timespec="milliseconds"),
        duration_s=round(load_s, 6),
        verdict=verdict,
        exit_code=int(exit_code),
        plan=plan.redacted(),
        target_rate_per_s=None if schedule is None else round(evidence.due / load_s, 6),
        achieved_rate_per_s=round(sent_in_time / load_s, 6),
        arrivals=ledger.arrivals,
        requests=requests,
        latency=ledger.latencies(),
        phases=ledger.phases(),
        labels=ledger.labels(),
        checks=ledger.checks(),
        metrics={name: value for name, (_, value) in ledger.metrics().items()}
        | {
            "connection_wait": ledger.latency("connection_wait"),
            "completed_rate_per_s": round(arrived["iterations_ok" if in_iterations else "ok"] / load_s, 6),
        }
        | (
            {"requests_rate_per_s": round(at_gate["sent"] / load_s, 6)}
            if in_iterations and not scripted
            else {}
        ),
        thresholds=thresholds,
        workers=[
            WorkerResult(
                pid=worker.pid,
                exit=worker.exit,
                cpu_s=round(snapshot.counters["cpu_ns"] / 1e9, 3),
                max_rss_mb=round(snapshot.counters["max_rss_kb"] / 1000, 1),
            )
            for worker, snapshot in zip(workers, evidence.final_workers, strict=True)
        ],
        generator=GeneratorResult(
            verdict=generator,
            reasons=reasons,
            cpu_s=round(evidence.final.counters["cpu_ns"] / 1e9, 3),
            busy=None if busy is None else round(busy, 4),
            lateness_p99_ms=_lateness_p99_ms(in_iterations, ledger),
            pacing=plan.pacing,
        ),
        script=script_result(evidence, ledger, cpu_share, news) if scripted else None,
        sockets=socket_result(plan, ledger, deliveries) if plan.sockets and deliveries else None,
        changes=[
            ChangeResult(at_s=change.at_ns / 1e9, event=change.kind, text=change.text)
            for change in evidence.changes
        ],
    )
    return result, ledger.errors


def _unreachable(requests: Requests) -> bool:
    """Nothing ever answered. What a breaker held back thereupon changes nothing in that."""
    refused = set(requests.errors) - {"breaker_open"}
    return (
        requests.failed > 0
        and not requests.ok
        and not requests.status
        and bool(refused)
        and refused <= _NO_TARGET
        and sum(requests.errors.values()) == requests.failed
    )


def _abandoned(plan: EnginePlan, schedule: Schedules | None, evidence: Evidence, worker: WorkerEnd) -> int:
    """Arrivals of a lost worker's share that were due and that it never took."""
    if schedule is None:
        return 0
    share = schedule.share_before(evidence.load_ns, worker.index, plan.workers)
    taken = evidence.final_workers[worker.index]
    return max(0, share - (taken.counters["scheduled"] - closed_iterations(plan, taken)))


def _connecting(final: Snapshot) -> bool:
    """Whether what kept sends waiting were connections being made: the network's time and the target's.

    It must show in the connects themselves, TLS included: they failed, or a slow one takes a good part of the
    usual wait.
    """
    if final.counters["cap_hits"]:
        return False
    if any(final.errors.get(kind) for kind in _NO_TARGET):
        return True
    made_ns = sum(final.histogram(phase).percentile(99) or 0 for phase in ("connect", "tls"))
    wait_ns = final.histogram("pool_wait").percentile(50)
    return wait_ns is not None and made_ns >= wait_ns / 5


def _judge_thresholds(
    plan: EnginePlan, evidence: Evidence, ledger: Ledger
) -> tuple[list[ThresholdResult], list[Outcome]]:
    """On the whole run, what came after the delay, or the worst window. What ended the run has failed."""
    aborts = {abort.threshold: abort for abort in evidence.aborts}
    results: list[ThresholdResult] = []
    outcomes: list[Outcome] = []
    for threshold in thresholds_of(plan):
        abort = aborts.get(threshold)
        if abort:
            state = State(threshold, abort.value, abort.at_s if threshold.over_ns else None)
        else:
            state = _measure(threshold, plan, evidence, ledger)
        value, ends_at_s = state.value, state.window_ends_at_s
        outcome = threshold.judge(value)
        outcomes.append(outcome)
        results.append(
            ThresholdResult(
                expression=threshold.expression,
                value=milliseconds(None if value is None else round(value, 6)),
                passed=None if outcome == "no data" else outcome == "pass",
                aborted_at_s=round(abort.at_s, 3) if abort else None,
                window_ends_at_s=None if ends_at_s is None else round(ends_at_s, 3),
            )
        )
    return results, outcomes


def failed_at_the_end(plan: EnginePlan, evidence: Evidence, result: Result) -> list[State]:
    """Thresholds of which the last window is the first to fail; of others the load has told."""
    found = []
    for threshold, judged in zip(thresholds_of(plan), result.thresholds, strict=True):
        before = evidence.states.get(threshold, State(threshold))
        if threshold.over_ns and judged.passed is False and before.outcome != "fail":
            value = math.inf if judged.value == "inf" else judged.value
            found.append(State(threshold, value, judged.window_ends_at_s))
    return found


def _measure(threshold: Threshold, plan: EnginePlan, evidence: Evidence, ledger: Ledger) -> State:
    """Windows that ended before the load have been judged. The last one has what came in the drain, too."""
    if threshold.over_ns:
        begin = evidence.last_windows.get(threshold.span)
    elif threshold.after_ns:
        begin = evidence.marks.get(threshold.after_ns)
    else:
        return State(threshold, threshold.measure(ledger))
    if begin is None:
        return State(threshold)
    stretch = stretch_since(
        begin,
        evidence.final,
        evidence.at_gate,
        evidence.load_ns,
        scripted=plan.counts_iterations,
        whole=ledger,
    )
    value = threshold.measure(stretch)
    if not threshold.over_ns:
        return State(threshold, value)
    before = evidence.states.get(threshold, State(threshold))
    return before.or_worse(State(threshold, value, evidence.load_ns / 1e9))


def _figures(
    plan: EnginePlan, evidence: Evidence, ledger: Ledger, busy: float | None, sent_in_time: int
) -> GeneratorFigures:
    final = evidence.final.counters
    # Messages for which no socket was open, arrivals beyond a cap: the target's doing, or the plan's wish.
    has_caps = plan.script is not None and bool(plan.script.caps)
    unsendable = final["dropped"] if plan.sockets or has_caps else 0
    connecting = _connecting(evidence.final)
    own_lateness = "dispatch" if connecting else "lateness"
    figures = GeneratorFigures(
        open_model=plan.is_open,
        load_s=evidence.load_ns / 1e9,
        due=max(0, evidence.due - unsendable),
        # An interrupt is heard a little after the gate's snapshot; what was dropped is judged by itself.
        sent_in_time=min(sent_in_time, evidence.due),
        sent=final["sent"],
        late_1ms=evidence.final.histogram(own_lateness).count_above(1_000_000),
        dropped=final["dropped"] - unsendable,
        lateness_p99_ns=ledger.percentile_ns(own_lateness, 99),
        response_p50_ns=ledger.percentile_ns("response", 50),
        response_p99_ns=None if unsendable else ledger.percentile_ns("response", 99),
        service_p99_ns=ledger.percentile_ns("service", 99),
        waited_for_connection=final["pool_waits"],
        connecting=connecting,
        cap_reached=plan.connections if final["cap_hits"] else None,
        own_errors=sum(evidence.final.errors.get(kind, 0) for kind in _OWN_LIMITS),
        busy=busy,
        steal=evidence.strain.steal,
        run_queue=evidence.strain.run_queue,
        throttled=evidence.strain.throttled,
    )
    if plan.script is None and plan.counts_iterations:
        return iteration_figures(figures, evidence, ledger, own_lateness)
    return figures


def _lateness_p99_ms(in_iterations: bool, ledger: Ledger) -> Milliseconds:
    if not in_iterations:
        return ledger.latency("lateness").p99_ms
    value = ledger.iterations_percentile_ns("lateness", 99)
    return milliseconds(None if value is None else round(value / 1e6, 6))
