"""A real server as a child process: started from a list, awaited, stopped by its own id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support.ports import raised_descriptor_limit, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

START_S = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """One request as a server saw it. `connection` is the same for all that came on one connection."""

    connection: int
    method: str
    uri: str
    status: int
    protocol: str


class ServerProcess:
    """Both of its streams go to a file, so that it never waits for the test. Use it as a context manager."""

    def __init__(
        self, command: Sequence[str], folder: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._command = command
        self._output = folder / "output.log"
        with self._output.open("wb") as output, raised_descriptor_limit():
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def await_port(self, port: int) -> None:
        """Until it listens there."""
        if not wait_until_listening(port, still_alive=lambda: self.alive, timeout_s=START_S):
            self._give_up(f"nobody listens on port {port}")

    def await_line(self, pattern: str) -> re.Match[str]:
        """Until it has written this; for a server that chose its port itself and says which."""
        give_up_at = time.monotonic() + START_S
        while not (match := re.search(pattern, self.output())):
            if not self.alive or time.monotonic() > give_up_at:
                self._give_up(f"no line with {pattern!r}")
            time.sleep(0.01)
        return match

    def stop(self) -> None:
        """Ends it as an administrator would; what it answered is then in its log. May be called twice."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
            raise

    def _give_up(self, complaint: str) -> None:
        self._process.kill()
        self._process.wait(10)
        raise RuntimeError(f"{self._command[0]} did not start: {complaint}\n{self.output()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
