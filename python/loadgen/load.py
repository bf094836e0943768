"""The load while it is on: opens the gate, looks every second, shuts it, drains. It draws no conclusions.

gate opens         tick     tick    ...    gate shuts           all workers ended
    ├───────────────┼────────┼──────────────┤  drain  ┈┈┈┈┈┈┈┈┈┈┈┈┈┤
    0               1 s      2 s            plan's end, the first interrupt, a threshold with abort
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import merge
from operator import itemgetter

from loadgen import health
from loadgen._engine import Snapshot, monotonic_ns
from loadgen.control import Change, Control
from loadgen.courtesy import breathe
from loadgen.engine_plan import ClosedLoad, ClosedStage, EnginePlan, MaxErrors, OpenLoad, OpenStage
from loadgen.health import Health, Strain
from loadgen.progress import Event, EventKind, Phase, Progress
from loadgen.schedule import Schedules
from loadgen.thresholds import Threshold
from loadgen.units import counted, format_count, format_duration, format_percent
from loadgen.watch import Abort, State, Watch
from loadgen.windows import Mark
from loadgen.workers import Crew

TICK_NS = 1_000_000_000
# Workers end their drain by themselves; one that is this late has hung.
GRACE_NS = 5_000_000_000
# Of fewer, one failure would be a large share.
ENOUGH_ITERATIONS = 10
# After a hard stop nothing is waited for, so a worker that lives on has hung.
STOP_GRACE_NS = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What there is to judge a run by, when it is over."""

    started_at: float  # epoch
    load_ns: int
    due: int  # open model: arrivals due while the load was on
    at_gate: Snapshot
    workers_at_gate: list[Snapshot]
    final: Snapshot
    final_workers: list[Snapshot]
    strain: Strain
    interrupted: bool
    target_dead: bool = False  # it was given up
    marks: Mapping[int, Mark] = field(default_factory=dict)  # where thresholds with a delay begin to count
    aborts: Sequence[Abort] = ()  # thresholds that ended the run
    states: Mapping[Threshold, State] = field(default_factory=dict)  # as they stood when the load was over
    last_windows: Mapping[tuple[int, int], Mark] = field(
        default_factory=dict
    )  # by the span: where they begin
    stopped: str | None = None  # why the script's own errors, or the script itself, stopped the run
    changes: Sequence[Change] = ()  # what people made of the load while it was on


class Load:
    """One load. `progress` and `event` are told of what goes on."""

    def __init__(
        self,
        plan: EnginePlan,
        schedule: Schedules | None,
        crew: Crew,
        progress: Callable[[Progress], None],
        event: Callable[[Event], None],
    ) -> None:
        self._plan = plan
        self._schedule = schedule
        self._crew = crew
        self._progress = progress
        self._event = event
        self.control = Control(plan, self)
        self._changes: list[Change] = []
        self._has_users = any(isinstance(load, ClosedLoad) for load in plan.loads)
        self._pairs = max(1, len(plan.wire.bind)) * max(1, len(plan.addresses))
        self._begin = 0
        self._started_at = 0.0
        self._last: Snapshot | None = None  # of the last tick
        self._last_at_ns = 0
        self._watch = Watch(plan)
        self._shut = asyncio.Event()
        self._deadline = 0
        self._interrupted = False
        self._stopped: str | None = None
        self._answered = 0
        self._answered_at_ns = 0
        self._target_dead = False
        self._is_enough = False  # the script has said so
        self._ended_by_itself = False  # a script's iterations were done, or its data used up
        self._warned = False
        self._load_ns = 0
        self._at_gate: Snapshot | None = None
        self._workers_at_gate: list[Snapshot] = []
        self._healthy: Health | None = None
        self._strain = Strain(run_queue=None, steal=None, throttled=None)

    def open(self) -> float:
        """Let all workers begin at one instant; returns it as wall time."""
        self._begin = self._crew.open_gate()
        self._started_at = time.time() + (self._begin - monotonic_ns()) / 1e9
        self._last = Snapshot.read(self._crew.blocks)
        self._healthy = health.sample(self._crew.pids)
        return self._started_at

    @property
    def monotonic_ns(self) -> int:
        """The instant at which the workers begin, once the gate is open: what every due time counts from."""
        return self._begin

    async def play(self) -> Evidence:
        """To the end of the last worker."""
        self.tell("start", self._plan.describe_load())
        for moment_ns, act in self._moments():
            if not await self._until(moment_ns):
                break
            act()
        await self._until(self._plan.duration_ns)
        self._shut_gate("the load is over")
        self._judge_errors(Snapshot.read(self._crew.blocks).counters, at_end=self._crew.ended.is_set())
        while not self._crew.ended.is_set():
            await self._until(self._elapsed_ns() + TICK_NS, also_shut=False)
            self._tick("drain")
            if self._elapsed_ns() > self._deadline and not self._crew.ended.is_set():
                self._give_up()
        self._judge_errors(Snapshot.read(self._crew.blocks).counters, at_end=True)
        return self._evidence()

    @property
    def is_on(self) -> bool:
        """Whether the gate is open, and nothing has shut it yet."""
        return self._begin > 0 and not self._shut.is_set()

    def change(self, change: Change) -> None:
        """From an instant on the load is another one: the workers first, they have no time to lose."""
        if self._shut.is_set():
            return
        self._crew.change(change.at_ns, change.loads)
        if self._schedule is not None:
            self._schedule.change(change.at_ns, change.loads)
        delay_s = (self._begin + change.at_ns - monotonic_ns()) / 1e9
        asyncio.get_running_loop().call_later(delay_s, self._changed, change)

    def _changed(self, change: Change) -> None:
        """Its instant has come, unless the gate was shut before."""
        if not self._shut.is_set():
            self._changes.append(change)
            self._event(Event(change.at_ns / 1e9, change.kind, change.text))

    def interrupt(self, reason: str) -> None:
        """The first shuts the gate and drains; one that finds it shut stops at once; the next one kills."""
        again = self._interrupted
        self._interrupted = True
        if not self._shut.is_set():
            what = "requests in flight" if self._plan.script is None else "iterations under way"
            if self._plan.sockets is not None:
                what = "replies, and for all sockets to close"
            self.tell("interrupted", f"{reason}: waiting for {what}; once more stops at once")
            self._shut_gate("interrupted")
            self._crew.finish()
        elif not again or self._deadline > self._elapsed_ns() + STOP_GRACE_NS:
            self.tell("interrupted", f"{reason}: stopping at once")
            self._deadline = self._elapsed_ns() + STOP_GRACE_NS
            self._crew.stop()
        else:
            self._crew.kill()

    def stop_for_script(self, reason: str) -> None:
        """The script's own errors, or the script itself, end the run: as one interrupt does."""
        if self._stopped is not None:
            return
        self._stopped = reason
        if not self._shut.is_set():
            self._shut_gate(reason)
            self._crew.finish()

    def end_for_script(self, reason: str) -> None:
        """The script has enough: what is under way ends, and all is well."""
        if not self._shut.is_set():
            self._is_enough = True
            self._shut_gate(reason)
            self._crew.finish()

    def _judge_errors(self, counters: Mapping[str, int], *, at_end: bool = False) -> None:
        limit = self._plan.script.max_errors if self._plan.script else None
        reason = too_many_errors(limit, counters, at_end=at_end)
        if reason is not None and self._stopped is None:
            self.tell("script_stop", reason)
            self.stop_for_script(reason)

    def _judge_target(self, total: Snapshot, elapsed_ns: int) -> None:
        """Whether the target still answers, where somebody asks it something."""
        limit_ns = self._plan.script.dead_after_ns if self._plan.script else None
        # An answer is one whatever its status, and whatever the script thinks of it.
        unanswered = sum(count for kind, count in total.errors.items() if kind != "rejected")
        answered = total.counters["ok"] + total.counters["failed"] - unanswered
        sent = total.counters["sent"]
        if answered != self._answered or sent == answered:
            self._answered, self._answered_at_ns = answered, elapsed_ns
        silent_ns = elapsed_ns - self._answered_at_ns
        if limit_ns is not None and silent_ns >= limit_ns and not self._shut.is_set():
            self._target_dead = True
            self.tell(
                "target_dead", f"no request has been answered for {format_duration(limit_ns)}: stopping"
            )
            self._shut_gate("the target is dead")
            self._deadline = self._elapsed_ns() + STOP_GRACE_NS
            self._crew.stop()

    def _watch_thresholds(self, total: Snapshot, elapsed_ns: int) -> list[State]:
        """Look at all of them; returns those whose windows have begun to fail."""
        if self._at_gate is None:
            return self._watch.look(total, elapsed_ns, windows=not self._is_all_begun(total))
        self._watch.look_after(total, self._at_gate, max(self._load_ns, 1))
        return []

    def _is_all_begun(self, total: Snapshot) -> bool:
        """Whether a script has taken its last arrival: what it waits for now is no window of the load."""
        wanted = self._plan.script.iterations if self._plan.script else None
        return wanted is not None and not self._has_users and total.counters["scheduled"] >= wanted

    def _judge_thresholds(self, failed: list[State]) -> None:
        """One with `abort` that fails ends the run, as one interrupt does."""
        for state in failed:
            self.tell("threshold_failed", str(state))
        if self._shut.is_set():
            return
        for abort in self._watch.aborts:
            self.tell("threshold_abort", str(abort))
        if self._watch.aborts:
            self._shut_gate("a threshold ended the run")
            self._crew.finish()

    def tell(self, kind: EventKind, text: str) -> None:
        """An event, now."""
        self._event(Event(self._elapsed_ns() / 1e9, kind, text))

    def _elapsed_ns(self) -> int:
        # An interrupt may come in the moment between the order to start and the start.
        return max(0, monotonic_ns() - self._begin)

    def _moments(self) -> Iterable[tuple[int, Callable[[], None]]]:
        """What to do before the end, and when: tell of stages, begin to count, look up every second."""
        duration_ns = self._plan.duration_ns
        stages = (
            (ns, partial(self._tell_stage, ns, place, text)) for ns, place, text in self._stage_starts()
        )
        marks = ((ns, partial(self._mark, ns)) for ns in self._watch.delays_ns if ns < duration_ns)
        ticks = ((ns, partial(self._tick, "load")) for ns in range(TICK_NS, duration_ns, TICK_NS))
        return merge(stages, marks, ticks, key=itemgetter(0))

    def _tell_stage(self, ns: int, place: int, text: str) -> None:
        """Of a load that people have not made another one."""
        if self.control.follows_plan(place, ns):
            self.tell("stage", text)

    def _mark(self, delay_ns: int) -> None:
        self._watch.mark(delay_ns, Snapshot.read(self._crew.blocks), self._elapsed_ns())

    async def _until(self, moment_ns: int, *, also_shut: bool = True) -> bool:
        """Sleep until a moment; False where all workers ended, or the gate was shut, before it."""
        waits = [asyncio.ensure_future(self._crew.ended.wait())]
        if also_shut:
            waits.append(asyncio.ensure_future(self._shut.wait()))
        try:
            # Not from the clamped time: the gate opens a little after the order to open it.
            delay_s = max(0.0, (self._begin + moment_ns - monotonic_ns()) / 1e9)
            done, _ = await asyncio.wait(waits, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
            return not done
        finally:
            for wait in waits:
                wait.cancel()

    def _tick(self, phase: Phase) -> None:
        """Look at everything, and pass it on."""
        total, elapsed_ns = Snapshot.read(self._crew.blocks), self._elapsed_ns()
        breathe()
        assert self._last is not None
        loading = phase == "load"
        failed = self._watch_thresholds(total, elapsed_ns)
        breathe()
        # The last look is at the very end, when nothing more is planned: what was until then is meant.
        planned_ns = min(elapsed_ns, self._plan.duration_ns - 1)
        progress = Progress(
            phase=phase,
            elapsed_s=elapsed_ns / 1e9,
            interval_s=(elapsed_ns - self._last_at_ns) / 1e9,
            total=total,
            interval=total.since(self._last),
            now=self._now(total),
            target_rate_per_s=self._schedule.rate_at(planned_ns) if self._schedule and loading else None,
            target_users=self.control.users_at(planned_ns) if loading and self._has_users else None,
            thresholds=list(self._watch.states.values()),
        )
        self._progress(progress)
        self._last, self._last_at_ns = total, elapsed_ns
        breathe()
        warning = health.near_limit(progress.now["connections"], self._plan.workers, self._pairs)
        if warning and not self._warned:
            self._warned = True
            self.tell("near_limit", warning)
        if loading:
            self._judge_thresholds(failed)
            self._judge_errors(total.counters)
            self._judge_target(total, elapsed_ns)

    def _now(self, total: Snapshot) -> dict[str, int]:
        """Present states of those that live: a dead worker's block says for ever what it last said."""
        lost = self._crew.lost
        if not lost:
            return total.counters
        return Snapshot.read([worker.block for worker in self._crew.workers if worker not in lost]).counters

    def _shut_gate(self, why: str) -> None:
        """Take down how things stand: what comes later was not in time. The second call does nothing."""
        if self._shut.is_set():
            return
        self._shut.set()
        self._at_gate = Snapshot.read(self._crew.blocks)
        duration_ns = self._plan.duration_ns
        scheduled = self._at_gate.counters["scheduled"]
        cut_short = self._was_cut_short(scheduled)
        self._load_ns = min(self._elapsed_ns(), duration_ns) if cut_short else duration_ns
        if self._ended_by_itself and self._schedule is not None and not self._has_users:
            # It was on until the first arrival that it no longer wanted; what the last ones took is no load.
            self._load_ns = min(self._load_ns, max(0, self._schedule.reached_at(scheduled + 1) - 1))
        self._workers_at_gate = [Snapshot.read([block]) for block in self._crew.blocks]
        if self._healthy is not None:
            self._strain = health.strain(self._healthy, health.sample(self._crew.pids))
        self._deadline = self._elapsed_ns() + self._plan.drain_ns + GRACE_NS
        self._tick("load")
        self.tell("gate_shut", why)

    def _was_cut_short(self, scheduled: int) -> bool:
        """Whether the load ended before its time: an interrupt, a threshold, an early end, no worker left.

        Workers may end early when the last arrival has been answered: then it was on to its end all the same.
        A script's may, because its iterations are done, or its data are used up.
        """
        if (
            self._interrupted
            or self._stopped
            or self._target_dead
            or self._is_enough
            or self._watch.aborts
            or len(self._crew.lost) == len(self._crew.workers)
        ):
            return True
        if self._plan.script is None or not self._crew.ended.is_set():
            return False
        self._ended_by_itself = self._has_users or self._schedule is None or scheduled < self._schedule.total
        return self._ended_by_itself

    def _give_up(self) -> None:
        """Kill what does not end; it is lost then, and says so itself."""
        self._crew.kill()
        self._deadline = self._elapsed_ns() + GRACE_NS

    def _stage_starts(self) -> list[tuple[int, int, str]]:
        """(ns, the load's place, words) of every stage of every load, in time."""
        starts: list[tuple[int, int, str]] = []
        for place, (name, load) in enumerate(_named_loads(self._plan)):
            stages: Sequence[OpenStage | ClosedStage] = load.stages
            at_ns = 0
            for number, stage in enumerate(stages, 1):
                starts.append((at_ns, place, f"{name}stage {number}: {stage}"))
                at_ns += stage.duration_ns
        return sorted(starts, key=itemgetter(0))

    def _due(self) -> int:
        """Arrivals due while the load was on; where a script had enough, no more than it took."""
        if self._schedule is None:
            return 0
        due = self._schedule.count_before(self._load_ns)
        if self._ended_by_itself and self._at_gate is not None:
            return min(due, self._at_gate.counters["scheduled"])
        return due

    def _evidence(self) -> Evidence:
        assert self._at_gate is not None
        return Evidence(
            started_at=self._started_at,
            load_ns=max(self._load_ns, 1),
            due=self._due(),
            at_gate=self._at_gate,
            workers_at_gate=self._workers_at_gate,
            final=Snapshot.read(self._crew.blocks),
            final_workers=[Snapshot.read([block]) for block in self._crew.blocks],
            strain=self._strain,
            interrupted=self._interrupted,
            stopped=self._stopped,
            target_dead=self._target_dead,
            marks=self._watch.marks,
            aborts=self._watch.aborts,
            states=self._watch.states,
            last_windows=self._watch.last_windows(self._load_ns),
            changes=self._changes,
        )


def _named_loads(plan: EnginePlan) -> list[tuple[str, OpenLoad | ClosedLoad]]:
    """Loads with the words that tell them apart, where there are several."""
    if plan.sockets is not None:
        return list(zip(("connects: ", "messages: "), plan.loads, strict=False))
    own = [one for one in plan.script.scenarios if one.load is not None] if plan.script else []
    names = [""] * (len(plan.loads) - len(own)) + [f"{scenario.name}: " for scenario in own]
    return [("" if len(names) == 1 else name, load) for name, load in zip(names, plan.loads, strict=True)]


def too_many_errors(limit: MaxErrors | None, counters: Mapping[str, int], *, at_end: bool) -> str | None:
    """Why failed iterations stop the run, if they do. A share of a few is judged at the end only."""
    if limit is None:
        return None
    failed = counters["iterations_failed"]
    ended = failed + counters["iterations_ok"]
    if limit.count is not None and failed >= limit.count:
        return f"{counted(failed, 'iteration')} failed, and {format_count(limit.count)} stop the run"
    if limit.share is None or not ended or (ended < ENOUGH_ITERATIONS and not at_end):
        return None
    share = failed / ended
    if share <= limit.share:
        return None
    allowed = format_percent(limit.share)
    return f"{format_percent(share)} of iterations failed, and more than {allowed} stop the run"
