"""What the reports have in common: a file that is written when all is known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from loadgen.files import write_whole
from loadgen.outputs.output import Output
from loadgen.outputs.places import check_writable, parse_file

if TYPE_CHECKING:
    from loadgen.result import Result


class FileAtEnd(Output, ABC):
    """A file that is written whole or not at all."""

    kind = ""

    def __init__(self, argument: str) -> None:
        self.path = parse_file(argument)
        super().__init__(f"{self.kind} {argument}", self.path)

    def open(self) -> None:
        """Whether it can be written is known before the load."""
        check_writable(self.path)

    def finish(self, result: Result) -> None:
        """All of it or nothing."""
        write_whole(self.path, self.render(result).encode())

    @abstractmethod
    def render(self, result: Result) -> str:
        """Its text."""
