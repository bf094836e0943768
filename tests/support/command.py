"""The command `loadgen` as a user starts it: a process of its own, its streams, its run folder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.support.processes import children_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LOADGEN = Path(sys.executable).with_name("loadgen")


@dataclass(frozen=True)
class CommandResult:
    """What a finished command left behind."""

    command: list[str]
    exit_code: int
    stdout: str
    stderr: str
    folder: Path

    @cached_property
    def run_folder(self) -> Path:
        """The only run folder that the command wrote, wherever --out put it below its working folder."""
        found = [summary.parent for summary in self.folder.rglob("summary.json")]
        assert len(found) == 1, f"expected one run folder, found {found}\n{self}"
        return found[0]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json of that run folder."""
        summary: dict[str, Any] = json.loads((self.run_folder / "summary.json").read_text())
        return summary

    def __str__(self) -> str:
        return (
            f"$ {' '.join(self.command)}\nexit code {self.exit_code}\n"
            f"--- stdout\n{self.stdout}--- stderr\n{self.stderr}---"
        )


class RunningCommand:
    """A command under way. Its streams are read all the time, so it never waits for the test."""

    def __init__(self, command: list[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        self.command = command
        self.folder = folder
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._news = threading.Condition()
        # A session of its own: what a terminal would send to all of its processes reaches no others.
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def worker_pids(self) -> list[int]:
        """Its worker processes that are alive now."""
        return [
            pid
            for pid in children_of(self.pid)
            if b"worker_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def wait_for_workers(self, count: int, timeout_s: float = 10.0) -> list[int]:
        give_up_at = time.monotonic() + timeout_s
        while True:
            workers = [] if self.ended else self.worker_pids()
            if len(workers) == count:
                return workers
            assert not self.ended, f"ended before it had {count} workers\n{self.wait()}"
            assert time.monotonic() < give_up_at, (
                f"{len(workers)} workers instead of {count} after {timeout_s} s"
            )
            time.sleep(0.01)

    def wait_for_line(
        self, pattern: str, *, stream: str = "stdout", timeout_s: float = 15.0
    ) -> re.Match[str]:
        """The first line of the stream that holds the pattern, from the start of the command on."""
        give_up_at = time.monotonic() + timeout_s
        seen = 0
        with self._news:
            while True:
                for line in self._lines[stream][seen:]:
                    seen += 1
                    if match := re.search(pattern, line):
                        return match
                left_s = give_up_at - time.monotonic()
                over = self.ended and not any(reader.is_alive() for reader in self._readers)
                assert left_s > 0 and not over, f"no line with {pattern!r} on {stream}: {self._lines}"
                self._news.wait(min(left_s, 0.1))

    def send_signal(self, number: signal.Signals) -> None:
        """To the command alone, as `kill` does."""
        self._process.send_signal(number)

    def interrupt(self) -> None:
        """Ctrl-C: to the command and all of its children, as a terminal does."""
        os.killpg(self.pid, signal.SIGINT)

    def wait(self, timeout_s: float = 60.0) -> CommandResult:
        try:
            exit_code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            message = f"still running after {timeout_s} s: {' '.join(self.command)}\n{self._lines}"
            raise AssertionError(message) from None
        for reader in self._readers:
            reader.join(timeout=10)
        stdout, stderr = ("".join(self._lines[name]) for name in ("stdout", "stderr"))
        return CommandResult(self.command, exit_code, stdout, stderr, self.folder)

    def kill(self) -> None:
        """SIGKILL to the command and to what is left of its session. May be called when all is over."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(10)
        for reader in self._readers:
            reader.join(timeout=10)

    def _read(self, name: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self._lines[name].append(line)
                    self._news.notify_all()


class Loadgen:
    """Starts commands in folders of their own, so that each leaves exactly one run folder behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[RunningCommand] = []

    def start(
        self, *arguments: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> RunningCommand:
        """The command under way, for tests that watch it or send signals. `environment` is added."""
        if folder is None:
            folder = self._folder / f"command-{len(self._started)}"
            folder.mkdir(parents=True)
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("LOADGEN_") and not name.lower().endswith("_proxy")
        }
        clean |= {"COLUMNS": "80", "PYTHONUNBUFFERED": "1", **(environment or {})}
        running = RunningCommand([str(LOADGEN), *arguments], folder=folder, environment=clean)
        self._started.append(running)
        return running

    def __call__(
        self,
        *arguments: str,
        timeout_s: float = 60.0,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> CommandResult:
        """The command run to its end."""
        return self.start(*arguments, environment=environment, folder=folder).wait(timeout_s)

    def stop(self) -> None:
        for running in self._started:
            running.kill()
