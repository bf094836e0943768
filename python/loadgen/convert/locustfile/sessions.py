"""What goes around the tasks of a Locust user, as a session."""

from __future__ import annotations

import ast

from loadgen.convert.locustfile.classes import Function
from loadgen.convert.locustfile.manuscript import Manuscript
from loadgen.convert.locustfile.scope import Piece


class Sessions:
    """Writes the one that there is to the page."""

    def __init__(self, work: Manuscript) -> None:
        self.work = work
        self._is_written = False

    def takes(self, node: Function) -> bool:
        """Whether a function is the session's alone, and the first of those."""
        life = self.work.life
        return life.merged and node in (life.starts or life.stops)

    def add_merged(self, piece: Piece) -> None:
        """The one `on_start` and the one `on_stop` as what stands before a yield and after it."""
        first, last = self.work.life.starts[:1], self.work.life.stops[:1]
        lines = ["@session", self._head("whole_life" if not first else piece.name)]
        lines += [f"    {line}" for line in self._first_lines()]
        lines += [self._body(self.work.script.pieces[one]) for one in first]
        lines += ["    yield"]
        lines += [self._body(self.work.script.pieces[one]) for one in last]
        lines = [line for line in lines if line.strip() != "pass"]
        self.work.page.add("\n".join(lines), "function", 2)
        self.work.life.starts, self.work.life.stops = [], []
        self.work.life.empty += [*first, *last]
        self._is_written = True

    def _head(self, name: str) -> str:
        script = self.work.script
        return f"async def {name}({script.user}: {script.user_type}) -> AsyncIterator[None]:"

    def _body(self, piece: Piece) -> str:
        """The statements of a function, with four spaces before them."""
        piece.is_async = True
        node = piece.node
        first, last = node.body[0], node.body[-1]
        assert last.end_lineno is not None
        if first.lineno > node.lineno:
            self.work.text.dedent(first.lineno, last.end_lineno, first.col_offset - node.col_offset - 4)
        written = self.work.written(piece, None, is_scenario=False)
        tree = ast.parse(written).body[0]
        assert isinstance(tree, Function)
        lines = written.split("\n")
        start = tree.body[0].lineno - 1
        while lines[start - 1].lstrip().startswith("#"):
            start -= 1
        return "\n".join(lines[start:])

    def add_rest(self) -> None:
        """One that calls the functions, where it could not be made of them."""
        pieces, life = self.work.script.pieces, self.work.life
        before = [*self._first_lines(), *(self.work.called(pieces[one]) for one in life.starts)]
        after = [self.work.called(pieces[one]) for one in life.stops]
        if (before or after) and not self._is_written:
            lines = [f"    {line}" for line in [*before, "yield", *after]]
            self.work.page.add("\n".join(["@session", self._head("whole_life"), *lines]), "function", 2)

    def _first_lines(self) -> list[str]:
        user = self.work.script.user
        lines = [f'{user}.data["{name}"] = {constant}' for name, constant in self.work.script.preset.items()]
        return [*lines, *([f'{user}.data["headers"] = {{}}'] if self.work.script.session_headers else [])]
