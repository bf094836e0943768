"""A Locust file while it is rewritten: its text, what was found out about it, and the page that grows."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from loadgen.convert.locustfile.classes import is_interrupt, is_task, is_text, name_of
from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.finding import Names
from loadgen.convert.locustfile.functions import Rewriter
from loadgen.convert.locustfile.life import Life
from loadgen.convert.locustfile.page import Page
from loadgen.convert.locustfile.scope import Piece, Script
from loadgen.convert.locustfile.signatures import open_function, put_first
from loadgen.convert.locustfile.waits import Wait
from loadgen.convert.locustfile.weights import Shares


@dataclass
class Manuscript:
    """Of one file, shared by all that write it."""

    tree: ast.Module
    text: Text
    script: Script
    names: Names
    weights: Shares
    life: Life
    page: Page
    scenarios: int = 0  # that are written

    def only_interrupts(self, piece: Piece) -> bool:
        """A task that leaves its set, and does nothing else."""
        return piece.owner is not None and is_interrupt(piece.node) and not piece.called

    def called(self, piece: Piece) -> str:
        """A call of it, as a statement."""
        return f"{'await ' if piece.is_async else ''}{piece.name}({self.script.user})"

    def written(self, piece: Piece, wait: Wait | None, *, is_scenario: bool) -> str:
        """A function with all that changes in it; the wait stands at its end."""
        node, text = piece.node, self.text
        open_function(self.script, piece, text, is_scenario=is_scenario)
        pad = " " * (node.body[0].col_offset - node.col_offset if node.body[0].lineno > node.lineno else 4)
        assert node.end_lineno is not None
        if wait is not None and wait.before is not None:
            put_first(piece, text, wait.before, pad)
        Rewriter(self.script, piece, text, wait.call if wait else None).body()
        last = node.body[-1]
        ends = isinstance(last, (ast.Return, ast.Raise))
        only_pass = [type(one) for one in node.body if not is_text(one)] == [ast.Pass]
        if wait is not None and only_pass:
            text.put(last, f"await {wait.call}")
        written = text.written(text.starts[node.lineno - 1], text.starts[node.end_lineno]).rstrip("\n")
        kept = [text.of(mark) for mark in node.decorator_list if not _is_known(mark)]
        written = "\n".join([*(f"@{mark}" for mark in kept), written])
        if wait is not None and not only_pass and not ends:
            written += f"\n{pad}await {wait.call}"
        return written


def _is_known(mark: ast.expr) -> bool:
    """A decorator of Locust's, or one that a function of the module cannot have."""
    name = name_of(mark.func if isinstance(mark, ast.Call) else mark)
    return is_task(mark) or name in ("tag", "staticmethod", "property", "cached_property", "classmethod")
