"""What every output is: one receiver, told of a run. A receiver may fail as it likes; the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadgen.units import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadgen.errors import LoadgenError
    from loadgen.outputs.reading import Reading
    from loadgen.progress import Opening, Progress
    from loadgen.result import Result


class Refused(Exception):
    """The receiver will not take this, however often it is sent."""


class Output:
    """Does nothing: an output overrides what it needs. Made from the text behind `KIND=`.

    `send` is called in a thread of its own and may wait; an OSError from it means "again, a little later".
    All else is called by the run itself, and is quick.
    """

    live: ClassVar[bool] = False  # whether `send` is to be called
    linger_s: float = 0  # how long it may still be of use when all is sent

    def __init__(self, name: str, *files: Path) -> None:
        self.name = printable(name)  # the kind and the receiver, without secrets
        self.files = files  # what it writes, and nobody else

    def open(self) -> str | None:
        """Before the load: take hold of what is needed, or raise OSError. Returns what to tell."""

    def begin(self, opening: Opening) -> None:
        """The run has begun."""

    def look(self, progress: Progress) -> None:
        """A moment, of outputs that wait for the end."""

    def send(self, readings: Sequence[Reading]) -> None:
        """Moments that have not been sent, the oldest first. All of them are taken, or none."""

    def may_go(self) -> bool:
        """Asked when all is sent, until it says yes or its time is up."""
        return True

    def abort(self) -> None:
        """From another thread: end what `send` waits for."""

    def finish(self, result: Result) -> None:
        """What a run showed. Raises OSError where it cannot be written."""

    def never_began(self, command: str, error: LoadgenError) -> None:
        """There is no result. It has not been opened then. Raises OSError where that cannot be written."""

    def close(self) -> None:
        """Give everything back."""
