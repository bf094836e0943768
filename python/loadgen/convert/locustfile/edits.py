"""A text of Python, and what is written in place of parts of it, by the positions that the parser gives."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from loadgen.convert.locustfile.tokens import tokens


class Placed(Protocol):
    """A node that has a place in the text."""

    lineno: int
    col_offset: int
    end_lineno: int | None
    end_col_offset: int | None


class Text:
    """Positions are bytes from its beginning, as `ast` counts columns in bytes."""

    def __init__(self, text: str) -> None:
        self.bytes = text.encode()
        self.starts = [0]
        for line in self.bytes.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self._edits: list[tuple[int, int, str]] = []
        self._dedents: Counter[int] = Counter()
        self._inside, self._comments = tokens(text)

    def start(self, node: Placed) -> int:
        """Where a node begins."""
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: Placed) -> int:
        """Where it ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: Placed) -> str:
        """As it was."""
        return self.bytes[self.start(node) : self.end(node)].decode()

    def line(self, number: int) -> str:
        """As it was, without its end."""
        return self.bytes[self.starts[number - 1] : self.starts[number] - 1].decode()

    def find(self, word: str, start: int) -> int:
        """Where something comes next, comments aside."""
        wanted = word.encode()
        while True:
            found = self.bytes.index(wanted, start)
            comment = self.bytes.find(b"#", start, found)
            if comment < 0:
                return found
            start = self.bytes.index(b"\n", comment)

    def comments(self, node: Placed) -> list[str]:
        """Those that a rewriting of it all would lose."""
        assert node.end_lineno is not None
        lines = range(node.lineno, node.end_lineno)
        return [self._comments[line] for line in lines if line in self._comments]

    def replace(self, start: int, end: int, new: str) -> None:
        """What is inside of a wider replacement is not written."""
        self._edits.append((start, end, new))

    def put(self, node: Placed, new: str) -> None:
        """In place of a node."""
        self.replace(self.start(node), self.end(node), new)

    def insert(self, at: int, new: str) -> None:
        """Before what is there."""
        self._edits.append((at, at, new))

    def dedent(self, first: int, last: int, amount: int) -> None:
        """Takes whole lines to the left, unless they are inside a string."""
        for number in range(first, last + 1):
            if number not in self._inside:
                self._dedents[number] += amount

    def dedent_docstring(self, node: Placed, amount: int) -> None:
        """A docstring goes with its function."""
        assert node.end_lineno is not None
        for number in range(node.lineno + 1, node.end_lineno + 1):
            self._dedents[number] += amount

    def indent(self, number: int) -> int:
        """Of a line as it will be written."""
        line = self.line(number)
        return len(line) - len(line.lstrip()) - self._dedents[number]

    def written(self, start: int, end: int) -> str:
        """A part of the text with all that was changed in it."""
        edits = [
            (*edit, place) for place, edit in enumerate(self._edits) if start <= edit[0] and edit[1] <= end
        ]
        for number, amount in self._dedents.items():
            at = self.starts[number - 1]
            line = self.line(number)
            taken = min(amount, len(line) - len(line.lstrip()))
            if start <= at and at + taken <= end and taken > 0:
                edits.append((at, at + taken, "", 0))
        parts, at = [], start
        for first, last, new, _ in sorted(edits, key=_order):
            if first < at:
                continue
            parts += [self.bytes[at:first].decode(), new]
            at = last
        return "".join([*parts, self.bytes[at:end].decode()])

    def now(self, node: Placed) -> str:
        """A node with all that was changed in it."""
        return self.written(self.start(node), self.end(node))


def _order(edit: tuple[int, int, str, int]) -> tuple[int, bool, int, int]:
    """Of those that begin alike: insertions as they came, then the widest, and of two the later one."""
    first, last, _, place = edit
    return (first, False, 0, place) if first == last else (first, True, -last, -place)
