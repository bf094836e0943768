"""A scenario file as a user writes and runs it, and what the run said of it. Knows nothing of the API."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.command import CommandResult, Loadgen, RunningCommand

NAME = "scenario.py"
ONE_WORKER = ("--workers", "1", "--drain", "5s")
CLOSED = ("--users", "2", "--duration", "400ms", *ONE_WORKER)
# Long enough for a slow machine to start workers; a run that takes this long hangs.
PATIENCE_S = 25.0


@dataclass(frozen=True)
class Told:
    """A finished run of a script: its result, and whether it speaks of the user's own lines."""

    result: CommandResult
    source: str

    @property
    def exit_code(self) -> int:
        return self.result.exit_code

    @property
    def summary(self) -> dict[str, Any]:
        return self.result.summary

    @property
    def events(self) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in (self.result.run_folder / "events.jsonl").read_text().splitlines()
        ]

    @property
    def text(self) -> str:
        """All it said, on one line: where words wrap is not what is asked."""
        return " ".join((self.result.stdout + self.result.stderr).split())

    def assert_says(self, *words: str) -> None:
        for word in words:
            assert word in self.text, f"{word!r} is not said\n{self.result}"

    def assert_points_at(self, code: str, *, quoted: bool = True) -> None:
        """The file, the number and the text of the line that holds `code`; never the insides of loadgen."""
        (found,) = [
            (number, line.strip()) for number, line in enumerate(self.source.splitlines(), 1) if code in line
        ]
        number, line = found
        self.assert_says(f"{NAME}:{number}", *([" ".join(line.split())] if quoted else []))
        self.assert_is_no_traceback()

    def assert_is_no_traceback(self) -> None:
        assert "Traceback" not in self.text, self.result
        assert "site-packages" not in self.text and "python/loadgen/" not in self.text, self.result

    def assert_iterations_balance(self) -> dict[str, int]:
        """The identities of a scripted run, with zero tolerance. Returns the arrivals: iterations."""
        arrivals: dict[str, int] = self.summary["arrivals"]
        requests = self.summary["requests"]
        begun = arrivals["sent"]
        assert arrivals["scheduled"] == begun + arrivals["dropped"] + arrivals["cancelled"], self.result
        assert begun == arrivals["completed"] + arrivals["failed"] + arrivals["unfinished"], self.result
        ended = requests["ok"] + requests["failed"]
        assert requests["total"] >= ended, self.result
        assert sum(requests["status"].values()) + sum(requests["errors"].values()) == ended, self.result
        return arrivals


class Scripts:
    """Writes scripts into folders of their own and runs them there, as `loadgen run scenario.py`."""

    def __init__(self, loadgen: Loadgen, folder: Path) -> None:
        self._loadgen = loadgen
        self._folder = folder
        self._written = 0

    def start(self, source: str, *options: str) -> RunningCommand:
        self._written += 1
        folder = self._folder / f"script-{self._written}"
        folder.mkdir(parents=True)
        (folder / NAME).write_text(textwrap.dedent(source))
        return self._loadgen.start("run", NAME, *options, folder=folder)

    def __call__(self, source: str, *options: str) -> Told:
        return self.end(self.start(source, *options))

    def end(self, running: RunningCommand) -> Told:
        """Waits for the end of a run; one that hangs fails here."""
        return Told(running.wait(PATIENCE_S), (running.folder / NAME).read_text())
