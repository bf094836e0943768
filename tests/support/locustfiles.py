"""A Locust file as a user writes and runs it: with `loadgen locust`, or `loadgen run` by its name."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.command import CommandResult, Loadgen

# One user that does its task once: what it sends is sent in order, and no more often.
ONCE = """
from locust import FastHttpUser, HttpUser, constant, events, task

class One({kind}):
    wait_time = constant(600)

    @task
    def once(self):
        try:
            self.do()
        finally:
            self.environment.runner.quit()

    def do(self):
{lines}
"""


@dataclass(frozen=True)
class Locusted:
    """A finished run of a Locust file."""

    result: CommandResult
    folder: Path

    @property
    def exit_code(self) -> int:
        return self.result.exit_code

    @property
    def labels(self) -> dict[str, tuple[int, int]]:
        """Of each label of requests: how many ended, how many of them failed."""
        found = {}
        for label in self.result.summary["labels"]:
            if label["kind"] in ("request", "operation"):
                requests = label["requests"]
                found[label["label"]] = (requests["ok"] + requests["failed"], requests["failed"])
        return found

    @property
    def failures(self) -> dict[str, str]:
        """Name to error, where each name failed in one way."""
        return {one["name"]: one["error"] for one in self.result.summary["script"]["failures"]}

    @property
    def errors(self) -> list[str]:
        return [one["error"] for one in self.result.summary["script"]["errors"]]

    @property
    def printed(self) -> list[str]:
        """What the file printed, by line."""
        events = (self.result.run_folder / "events.jsonl").read_text().splitlines()
        return [event["text"] for line in events if (event := json.loads(line)).get("event") == "script"]

    def table(self, name: str) -> list[dict[str, str]]:
        """One of the CSV files."""
        text = (self.folder / name).read_text()
        return list(csv.DictReader(io.StringIO(text)))


class Locustfiles:
    """Runs them, each in a folder of its own."""

    def __init__(self, loadgen: Loadgen, folder: Path) -> None:
        self._loadgen = loadgen
        self._folder = folder
        self._runs = 0

    def run(
        self,
        source: str,
        *arguments: str,
        command: tuple[str, ...] = ("locust", "--headless", "--only-summary"),
        beside: dict[str, str] | None = None,
        **options: Any,
    ) -> Locusted:
        """Runs `loadgen locust` where `source` is the locustfile.py, and other files lie beside it."""
        self._runs += 1
        folder = self._folder / f"locust-{self._runs}"
        for name, text in {"locustfile.py": source, **(beside or {})}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return Locusted(self._loadgen(*command, *arguments, folder=folder, **options), folder)

    def do(self, kind: str, body: str, host: str, *arguments: str, **options: Any) -> Locusted:
        """What one user does, once; `kind` is HttpUser or FastHttpUser."""
        lines = textwrap.indent(textwrap.dedent(body).strip(), "        ")
        source = ONCE.format(kind=kind, lines=lines)
        return self.run(source, "-H", host, "-t", "20s", *arguments, **options)
