"""loadgen by itself: the embedded target as a process of its own, its counts, and a run with its summary."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.measure import pinned_to, run_pinned
from tests.support.ports import raised_descriptor_limit

LOADGEN = str(Path(sys.executable).with_name("loadgen"))
# A target that sends no events.
QUIET = [f"--feed={channel}=0" for channel in ("blocks", "transactions", "network_stats")]


@contextmanager
def target(core: int, *options: str) -> Iterator[str]:
    """The embedded target; its URL, without a path."""
    command = [sys.executable, "-m", "loadgen", "target", "--port", "0", *options]
    with pinned_to([core]), raised_descriptor_limit():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1].strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def stats(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/ws/stats") as response:  # noqa: S310 - our own target
        return json.load(response)


def alone(url: str, options: list[str], cores: list[int]) -> dict[str, Any]:
    """A run of loadgen's, and its summary."""
    with tempfile.TemporaryDirectory() as folder:
        command = [LOADGEN, "ws", url, *options, "--no-live", "--out", f"{folder}/run"]
        cost = run_pinned(command, cores)
        print(cost.output)
        summary: dict[str, Any] = json.loads((Path(folder) / "run" / "summary.json").read_text())
    return summary
