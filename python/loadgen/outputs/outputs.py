"""All outputs of one run, as one observer: readings are made once, here, for each receiver's own queue.

    run's loop: progress ──▶ [ the last one ] ──▶ thread: Reading ──▶ each outlet's queue ──▶ its thread

To read a hundred labels takes a while, and longer where the workers have the processors. What comes meanwhile
replaces what waits: an interval is longer then, and no count is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from loadgen.errors import UsageError
from loadgen.outputs.outlet import Outlet
from loadgen.outputs.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from loadgen.outputs.output import Output
    from loadgen.progress import Event, Opening, Progress
    from loadgen.result import OutputResult, Result


class Outputs:
    """Receivers never stop a run. A file that cannot be written at its end is kept in `failure`."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.failure: str | None = None
        self.notes: list[str] = []  # what opening them had to say, such as where metrics are served
        self._outlets = [Outlet(output) for output in outputs]
        self._hurry = threading.Event()
        self._pending: Progress | None = None
        self._ending = False
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Before the load. Raises UsageError where one cannot be had; those before it are closed."""
        self._check_files()
        for outlet in self._outlets:
            try:
                note = outlet.output.open()
            except OSError as error:
                self.close()
                raise UsageError(f"{outlet.output.name}: {error.strerror or error}") from None
            if note:
                self.notes.append(note)

    def _check_files(self) -> None:
        """A file is of one output: a second would write over it."""
        writers: dict[Path, Output] = {}
        for output in (outlet.output for outlet in self._outlets):
            for path in (file.resolve() for file in output.files):
                other = writers.setdefault(path, output)
                if other is not output and (path.is_file() or not path.exists()):
                    raise UsageError(f"{output.name}: {other.name} writes to this file too")

    def begin(self, opening: Opening) -> None:
        """The gate opens."""
        for outlet in self._outlets:
            outlet.output.begin(opening)
            outlet.start()
        if any(outlet.output.live for outlet in self._outlets):
            reader = Reader(opening.started_at)
            self._thread = threading.Thread(target=self._read, args=(reader,), name="readings", daemon=True)
            self._thread.start()

    def progress(self, progress: Progress) -> None:
        """A moment, for each. Never waits."""
        for outlet in self._outlets:
            outlet.output.look(progress)
        with self._news:
            self._pending = progress
            self._news.notify()

    def _read(self, reader: Reader) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._pending is not None or self._ending)
                progress, self._pending = self._pending, None
            if progress is None:
                return
            reading = reader.read(progress)
            for outlet in self._outlets:
                outlet.put(reading)

    def event(self, event: Event) -> None:
        """Of no use to them."""

    def hurry(self) -> None:
        """Wait for nobody any more."""
        self._hurry.set()

    async def drain(self, *, linger: bool) -> list[OutputResult]:
        """The load is over: until all is sent, or a few seconds have passed. What came of each.

        `linger`: stay for those who come for it themselves, too.
        """
        await asyncio.to_thread(self._finish_reading)
        if self._outlets:
            loop = asyncio.get_running_loop()
            # A thread for each: the loop's own are few, and who comes late there would be waited for in turn.
            threads = ThreadPoolExecutor(len(self._outlets))
            waits = [
                loop.run_in_executor(threads, partial(outlet.drain, self._hurry, linger=linger))
                for outlet in self._outlets
            ]
            try:
                await asyncio.gather(*waits)
            finally:
                threads.shutdown(wait=False)  # on this thread nobody could hurry them
        return [outlet.result() for outlet in self._outlets if outlet.output.live]

    def _finish_reading(self) -> None:
        """What waits is read still."""
        with self._news:
            self._ending = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

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
        self._finish_reading()
        for outlet in self._outlets:
            outlet.stop()
            with contextlib.suppress(OSError):
                outlet.output.close()
