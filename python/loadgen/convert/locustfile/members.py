"""The statements of a Locust file and of its classes, which dissolve: what is kept reaches the page."""

from __future__ import annotations

import ast

from loadgen.convert.locustfile.classes import Function, Group, is_text
from loadgen.convert.locustfile.imports import Import
from loadgen.convert.locustfile.manuscript import Manuscript
from loadgen.convert.locustfile.omissions import is_left_out
from loadgen.convert.locustfile.scenarios import Scenarios
from loadgen.convert.locustfile.sessions import Sessions


class Members:
    """Of the module, and of each class."""

    def __init__(self, work: Manuscript, scenarios: Scenarios, sessions: Sessions) -> None:
        self.work, self.scenarios, self.sessions = work, scenarios, sessions

    def add_all(self, about: ast.stmt | None) -> None:
        """All of the module, below the docstring."""
        body = self.work.tree.body[1:] if about else self.work.tree.body
        after = about.end_lineno or 0 if about else 0
        self._members(body, after, len(self.work.text.starts) - 1, None)

    def _members(self, body: list[ast.stmt], after: int, until: int, group: Group | None) -> None:
        at = after
        for node in body:
            marks = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(mark.lineno for mark in marks)])
            assert node.end_lineno is not None
            between = [self.work.text.line(number) for number in range(at + 1, first)]
            self._member(node, first, between, group)
            at = max(at, node.end_lineno)
        rest = [self.work.text.line(number) for number in range(at + 1, until)]
        # Of what stands below a class only the indented comments are its own.
        self._comments([line for line in rest if group is None or line[:1] == " "])

    def _comments(self, between: list[str]) -> int:
        """Those before a member. Returns how many empty lines are before the member itself."""
        block: list[str] = []
        before = empty = 0
        for line in between:
            if line.strip():
                if not block:
                    before = empty
                block.append(line.strip())
                empty = 0
            else:
                if block:
                    self.work.page.add("\n".join(block), "comment", before)
                    block = []
                empty += 1
        if block:
            self.work.page.add("\n".join(block), "comment", before)
        return empty

    def _member(self, node: ast.stmt, first: int, between: list[str], group: Group | None) -> None:
        is_gone = is_left_out(self.work, node, group)
        if is_gone:  # and so are the comments above it
            while between and between[-1].strip():
                between.pop()
        empty = self._comments(between)
        if is_gone:
            return
        if isinstance(node, Import) and group is None:
            self.work.page.add(self.work.text.of(node), "import", empty, node)
        elif isinstance(node, Function) and node in self.work.script.pieces:
            piece = self.work.script.pieces[node]
            if self.sessions.takes(node):
                self.sessions.add_merged(piece)
            else:
                self.scenarios.add(piece, empty)
        elif isinstance(node, ast.ClassDef) and (inner := self.work.script.classes.group_of(node, group)):
            self._class(inner)
        else:
            self._plain(node, first, empty, group)

    def _class(self, group: Group) -> None:
        body = group.node.body
        before = len(self.work.page.chunks)
        if is_text(body[0]):
            about = ast.get_docstring(group.node) or ""
            lines = [f"# {line}".rstrip() for line in about.split("\n")]
            self.work.page.add("\n".join(lines), "comment", 2)
        last = group.node.end_lineno or 0
        while last + 1 < len(self.work.text.starts) - 1 and self._is_own_comment(last + 1, group):
            last += 1
        start = body[0].end_lineno or 0 if is_text(body[0]) else self._below_header(group.node)
        self._members(body[1:] if is_text(body[0]) else body, start, last + 1, group)
        if group in self.work.weights:
            self.scenarios.add_sequence(group)
        if is_text(body[0]) and len(self.work.page.chunks) == before + 1:
            self.work.page.chunks.pop()  # nothing is left that it is about

    def _is_own_comment(self, number: int, group: Group) -> bool:
        line = self.work.text.line(number)
        return (
            bool(line.strip())
            and line.lstrip().startswith("#")
            and line.startswith(" " * (group.node.col_offset + 1))
        )

    def _below_header(self, node: ast.ClassDef) -> int:
        at = self.work.text.end(node.bases[-1]) if node.bases else self.work.text.start(node)
        return self.work.text.bytes.count(b"\n", 0, self.work.text.find(":", at)) + 1

    def _plain(self, node: ast.stmt, first: int, empty: int, group: Group | None) -> None:
        """A statement as it is, but for its place."""
        assert node.end_lineno is not None
        if group is not None:
            self.work.text.dedent(first, node.end_lineno, node.col_offset)
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(target, ast.Name) and (group, target.id) in self.work.script.constants:
                self.work.text.put(target, self.work.script.constants[group, target.id])
        starts = self.work.text.starts
        text = self.work.text.written(starts[first - 1], starts[node.end_lineno]).rstrip("\n")
        is_block = isinstance(node, (Function, ast.ClassDef))
        self.work.page.add(text, "function" if is_block else "code", empty)
