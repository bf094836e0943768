"""What loadgen keeps in memory: a worker with 1,000 connections, and a run over time.

    python -m tests.bench.memory --duration 600

Resident memory is read from /proc while the run goes on, so that growth is seen and not only the highest
point. It counts pages that processes share, the interpreter's own among them, in full.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.measure import available_cores, machine, start_pinned
from tests.bench.peers import PEERS, Task, loadgen, loadgen_summary
from tests.support.nginx import Nginx
from tests.support.processes import children_of

CONNECTIONS = 1_000
MEGABYTE_KB = 1024


@dataclass(slots=True)
class Watched:
    """Resident memory of one process over the run: seconds since the start, megabytes."""

    name: str
    samples: list[tuple[float, float]] = field(default_factory=list)

    def at(self, share: float) -> float:
        """When this share of the run was over, 0 to 1."""
        last_s = self.samples[-1][0]
        return next(megabytes for at_s, megabytes in self.samples if at_s >= last_s * share)

    def highest(self) -> float:
        return max(megabytes for _, megabytes in self.samples)


def resident_mb(pid: int) -> float | None:
    """None once the process has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / MEGABYTE_KB
    return None


def workers_of(pid: int) -> list[int]:
    try:
        return [
            child
            for child in children_of(pid)
            if b"worker_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def watch(process: subprocess.Popen[bytes], interval_s: float) -> list[Watched]:
    """Samples the command and its workers until no worker is left."""
    watched = {process.pid: Watched("parent")}
    started = time.monotonic()
    sending = False
    while process.poll() is None:
        workers = workers_of(process.pid)
        if sending and not workers:
            break
        for worker in workers:
            if worker not in watched:
                watched[worker] = Watched(f"worker {len(watched) - 1}")
        sending = bool(workers)
        if sending:
            for pid, process_memory in watched.items():
                megabytes = resident_mb(pid)
                if megabytes is not None:
                    process_memory.samples.append((time.monotonic() - started, megabytes))
        time.sleep(interval_s)
    return [process_memory for process_memory in watched.values() if process_memory.samples]


def run(task: Task, workers: int, cores: list[int]) -> list[Watched]:
    peer = next(peer for peer in PEERS if peer.binary == "loadgen")
    binary = peer.find()
    if binary is None:
        raise SystemExit("loadgen is not installed beside this Python: run `make build`")
    task.folder.mkdir()
    command = loadgen("auto", workers=workers)(binary, task)
    with tempfile.TemporaryFile() as output:
        process = start_pinned(command, cores, output.fileno())
        watched = watch(process, interval_s=min(0.2, task.duration_s / 20))
        if process.wait() not in peer.exit_codes:
            output.seek(0)
            raise SystemExit(output.read().decode(errors="replace"))
    return watched


def main() -> None:
    parser = argparse.ArgumentParser(description="Resident memory of loadgen.")
    parser.add_argument("--duration", type=int, default=60, help="seconds of the run over time (%(default)s)")
    parser.add_argument(
        "--rate", type=int, default=20_000, help="requests a second in that run (%(default)s)"
    )
    parser.add_argument("--connections-duration", type=int, default=5, help="seconds with 1,000 connections")
    arguments = parser.parse_args()
    cores = available_cores()
    print(machine())

    with tempfile.TemporaryDirectory() as folder, Nginx(Path(folder) / "nginx", access_log=False) as nginx:
        task = Task(nginx.url, CONNECTIONS, arguments.connections_duration, Path(folder) / "connections")
        print(f"\nOne worker, {CONNECTIONS:,} connections for {task.duration_s} s: highest resident memory")
        for process in run(task, 1, cores):
            print(f"{process.name:<12} {process.highest():>8.1f} MB")
        print(f"requests that failed: {loadgen_summary(task)['requests']['failed']}")

        task = Task(nginx.url, 50, arguments.duration, Path(folder) / "over-time", arguments.rate)
        print(
            f"\nOne worker, {arguments.rate:,} requests/s for {arguments.duration} s: resident memory in MB"
        )
        print(f"{'share of the run':<18} {'10 %':>8} {'25 %':>8} {'50 %':>8} {'75 %':>8} {'100 %':>8}")
        for process in run(task, 1, cores):
            row = " ".join(f"{process.at(share):>8.2f}" for share in (0.1, 0.25, 0.5, 0.75, 1.0))
            print(f"{process.name:<18} {row}   grew {process.at(1.0) - process.at(0.1):+.2f}")


if __name__ == "__main__":
    main()
