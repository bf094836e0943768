"""How precisely loadgen keeps its own schedule, and what that costs, with nginx as the target.

    python -m tests.bench.openloop --duration 10

Lateness is the time from when a request was due until it was sent, as loadgen records it for every request.
CPU is the time of the workers over the length of the run, as a share of one core, for each worker. The first
cases have nginx on the last core and one worker on the first; the last has two workers on all the cores that
nginx leaves, or on all where it leaves fewer than two, because that is what one machine is.

Where another open-loop generator is installed, the same rate is asked of it: it cannot say how late it sent,
so only its achieved rate, counted by nginx, and its CPU stand beside ours.

Achieved is all that came to nginx over the length of the run; what was sent late may have come after its end.

Two rows put the others in proportion. A process that does nothing but sleep until each request would be due
shows what the wakes alone cost. And wrk in a closed loop, on the cores of two workers, shows what nginx gives
beside two generators: near that rate nobody has time left for a schedule.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.measure import available_cores, machine, run_pinned
from tests.bench.peers import PEERS, Peer, Task, loadgen, loadgen_summary, loadgen_worker_cpu_s
from tests.support.nginx import Nginx

# Connections at the high rate, where they are capped.
CAP = 100

SECOND_NS = 1_000_000_000
# From <linux/prctl.h> and <linux/time.h>.
PR_SET_TIMERSLACK = 29
TIMER_ABSTIME = 1


@dataclass(frozen=True, slots=True)
class Case:
    """One load asked of one generator; without a rate, a closed loop."""

    peer: Peer
    rate_per_s: int | None
    workers: int = 1


def cases(rate_per_s: int, high_rate_per_s: int) -> list[Case]:
    ours = next(peer for peer in PEERS if peer.binary == "loadgen")

    def with_pacing(pacing: str, workers: int, cap: int | None = None) -> Peer:
        name = f"loadgen {pacing}" if cap is None else f"{pacing}, -c {cap}"
        return replace(ours, name=name, open_loop=loadgen("auto", pacing, workers, cap))

    return [
        Case(with_pacing("hybrid", 1), rate_per_s),
        Case(with_pacing("eco", 1), rate_per_s),
        *(Case(peer, rate_per_s) for peer in PEERS if peer.open_loop),
        Case(Peer("wrk -t2, closed", "wrk", wrk_in_two_threads), None, workers=2),
        Case(with_pacing("hybrid", 2), high_rate_per_s, workers=2),
        Case(with_pacing("eco", 2), high_rate_per_s, workers=2),
        # Where generator and target share the cores, a freeze of one by the other asks for connections by the
        # thousand; a cap, which a user who knows the target would set, shows what the sending itself can do.
        Case(with_pacing("eco", 2, CAP), high_rate_per_s, workers=2),
        *(Case(peer, high_rate_per_s) for peer in PEERS if peer.open_loop),
    ]


def wrk_in_two_threads(binary: str, task: Task) -> list[str]:
    return [binary, "-t2", f"-c{CAP}", f"-d{task.duration_s}s", task.url]


def line(
    name: str,
    rate_per_s: int | None,
    workers: int,
    *,
    achieved_per_s: float | None = None,
    lateness_ms: tuple[float | None, ...] = (None, None, None),
    cpu: float | None = None,
    remark: str = "",
) -> str:
    """One line of the table; what is not known is a dash."""

    def cell(value: float | None, width: int, form: str = ",.0f") -> str:
        return f"{'–' if value is None else format(value, form):>{width}}"

    late_us = [None if late is None else late * 1000 for late in lateness_ms]
    late = " ".join(cell(value, 9) for value in late_us)
    asked, achieved = cell(rate_per_s, 8), cell(achieved_per_s, 9)
    return f"{name:<16} {asked} {workers:>3} {achieved} {late} {cell(cpu, 8, '.1%')}  {remark}".rstrip()


def run(case: Case, nginx: Nginx, folder: Path, duration_s: int, cores: list[int]) -> str:
    """What one generator made of its load."""
    title = (case.peer.name, case.rate_per_s, case.workers)
    binary = case.peer.find()
    if binary is None:
        return line(*title, remark="missing")
    compose = case.peer.closed_loop if case.rate_per_s is None else case.peer.open_loop
    assert compose is not None
    folder.mkdir()
    task = Task(nginx.url, 50, duration_s, folder, case.rate_per_s)
    command = compose(binary, task)
    before = nginx.requests_handled()
    cost = run_pinned(command, cores, case.peer.environment)
    achieved_per_s = (nginx.requests_handled() - before) / duration_s
    if cost.exit_code not in case.peer.exit_codes:
        last_words = (cost.output.strip().splitlines() or ["no output"])[-1]
        return line(*title, remark=f"exit code {cost.exit_code}: {last_words}")
    if case.peer.binary != "loadgen":
        return line(*title, achieved_per_s=achieved_per_s, cpu=cost.cpu_s / duration_s)
    summary = loadgen_summary(task)
    lateness = summary["latency"]["lateness"]
    return line(
        *title,
        achieved_per_s=achieved_per_s,
        lateness_ms=tuple(lateness[field] for field in ("p50_ms", "p99_ms", "max_ms")),
        cpu=loadgen_worker_cpu_s(task) / case.workers / duration_s,
        remark=summary["generator"]["verdict"],
    )


def run_bare_wakes(rate_per_s: int, duration_s: int, core: int) -> str:
    """What the wakes alone cost here, in a process of their own."""
    program = f"from {__spec__.name} import wake; wake({rate_per_s}, {duration_s})"
    cost = run_pinned([sys.executable, "-c", program], [core])
    if cost.exit_code:
        raise SystemExit(cost.output)
    return line("bare timer wakes", rate_per_s, 1, cpu=float(cost.output) / duration_s)


def wake(rate_per_s: int, duration_s: int) -> None:
    """Sleeps until each instant of a steady rate, and prints the seconds of CPU that this took.

    The interpreter takes less than a microsecond of it for each wake.
    """

    class Timespec(ctypes.Structure):
        _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

    libc = ctypes.CDLL(None)
    # As the workers do: a timer may else be late by 50 µs on purpose.
    if libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0):
        raise OSError("the timer slack was refused")
    instant = Timespec()
    arguments = (time.CLOCK_MONOTONIC, TIMER_ABSTIME, ctypes.byref(instant), None)
    start_ns = time.monotonic_ns()
    cpu_before_s = time.process_time()
    for number in range(rate_per_s * duration_s):
        instant.seconds, instant.nanoseconds = divmod(start_ns + number * SECOND_NS // rate_per_s, SECOND_NS)
        if error := libc.clock_nanosleep(*arguments):
            raise OSError(error, os.strerror(error))
    print(time.process_time() - cpu_before_s)


def main() -> None:
    parser = argparse.ArgumentParser(description="Lateness and CPU of an open loop against nginx.")
    parser.add_argument("--duration", type=int, default=10, help="seconds a run (%(default)s)")
    parser.add_argument("--rate", type=int, default=5_000, help="requests a second, one worker (%(default)s)")
    parser.add_argument("--high-rate", type=int, default=100_000, help="and with two workers (%(default)s)")
    arguments = parser.parse_args()

    cores = available_cores()
    if len(cores) < 2:
        raise SystemExit("two cores are needed, one for nginx and one for the generator")
    free_cores = cores[:-1] if len(cores) > 2 else cores
    print(machine())
    print(f"nginx on core {cores[-1]}, one worker on core {cores[0]}, two on {free_cores}; ", end="")
    print(f"{arguments.duration} s a run")
    print("lateness in µs; CPU: of each worker, or of the whole of another tool, as a share of one core\n")
    print(f"{'':<16} {'asked':>8} {'':>3} {'achieved':>9} {'':>20}{'lateness':>9}")
    print(f"{'generator':<16} {'req/s':>8} {'w':>3} {'req/s':>9} ", end="")
    print(f"{'p50':>9} {'p99':>9} {'max':>9} {'CPU':>8}  verdict")
    with (
        tempfile.TemporaryDirectory() as folder,
        Nginx(Path(folder) / "nginx", access_log=False, core=cores[-1]) as nginx,
    ):
        print(run_bare_wakes(arguments.rate, arguments.duration, cores[0]), flush=True)
        for number, case in enumerate(cases(arguments.rate, arguments.high_rate)):
            on_cores = cores[:1] if case.workers == 1 else free_cores
            print(run(case, nginx, Path(folder) / f"run-{number}", arguments.duration, on_cores), flush=True)


if __name__ == "__main__":
    main()
