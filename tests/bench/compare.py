"""CPU time per request of loadgen and of other load generators, side by side on one nginx.

    python -m tests.bench.compare --peers wrk --pairs 9 --duration 10

nginx answers "hello world" from one process on the last core; the tools run on the first core, one at a
time, in a closed loop. Two tools are compared in pairs of runs that follow each other, and the order turns
from pair to pair, so that what drifts on the machine hits both. A figure is

    CPU time per request = user and system time of the tool / requests that nginx counted meanwhile

"tree" is the time of all of a tool's processes from start to end, interpreter and report included. loadgen's
workers, the processes that send, are given apart; wrk and the others are one process, so theirs is always the
whole. The longer the runs, the nearer the two figures come to each other.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.bench.measure import available_cores, machine, run_pinned
from tests.bench.peers import PEERS, Peer, Task
from tests.support.nginx import Nginx

NOISE_WORTH_A_WORD = 0.05
# In flight when a tool stops: begun, so counted by nginx, but not by the tool. Two rounds are no mistake.
ROUNDS_IN_FLIGHT = 2


class PeerFailedError(Exception):
    """The peer is there but does not do what it was asked."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one tool."""

    requests: int
    load_s: float
    """How long it was asked to send; starting up and telling the result are not in it."""
    wall_s: float
    tree_us: float
    workers_us: float | None
    nginx_us: float
    noise: float
    """CPU time of others on the tool's core, as a share of the run."""

    @property
    def best_known_us(self) -> float:
        """The cost of those processes that send."""
        return self.tree_us if self.workers_us is None else self.workers_us


class Server(Protocol):
    """What counts the requests: nginx, or a server that speaks what it does not."""

    url: str

    def requests_handled(self) -> int: ...
    def cpu_seconds(self) -> float: ...


class Bench:
    """One nginx and one core for the tools."""

    def __init__(self, nginx: Server, folder: Path, connections: int, tool_core: int) -> None:
        self._nginx = nginx
        self._folder = folder
        self._connections = connections
        self._tool_core = tool_core
        self._runs = 0
        self.runs: dict[str, list[Run]] = {}

    def run(self, peer: Peer, duration_s: int, *, keep: bool = True) -> Run:
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        task = Task(self._nginx.url, self._connections, duration_s, folder)
        binary = peer.find()
        assert binary is not None
        assert peer.closed_loop is not None
        command = peer.closed_loop(binary, task)
        handled_before, nginx_before_s = self._nginx.requests_handled(), self._nginx.cpu_seconds()
        cost = run_pinned(command, [self._tool_core], peer.environment)
        nginx_s = self._nginx.cpu_seconds() - nginx_before_s
        requests = self._nginx.requests_handled() - handled_before
        if cost.exit_code not in peer.exit_codes or requests == 0:
            last_words = (cost.output.strip().splitlines() or ["no output"])[-1].strip()
            raise PeerFailedError(f"exit code {cost.exit_code}, {requests} requests: {last_words}")
        if peer.completed is not None:
            completed = peer.completed(cost.output, task)
            if abs(requests - completed) > ROUNDS_IN_FLIGHT * self._connections:
                raise PeerFailedError(f"says {completed} requests, nginx counted {requests}")
        workers_s = peer.worker_cpu_s(task) if peer.worker_cpu_s else None
        run = Run(
            requests=requests,
            load_s=duration_s,
            wall_s=cost.wall_s,
            tree_us=cost.cpu_s / requests * 1e6,
            workers_us=None if workers_s is None else workers_s / requests * 1e6,
            nginx_us=nginx_s / requests * 1e6,
            noise=cost.others_cpu_s / cost.wall_s,
        )
        if keep:
            self.runs.setdefault(peer.name, []).append(run)
        return run

    def pairs(self, subject: Peer, peer: Peer, pairs: int, duration_s: int) -> None:
        """Prints pair by pair; the order turns each time."""
        print(f"\n{subject.name} against {peer.name}: CPU time per request, µs")
        print(f"{'pair':>4} {subject.name + ' tree':>20} {'workers':>8} {peer.name:>14} ", end="")
        print(f"{'tree ratio':>11} {'workers ratio':>14}")
        trees, senders = [], []
        for pair in range(pairs):
            if pair % 2 == 0:
                ours, theirs = self.run(subject, duration_s), self.run(peer, duration_s)
            else:
                theirs, ours = self.run(peer, duration_s), self.run(subject, duration_s)
            trees.append(ours.tree_us / theirs.tree_us)
            senders.append(ours.best_known_us / theirs.best_known_us)
            print(f"{pair + 1:>4} {ours.tree_us:>20.2f} {_or_dash(ours.workers_us):>8} ", end="")
            print(f"{theirs.best_known_us:>14.2f} {trees[-1]:>11.3f} {senders[-1]:>14.3f}", flush=True)
            for name, run in ((subject.name, ours), (peer.name, theirs)):
                if run.noise > NOISE_WORTH_A_WORD:
                    print(
                        f"     others took {run.noise:.0%} of the core from {name}: take this pair with care"
                    )
        print(f"{'median ratio, whole tree':>48} {_median_and_range(trees):>25}")
        print(f"{'median ratio, workers alone':>48} {_median_and_range(senders):>25}")

    def table(self) -> None:
        print("\nMedians over all runs")
        print(f"{'tool':<15} {'requests/s':>10} {'tree':>8} {'workers':>9} {'core used':>10} ", end="")
        print(f"{'nginx':>9} {'runs':>6}")
        print(f"{'':<15} {'':>10} {'µs/req':>8} {'µs/req':>9} {'':>10} {'µs/req':>9}")
        for name, runs in sorted(self.runs.items(), key=lambda item: _median(item[1], "best_known_us")):
            workers = None if runs[0].workers_us is None else _median(runs, "workers_us")
            used = statistics.median(run.tree_us * run.requests / 1e6 / run.wall_s for run in runs)
            rate = statistics.median(run.requests / run.load_s for run in runs)
            print(
                f"{name:<15} {rate:>10,.0f} {_median(runs, 'tree_us'):>8.2f} {_or_dash(workers):>9} ", end=""
            )
            print(f"{used:>10.0%} {_median(runs, 'nginx_us'):>9.2f} {len(runs):>6}")


def _median(runs: list[Run], field: str) -> float:
    values: list[float] = [getattr(run, field) for run in runs]
    return statistics.median(values)


def _median_and_range(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})"


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _chosen(names: str, role: str) -> list[Peer]:
    known = {peer.name: peer for peer in PEERS if peer.closed_loop}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise SystemExit(f"{role}: no such tool: {', '.join(unknown)}. Known: {', '.join(known)}")
    return [known[name] for name in names.split(",")]


def main() -> None:
    subjects = [peer.name for peer in PEERS if peer.binary == "loadgen"]
    others = [peer.name for peer in PEERS if peer.binary != "loadgen" and peer.closed_loop]
    parser = argparse.ArgumentParser(description="CPU time per request, loadgen beside other tools.")
    parser.add_argument(
        "--subjects", default=",".join(subjects), help="compared with each peer (%(default)s)"
    )
    parser.add_argument("--peers", default=",".join(others), help="what they are compared with (%(default)s)")
    parser.add_argument(
        "--pairs", type=int, default=3, help="pairs of runs for each comparison (%(default)s)"
    )
    parser.add_argument("--duration", type=int, default=5, help="seconds a run (%(default)s)")
    parser.add_argument("--connections", type=int, default=50, help="connections (%(default)s)")
    arguments = parser.parse_args()

    cores = available_cores()
    if len(cores) < 2:
        raise SystemExit("two cores are needed, one for nginx and one for the tools")
    tool_core, nginx_core = cores[0], cores[-1]
    chosen_subjects = _chosen(arguments.subjects, "--subjects")
    chosen_peers = _chosen(arguments.peers, "--peers")
    print(f"{machine()}")
    print(
        f"nginx on core {nginx_core}, tools on core {tool_core}, {arguments.connections} connections, ",
        end="",
    )
    print(f"{arguments.duration} s a run")
    print("requests: counted by nginx; CPU: user and system time, tree = all processes of a tool")

    with (
        tempfile.TemporaryDirectory() as folder,
        Nginx(Path(folder) / "nginx", access_log=False, core=nginx_core) as nginx,
    ):
        bench = Bench(nginx, Path(folder), arguments.connections, tool_core)
        working = []
        for peer in [*chosen_subjects, *(peer for peer in chosen_peers if peer not in chosen_subjects)]:
            if peer.find() is None:
                print(f"missing: {peer.name} (put it on PATH or in the folder $LOADGEN_PEERS)")
                continue
            try:
                bench.run(peer, 1, keep=False)
            except PeerFailedError as failure:
                print(f"left out: {peer.name}: {failure}")
            else:
                working.append(peer)
        for subject in chosen_subjects:
            for peer in chosen_peers:
                if subject in working and peer in working and peer is not subject:
                    bench.pairs(subject, peer, arguments.pairs, arguments.duration)
        bench.table()


if __name__ == "__main__":
    main()
