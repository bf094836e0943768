"""How precisely loadgen keeps its own schedule, and what that costs, with nginx as the target.

    python -m tests.bench.openloop --duration 10

Lateness is the time from when a request was due until it was sent, as loadgen records it for every request.
CPU is the time of the workers over the length of the run, as a share of one core, for each worker. The first
cases have nginx on the last core and one worker on the first; the last has two workers on all the cores that
nginx leaves, or on all where it leaves fewer than two, because that is what one machine is.

Where another open-loop generator is installed, the same rate is asked of it: it cannot say how late it sent,
so only its achieved rate, counted by nginx, and its CPU stand beside ours.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.measure import available_cores, machine, run_pinned
from tests.bench.peers import PEERS, Peer, Task, loadgen, loadgen_summary, loadgen_worker_cpu_s
from tests.support.nginx import Nginx

# Connections at the high rate, where they are capped.
CAP = 100


@dataclass(frozen=True, slots=True)
class Case:
    """One load asked of one generator."""

    peer: Peer
    rate_per_s: int
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
        Case(with_pacing("hybrid", 2), high_rate_per_s, workers=2),
        Case(with_pacing("eco", 2), high_rate_per_s, workers=2),
        # Where generator and target share the cores, a freeze of one by the other asks for connections by the
        # thousand; a cap, which a user who knows the target would set, shows what the sending itself can do.
        Case(with_pacing("eco", 2, CAP), high_rate_per_s, workers=2),
        *(Case(peer, high_rate_per_s) for peer in PEERS if peer.open_loop),
    ]


def run(case: Case, nginx: Nginx, folder: Path, duration_s: int, cores: list[int]) -> str:
    """One line of the table."""
    title = f"{case.peer.name:<14} {case.rate_per_s:>8,} {case.workers:>3}"
    binary = case.peer.find()
    if binary is None:
        return f"{title} missing"
    assert case.peer.open_loop is not None
    folder.mkdir()
    task = Task(nginx.url, 50, duration_s, folder, case.rate_per_s)
    command = case.peer.open_loop(binary, task)
    before = nginx.requests_handled()
    cost = run_pinned(command, cores, case.peer.environment)
    achieved = (nginx.requests_handled() - before) / duration_s
    if cost.exit_code not in case.peer.exit_codes:
        return (
            f"{title} exit code {cost.exit_code}: {(cost.output.strip().splitlines() or ['no output'])[-1]}"
        )
    if case.peer.binary != "loadgen":
        return f"{title} {achieved:>9,.0f} {'–':>7} {'–':>8} {'–':>8} {cost.cpu_s / duration_s:>8.1%}"
    summary = loadgen_summary(task)
    lateness = summary["latency"]["lateness"]
    late_us = [
        "–" if lateness[field] is None else f"{lateness[field] * 1000:,.0f}"
        for field in ("p50_ms", "p99_ms", "max_ms")
    ]
    cpu = loadgen_worker_cpu_s(task) / case.workers / duration_s
    verdict = summary["generator"]["verdict"]
    return f"{title} {achieved:>9,.0f} {late_us[0]:>7} {late_us[1]:>8} {late_us[2]:>8} {cpu:>8.1%}  {verdict}"


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
    print(f"{'':<14} {'asked':>8} {'':>3} {'achieved':>9} {'':>16}{'lateness':>9}")
    print(f"{'generator':<14} {'req/s':>8} {'w':>3} {'req/s':>9} ", end="")
    print(f"{'p50':>7} {'p99':>8} {'max':>8} {'CPU':>8}  verdict")
    with (
        tempfile.TemporaryDirectory() as folder,
        Nginx(Path(folder) / "nginx", access_log=False, core=cores[-1]) as nginx,
    ):
        for number, case in enumerate(cases(arguments.rate, arguments.high_rate)):
            on_cores = cores[:1] if case.workers == 1 else free_cores
            print(run(case, nginx, Path(folder) / f"run-{number}", arguments.duration, on_cores), flush=True)


if __name__ == "__main__":
    main()
