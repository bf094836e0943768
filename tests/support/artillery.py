"""An Artillery script as a user writes and runs it with `loadgen run`, and what the run said of it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tests.support.scripts import PATIENCE_S, Told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.command import Loadgen

ONE_WORKER = ("--workers", "1", "--drain", "5s")


class Artillery:
    """`artillery(text, "-t", url)` writes the script, runs it to its end and returns what it told."""

    def __init__(self, loadgen: Loadgen, folder: Path) -> None:
        self._loadgen = loadgen
        self.folder = folder
        folder.mkdir()

    def file(self, name: str, text: str) -> Path:
        """A file beside the script."""
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    def __call__(
        self,
        text: str,
        *arguments: str,
        name: str = "test.yml",
        environment: Mapping[str, str] | None = None,
    ) -> Told:
        path = self.file(name, text)
        result = self._loadgen(
            *("run", str(path), *ONE_WORKER, *arguments), environment=environment, timeout_s=PATIENCE_S
        )
        return Told(result, path.read_text())
