"""The load generators that `tests.bench.sockets` compares, and how each is told the same."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

MESSAGE = '{"op":"echo","text":"0123456789012345678901234567890123456789"}'


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
class Crowd:
    """Sockets, and how many of them in a second."""

    sockets: int
    rate_per_s: int


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
    idle: Crowd
    """Those that are held."""
    storm: Crowd
    """More in a second than a core of it can open."""
    connects: Crowd
    """Not more than that."""

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


_OURS = (2000, 100, 200, Crowd(10_000, 2000), Crowd(10_000, 50_000), Crowd(10_000, 2000))
TOOLS = [
    Tool("loadgen", "loadgen", loadgen, *_OURS),
    Tool("loadgen, eco", "loadgen", partial(loadgen, pacing="eco"), *_OURS),
    Tool("k6", "k6", k6, 200, 40, 40, Crowd(1000, 500), Crowd(2000, 5000), Crowd(1000, 500)),
    Tool(
        "Artillery", "artillery", artillery, 50, 10, 20, Crowd(2000, 200), Crowd(1000, 500), Crowd(1000, 200)
    ),
]
