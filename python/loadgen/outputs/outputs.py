"""All outputs of one run, as one observer: readings are made once, here, for each receiver's own queue."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

from loadgen.errors import UsageError
from loadgen.outputs.outlet import Outlet
from loadgen.outputs.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadgen.outputs.output import Output
    from loadgen.progress import Event, Opening, Progress
    from loadgen.result import OutputResult, Result


class Outputs:
    """Receivers never stop a run. A file that cannot be written at its end is kept in `failure`."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.failure: str | None = None
        self.notes: list[str] = []  # what opening them had to say, such as where metrics are served
        self._outlets = [Outlet(output) for output in outputs]
        self._reader: Reader | None = None
        self._hurry = threading.Event()

    def open(self) -> None:
        """Before the load. Raises UsageError where one cannot be had; those before it are closed."""
        for outlet in self._outlets:
            try:
                note = outlet.output.open()
            except OSError as error:
                self.close()
                raise UsageError(f"{outlet.output.name}: {error.strerror or error}") from None
            if note:
                self.notes.append(note)

    def begin(self, opening: Opening) -> None:
        """The gate opens."""
        self._reader = Reader(opening.started_at)
        for outlet in self._outlets:
            outlet.output.begin(opening)
            outlet.start()

    def progress(self, progress: Progress) -> None:
        """A moment, for each."""
        if any(outlet.output.live for outlet in self._outlets):
            assert self._reader is not None
            reading = self._reader.read(progress)
            for outlet in self._outlets:
                outlet.put(reading)
        for outlet in self._outlets:
            outlet.output.look(progress)

    def event(self, event: Event) -> None:
        """Of no use to them."""

    def hurry(self) -> None:
        """Wait for nobody any more."""
        self._hurry.set()

    async def drain(self) -> list[OutputResult]:
        """The load is over: until all is sent, or a few seconds have passed. What came of each."""
        waits = [asyncio.to_thread(outlet.drain, self._hurry) for outlet in self._outlets]
        await asyncio.gather(*waits)
        return [outlet.result() for outlet in self._outlets if outlet.output.live]

    def news(self) -> Iterator[str]:
        """Which receivers failed, each once."""
        for outlet in self._outlets:
            text = outlet.news()
            if text:
                yield text

    def end(self, result: Result) -> None:
        """What is written at the end. Each fails by itself."""
        for outlet in self._outlets:
            try:
                outlet.output.finish(result)
            except OSError as error:
                text = f"{outlet.output.name} could not be written: {error.strerror or error}"
                self.failure = self.failure or text

    def close(self) -> None:
        """Always last."""
        for outlet in self._outlets:
            outlet.stop()
            with contextlib.suppress(OSError):
                outlet.output.close()
