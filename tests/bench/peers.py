"""The load generators that can be compared: where each is found, how a load is asked of it, what it says.

Every peer runs as its users run it, with as many threads as one core deserves. Its own count of completed
requests is a cross-check only; the requests that enter a figure are counted by nginx, for all alike.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Task:
    """What every peer is asked to do.

    Without a rate it is a closed loop: each connection sends when its last answer is there.
    """

    url: str
    connections: int
    duration_s: int
    folder: Path
    """An empty folder for whatever the peer reads or writes."""
    rate_per_s: int | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """One load generator, in one of its modes."""

    name: str
    binary: str
    closed_loop: Callable[[str, Task], list[str]] | None
    """Binary and task to the command line; None where the peer cannot."""
    open_loop: Callable[[str, Task], list[str]] | None = None
    completed: Callable[[str, Task], int] | None = None
    """Its output (stdout and stderr) and the task to the requests it says it completed in a closed loop."""
    worker_cpu_s: Callable[[Task], float] | None = None
    """CPU time of the processes that send, where the peer has others and tells them apart."""
    environment: dict[str, str] = field(default_factory=dict)
    exit_codes: tuple[int, ...] = (0,)
    """Those that come with a result."""

    def find(self) -> str | None:
        """In the folder $LOADGEN_PEERS, else on PATH; loadgen itself beside the Python that runs this."""
        if self.binary == "loadgen":
            beside = Path(sys.executable).with_name("loadgen")
            return str(beside) if beside.exists() else None
        return shutil.which(self.binary, path=os.environ.get("LOADGEN_PEERS", "")) or shutil.which(
            self.binary
        )


def first_number(pattern: str) -> Callable[[str, Task], int]:
    def completed(output: str, _: Task) -> int:
        match = re.search(pattern, output, re.MULTILINE)
        if match is None:
            raise ValueError(f"no match for {pattern!r} in:\n{output}")
        return int(match[1])

    return completed


def wrk(binary: str, task: Task) -> list[str]:
    return [binary, "-t1", f"-c{task.connections}", f"-d{task.duration_s}s", task.url]


def wrk2(binary: str, task: Task) -> list[str]:
    return [binary, "-t1", f"-c{task.connections}", f"-d{task.duration_s}s", f"-R{task.rate_per_s}", task.url]


def hey(binary: str, task: Task) -> list[str]:
    return [binary, "-cpus", "1", "-c", str(task.connections), "-z", f"{task.duration_s}s", task.url]


def ab(binary: str, task: Task) -> list[str]:
    # It sets aside 32 bytes for each request that -n allows, and -t alone means -n 50000: allow more than one
    # core can send. -r goes on after a socket error; a URL without a path is refused.
    limits = ["-t", str(task.duration_s), "-n", str(task.duration_s * 500_000)]
    return [binary, "-k", "-q", "-r", "-c", str(task.connections), *limits, f"{task.url}/"]


def h2load(binary: str, task: Task) -> list[str]:
    return [binary, "--h1", "-t1", f"-c{task.connections}", "-D", str(task.duration_s), task.url]


def oha(binary: str, task: Task) -> list[str]:
    rate = [] if task.rate_per_s is None else ["-q", str(task.rate_per_s), "--latency-correction"]
    return [binary, "--no-tui", "-c", str(task.connections), "-z", f"{task.duration_s}s", *rate, task.url]


def vegeta(binary: str, task: Task) -> list[str]:
    targets = task.folder / "targets"
    targets.write_text(f"GET {task.url}\n")
    users = str(task.connections)
    load = (
        ["-rate=0", f"-max-workers={users}", f"-workers={users}", f"-connections={users}"]
        if task.rate_per_s is None
        else [f"-rate={task.rate_per_s}"]
    )
    files = [f"-targets={targets}", f"-output={task.folder / 'results.bin'}"]
    return [binary, "-cpus=1", "attack", f"-duration={task.duration_s}s", *load, *files]


def k6(binary: str, task: Task) -> list[str]:
    duration = f"{task.duration_s}s"
    executor: dict[str, Any] = (
        {"executor": "constant-vus", "vus": task.connections, "duration": duration}
        if task.rate_per_s is None
        else {
            "executor": "constant-arrival-rate",
            "rate": task.rate_per_s,
            "duration": duration,
            "preAllocatedVUs": task.connections,
        }
    )
    options = {"discardResponseBodies": True, "scenarios": {"load": executor}}
    script = task.folder / "script.js"
    script.write_text(
        'import http from "k6/http";\n'
        f"export const options = {json.dumps(options)};\n"
        f'export default function () {{ http.get("{task.url}"); }}\n'
    )
    return [binary, "run", "--quiet", "--no-usage-report", "--no-color", str(script)]


def loadgen(
    reactor: str, pacing: str = "hybrid", workers: int = 1, cap: int | None = None
) -> Callable[[str, Task], list[str]]:
    def command(binary: str, task: Task) -> list[str]:
        load = (
            ["--users", str(task.connections)]
            if task.rate_per_s is None
            else ["--tps", str(task.rate_per_s), "--pacing", pacing]
        )
        machinery = ["--workers", str(workers), "--reactor", reactor]
        machinery += [] if cap is None else ["--connections", str(cap)]
        output = ["--no-live", "--out", str(task.folder / "run")]
        return [binary, "blast", *load, "--duration", f"{task.duration_s}s", *machinery, *output, task.url]

    return command


def loadgen_summary(task: Task) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((task.folder / "run" / "summary.json").read_text())
    return summary


def loadgen_completed(_: str, task: Task) -> int:
    return int(loadgen_summary(task)["requests"]["ok"])


def loadgen_worker_cpu_s(task: Task) -> float:
    return sum(float(worker["cpu_s"]) for worker in loadgen_summary(task)["workers"])


def loadgen_peer(reactor: str) -> Peer:
    return Peer(
        f"loadgen-{reactor}",
        "loadgen",
        loadgen(reactor),
        completed=loadgen_completed,
        worker_cpu_s=loadgen_worker_cpu_s,
        # 3: the generator was the limit, which is the point of keeping its core busy.
        exit_codes=(0, 3),
    )


PEERS = [
    loadgen_peer("uring"),
    loadgen_peer("epoll"),
    Peer("wrk", "wrk", wrk, completed=first_number(r"(\d+) requests in ")),
    Peer("wrk2", "wrk2", None, wrk2),
    Peer("hey", "hey", hey, completed=first_number(r"\[200\]\s+(\d+) responses")),
    Peer("ab", "ab", ab, completed=first_number(r"^Complete requests:\s+(\d+)")),
    Peer("h2load", "h2load", h2load, completed=first_number(r"^requests: .* (\d+) succeeded")),
    Peer(
        "oha",
        "oha",
        oha,
        oha,
        completed=first_number(r"\[200\]\s+(\d+) responses"),
        environment={"TOKIO_WORKER_THREADS": "1"},
    ),
    Peer("vegeta", "vegeta", vegeta, vegeta),
    Peer(
        "k6",
        "k6",
        k6,
        k6,
        completed=first_number(r"http_reqs\.*: (\d+)"),
        environment={"GOMAXPROCS": "1"},
    ),
]
