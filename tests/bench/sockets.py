"""What a WebSocket costs: loadgen beside k6 and Artillery on one embedded target, and loadgen by itself.

    python -m tests.bench.sockets --pairs 3 --duration 10
    python -m tests.bench.sockets --only crowd --sockets 30000 --duration 60

The target, one process, on the last core, the tools on the first, in turns. Messages and sockets are counted
by the target, for all alike.

    memory     resident memory of the whole tool with 1,000 idle sockets, less that with 10, for each socket
    messages   500 sockets whose messages come back: CPU time for each; of more than the tool can send, and of
               what it sends on time
    connects   sockets that are opened, then closed: CPU time for each
    events     500 sockets that have subscribed, and read what comes: CPU time for each that is delivered
    bare       what the system takes of a client that makes one call for each of these, and does nothing else:
               `cargo build --release --example ws_floor` makes its rows
    crowd      loadgen alone: sockets that are held and pinged. Where one process may not have descriptors
               enough, several workers hold them, to several processes of Node's `ws` on one port
    fan-out    loadgen alone: 100 messages a second to 1,000 subscribers
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.alone import alone, stats, target
from tests.bench.crowd import crowd
from tests.bench.measure import available_cores, machine, run_pinned, start_pinned
from tests.support.processes import children_of

MESSAGE = '{"op":"echo","text":"0123456789012345678901234567890123456789"}'
BATCH = 500
FLOOR = Path(__file__).parents[2] / "target/release/examples/ws_floor"


@dataclass(frozen=True, slots=True)
class Task:
    """What a tool is asked to do: sockets at a rate, held for so long, each with messages at a rate."""

    url: str
    sockets: int
    connect_rate_per_s: int
    hold_s: int
    each_per_s: int
    folder: Path
    subscribe: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """One load generator."""

    name: str
    binary: str
    command: Callable[[str, Task], list[str]]
    each_per_s: int
    """Messages from each of 500 sockets: more than a core of it can send."""
    on_time_per_s: int
    """The same, less than that."""
    events_per_s: int
    """Events to each of 500 sockets: less than a core of it can read."""
    connects: tuple[int, int]
    """Sockets, and how many of them in a second: not more than it can open."""

    def find(self) -> str | None:
        if self.binary == "loadgen":
            beside = Path(sys.executable).with_name("loadgen")
            return str(beside) if beside.exists() else None
        return shutil.which(self.binary, path=os.environ.get("LOADGEN_PEERS", "")) or shutil.which(
            self.binary
        )


def loadgen(binary: str, task: Task, pacing: str = "hybrid") -> list[str]:
    sends = ["--send", MESSAGE, "--send-rate-each", f"{task.each_per_s}/s", "--expect", "any"]
    return [
        *(binary, "ws", task.url, "--connections", str(task.sockets)),
        *("--connect-rate", f"{task.connect_rate_per_s}/s", "--hold", f"{task.hold_s}s"),
        *(sends if task.each_per_s else []),
        *(["--subscribe", task.subscribe] if task.subscribe else []),
        *("--pacing", pacing, "--workers", "1", "--no-live", "--out", str(task.folder / "run")),
    ]


def k6(binary: str, task: Task) -> list[str]:
    """A user holds its socket for one iteration, as the documentation does it; they begin over the ramp."""
    ramp_s = task.sockets / task.connect_rate_per_s
    sends = (
        f"socket.setInterval(() => socket.send({MESSAGE!r}), {1000 // task.each_per_s});"
        if task.each_per_s
        else ""
    )
    if task.subscribe:
        sends = f"socket.send({task.subscribe!r});"
    script = task.folder / "script.js"
    options = {
        "vus": task.sockets,
        "iterations": task.sockets,
        "maxDuration": "10m",
        "executor": "per-vu-iterations",
    }
    options |= {"iterations": 1}
    script.write_text(
        'import ws from "k6/ws";\nimport { sleep } from "k6";\n'
        f"export const options = {json.dumps({'scenarios': {'load': options}})};\n"
        "export default function () {\n"
        f"  sleep({ramp_s} * (__VU - 1) / {task.sockets});\n"
        f'  ws.connect("{task.url}", {{}}, (socket) => {{\n'
        f'    socket.on("open", () => {{ {sends} }});\n'
        '    socket.on("message", () => {});\n'
        f"    socket.setTimeout(() => socket.close(), {task.hold_s * 1000 or 1});\n"
        "  });\n}\n"
    )
    return [binary, "run", "--quiet", "--no-usage-report", "--no-color", str(script)]


def artillery(binary: str, task: Task) -> list[str]:
    """A virtual user is a socket; its flow sends and thinks in turns."""
    flow: list[dict[str, Any]] = [{"think": max(task.hold_s, 0.001)}]
    if task.each_per_s:
        step = [{"send": MESSAGE}, {"think": 1 / task.each_per_s}]
        flow = [{"loop": step, "count": task.hold_s * task.each_per_s}]
    if task.subscribe:
        flow.insert(0, {"send": task.subscribe})
    script = task.folder / "script.json"
    ramp_s = max(1, round(task.sockets / task.connect_rate_per_s))
    phases = [{"duration": ramp_s, "arrivalRate": task.sockets / ramp_s}]
    script.write_text(
        json.dumps(
            {"config": {"target": task.url, "phases": phases}, "scenarios": [{"engine": "ws", "flow": flow}]}
        )
    )
    return [binary, "run", "--quiet", str(script)]


TOOLS = [
    Tool("loadgen", "loadgen", loadgen, 2000, 100, 200, (10_000, 2000)),
    Tool("loadgen, eco", "loadgen", partial(loadgen, pacing="eco"), 2000, 100, 200, (10_000, 2000)),
    Tool("k6", "k6", k6, 200, 40, 40, (1000, 500)),
    Tool("Artillery", "artillery", artillery, 50, 10, 20, (1000, 200)),
]


def tree_rss_mb(pid: int) -> float:
    """Resident memory of a process and all below it, shared pages counted once for each."""
    total, left = 0.0, [pid]
    while left:
        one = left.pop()
        try:
            left += children_of(one)
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) / 1024
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def idle_mb(tool: Tool, binary: str, url: str, sockets: int) -> float:
    """The most memory that a tool takes while so many sockets are open."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        task = Task(f"{url.replace('http', 'ws')}/ws/echo", sockets, 500, 5, 0, Path(folder))
        process = start_pinned(tool.command(binary, task), available_cores()[:1], output.fileno())
        most = 0.0
        while process.poll() is None:
            most = max(most, tree_rss_mb(process.pid))
            time.sleep(0.2)
    return most


def message_us(tool: Tool, binary: str, url: str, each_per_s: int, duration_s: int) -> float:
    """CPU time for each message that went to the target and came back."""
    with tempfile.TemporaryDirectory() as folder:
        task = Task(f"{url.replace('http', 'ws')}/ws/echo", BATCH, 500, duration_s, each_per_s, Path(folder))
        before = stats(url)["messages"]["sent"]
        cost = run_pinned(tool.command(binary, task), available_cores()[:1])
        done: int = stats(url)["messages"]["sent"] - before
        return cost.cpu_s / max(1, done) * 1e6


def event_us(command: Callable[[Task], list[str]], events_per_s: int, duration_s: int) -> float:
    """CPU time for each event that was delivered. Until all have subscribed, others have events already."""
    feed = [f"--feed=blocks={events_per_s}/s", "--feed=transactions=0", "--feed=network_stats=0"]
    with tempfile.TemporaryDirectory() as folder, target(available_cores()[-1], *feed) as url:
        subscribe = '{"op":"subscribe","id":"1","channel":"blocks"}'
        task = Task(
            f"{url.replace('http', 'ws')}/ws/feed", BATCH, 500, duration_s, 0, Path(folder), subscribe
        )
        cost = run_pinned(command(task), available_cores()[:1])
        done: int = stats(url)["channels"]["blocks"]["delivered"]
        return cost.cpu_s / max(1, done) * 1e6


def floor(task: Task) -> list[str]:
    """What the system alone takes of that."""
    return [str(FLOOR), task.url.split("/")[2], str(task.hold_s)]


def connect_us(tool: Tool, binary: str, url: str) -> float:
    """CPU time for each socket that was opened and closed."""
    with tempfile.TemporaryDirectory() as folder:
        task = Task(f"{url.replace('http', 'ws')}/ws/echo", *tool.connects, 0, 0, Path(folder))
        before = stats(url)["connections"]["opened"]
        cost = run_pinned(tool.command(binary, task), available_cores()[:1])
        done: int = stats(url)["connections"]["opened"] - before
        return cost.cpu_s / max(1, done) * 1e6


def compare(pairs: int, duration_s: int) -> None:
    """Every tool that is there, in turns."""
    here = [(tool, binary) for tool in TOOLS if (binary := tool.find())]
    for tool in TOOLS:
        if tool not in [one for one, _ in here]:
            print(f"{tool.name} is not here: its rows are missing")
    figures: dict[tuple[str, str], list[float]] = {}
    with target(available_cores()[-1]) as url:
        for _ in range(pairs):
            for tool, binary in here:
                few, many = (idle_mb(tool, binary, url, sockets) for sockets in (10, 1000))
                echo_us = partial(message_us, tool, binary, url, duration_s=duration_s)
                for what, figure in (
                    ("memory for an idle socket, kB", (many - few) / 0.99),
                    ("CPU for a message, all it can send, µs", echo_us(each_per_s=tool.each_per_s)),
                    ("CPU for a message, sent on time, µs", echo_us(each_per_s=tool.on_time_per_s)),
                    ("CPU for a socket opened and closed, µs", connect_us(tool, binary, url)),
                    (
                        "CPU for an event delivered, µs",
                        event_us(partial(tool.command, binary), tool.events_per_s, duration_s),
                    ),
                ):
                    figures.setdefault((what, tool.name), []).append(figure)
            if FLOOR.exists():
                bare = run_pinned([str(FLOOR), url.partition("//")[2]], available_cores()[:1]).output.split()
                for what, figure in (
                    ("CPU for a message, sent on time, µs", float(bare[0])),
                    ("CPU for a socket opened and closed, µs", float(bare[1])),
                    ("CPU for an event delivered, µs", event_us(floor, TOOLS[0].events_per_s, duration_s)),
                ):
                    figures.setdefault((what, "bare"), []).append(figure)
    own = {what: statistics.median(values) for (what, name), values in figures.items() if name == "loadgen"}
    print(f"{'':55}{'median':>10}{'least':>10}{'most':>10}   of loadgen's")
    for (what, name), values in sorted(figures.items()):
        middle = statistics.median(values)
        ratio = f"{middle / own[what]:10.1f}" if own.get(what) else ""
        print(f"{what + ': ' + name:55}{middle:10.1f}{min(values):10.1f}{max(values):10.1f}{ratio}")


def fan_out(duration_s: int) -> None:
    """One message to a thousand, a hundred times a second."""
    feed = ["--feed=blocks=100/s", "--feed=transactions=0", "--feed=network_stats=0"]
    with target(available_cores()[-1], *feed) as url:
        options = [
            *("--connections", "1000", "--connect-rate", "1000/s", "--hold", f"{duration_s}s"),
            *("--subscribe", '{"op":"subscribe","id":"{{uuid}}","channel":"blocks"}'),
            *("--correlate", "id", "--stamp", "ts_ns:ns", "--sequence", "seq", "--channel", "channel"),
            *("--workers", "1"),
        ]
        summary = alone(f"{url.replace('http', 'ws')}/ws/feed", options, available_cores()[:1])
        counts = stats(url)["channels"]["blocks"]
    print("the target:", json.dumps(counts))
    print("loadgen:   ", json.dumps(summary["sockets"]["delivery"]))
    cpu_s = sum(worker["cpu_s"] for worker in summary["workers"])
    print(f"CPU for a delivery: {cpu_s / max(1, counts['delivered']) * 1e6:.2f} µs of the worker")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--duration", type=int, default=10)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--only", choices=["compare", "crowd", "fan-out"])
    chosen = parser.parse_args()
    print(machine())
    if chosen.only in (None, "compare"):
        compare(chosen.pairs, chosen.duration)
    if chosen.only in (None, "crowd"):
        crowd(chosen.sockets, chosen.duration)
    if chosen.only in (None, "fan-out"):
        fan_out(chosen.duration)


if __name__ == "__main__":
    main()
