"""Runs one command on chosen cores and says what it cost. Knows nothing of what the command does."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.ports import raised_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Cost:
    """A finished command. `cpu_s` is the user and system time of its whole process tree, from wait4()."""

    exit_code: int
    output: str
    wall_s: float
    cpu_s: float
    others_cpu_s: float
    """CPU time that anything else took from the same cores meanwhile: the noise in the figure."""


def available_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


@contextlib.contextmanager
def pinned_to(cores: list[int]) -> Iterator[None]:
    """Children started inside run on these cores only; this process gets its own back."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start_pinned(
    command: list[str], cores: list[int], output: int, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    with pinned_to(cores), raised_descriptor_limit():
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )


def run_pinned(command: list[str], cores: list[int], environment: Mapping[str, str] | None = None) -> Cost:
    """The command run to its end. Its output goes to a file: nobody has to read while it runs."""
    with tempfile.TemporaryFile() as output:
        busy_before_s = _busy_seconds(cores)
        started = time.monotonic()
        process = start_pinned(command, cores, output.fileno(), environment)
        # wait4() speaks of the process and of all descendants that it waited for.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - started
        cpu_s = usage.ru_utime + usage.ru_stime
        others_cpu_s = max(0.0, _busy_seconds(cores) - busy_before_s - cpu_s)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Cost(process.returncode, text, wall_s, cpu_s, others_cpu_s)


def machine() -> str:
    """One line that says what the figures were measured on."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {len(available_cores())} cores, Linux {platform.release()}"


def _busy_seconds(cores: list[int]) -> float:
    """Time these cores were not idle, as the kernel accounts it."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, fields)
            ticks += user + nice + system + irq + softirq
    return ticks / os.sysconf("SC_CLK_TCK")
