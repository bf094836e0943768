"""The script as it grows: pieces of text in their order, the imports that they need, the notes above them."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from textwrap import wrap

from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.imports import (
    Import,
    Imports,
    bound_names,
    is_locust,
    is_standard,
    order,
    read_names,
)
from loadgen.convert.locustfile.scope import Script
from loadgen.convert.source import WIDTH


@dataclass
class Chunk:
    """Lines that belong together."""

    text: str
    kind: str  # import, function, comment or code
    empty: int = 0  # lines before it, as the user had them
    node: Import | None = None


class Page:
    """Of one file."""

    def __init__(self, script: Script, text: Text, imports: Imports, title: str) -> None:
        self.script, self.text, self.imports, self.title = script, text, imports, title
        self.chunks: list[Chunk] = []

    def uses(self, name: str) -> bool:
        """Whether a function reads it."""
        return any(
            name in read_names(ast.parse(chunk.text)) for chunk in self.chunks if chunk.kind == "function"
        )

    def add(self, text: str, kind: str, empty: int = 0, node: Import | None = None) -> None:
        """Lines that belong together, below what is there."""
        self.chunks.append(Chunk(text, kind, empty, node))

    def add_constant(self, text: str) -> None:
        """After the imports."""
        place = next((i for i, chunk in enumerate(self.chunks) if chunk.kind == "function"), len(self.chunks))
        while place and self.chunks[place - 1].kind == "comment":
            place -= 1
        self.chunks.insert(place, Chunk(text, "code", 1))

    def complete_imports(self, *, has_stages: bool) -> None:
        """What is needed, and nothing of what Locust alone needed."""
        text = "\n".join(chunk.text for chunk in self.chunks if chunk.kind != "import")
        used = read_names(ast.parse(text))
        known = (
            bound_names(ast.parse(text)) | self.imports.names | set(dir(builtins)) | {"__file__", "__name__"}
        )
        known |= {"Plan", "Stage", "scenario", "session", "AsyncIterator", self.script.user_type, "time"}
        for name in sorted(used - known):
            self.script.note(f"{name} is still used, and was left behind with Locust")
        kept = []
        for chunk in self.chunks:
            if chunk.node is not None and not is_locust(chunk.node):
                chunk.text = self.imports.kept(chunk.node, chunk.text, used)
            if chunk.text:
                kept.append(chunk)
        self.chunks = kept
        names = [
            "Plan",
            *(["Stage"] if has_stages else []),
            *([self._user_import()] if self.script.user_type in used else []),
        ]
        names += [name for name in ("scenario", "session") if name in used]
        place = next(
            (i for i, chunk in enumerate(self.chunks) if chunk.node is not None and is_locust(chunk.node)),
            None,
        )
        line = f"from loadgen import {', '.join(names)}"
        if place is None:
            self.chunks.insert(0, Chunk(line, "import"))
        else:
            self.chunks[place].text = line
        if "AsyncIterator" in used and "AsyncIterator" not in self.imports.names:
            self._import_too("from collections.abc import AsyncIterator")
        if "time.monotonic()" in text and "time" not in self.imports.names:
            self._import_too("import time")

    def _user_import(self) -> str:
        return "User" if self.script.user_type == "User" else f"User as {self.script.user_type}"

    def _import_too(self, line: str) -> None:
        """Among those of Python itself, in their order."""
        node = ast.parse(line).body[0]
        assert isinstance(node, Import)
        own = [
            i
            for i, chunk in enumerate(self.chunks)
            if chunk.kind == "import" and chunk.node is not None and is_standard(chunk.node)
        ]
        later = [i for i in own if order(self.chunks[i].node) > order(node)]  # type: ignore[arg-type]
        if later:
            there = self.chunks[later[0]]
            self.chunks.insert(later[0], Chunk(line, "import", there.empty, node))
            there.empty = 0
        elif own:
            self.chunks.insert(own[-1] + 1, Chunk(line, "import", 0, node))
        else:
            place = next(i for i, chunk in enumerate(self.chunks) if chunk.kind == "import")
            there = self.chunks[place]
            self.chunks.insert(place, Chunk(line, "import", there.empty, node))
            there.empty = 1

    def join(self, about: ast.stmt | None) -> str:
        """All of it, with empty lines as formatters have them."""
        lines: list[str] = []
        chunks = list(self.chunks)
        while chunks and chunks[0].kind == "comment" and chunks[0].text.startswith(("#!", "# -*-", "#-*-")):
            lines.append(chunks.pop(0).text)
        lines += self._docstring(about)
        before = "docstring"
        for chunk in chunks:
            empty = min(2, chunk.empty)
            if "function" in (before, chunk.kind) and before != "comment":
                empty = 2
            elif before == "comment" and chunk.kind == "function":
                empty = empty and 2
            elif before == "docstring" or (before == "import" and chunk.kind != "import"):
                empty = max(1, empty)
            lines += [""] * empty + [chunk.text]
            before = chunk.kind
        return "\n".join(lines) + "\n"

    def _docstring(self, about: ast.stmt | None) -> list[str]:
        said = (
            self.text.of(about)
            if about is not None
            else f'"""Users of {self.title}, as they were under Locust."""'
        )
        notes = self.script.notes
        if not notes:
            return [said]
        quotes = said[-3:]
        if quotes not in ('"""', "'''") or not said.startswith(quotes):
            assert isinstance(about, ast.Expr)
            assert isinstance(about.value, ast.Constant)
            said, quotes = f'"""{about.value.value!s}"""', '"""'
        lines = [said.removesuffix(quotes).rstrip(), "", "What could not be kept:"]
        for note in notes:
            text = note.replace("\\", "\\\\").replace(quotes, "…")
            lines += wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
        return [*lines, quotes]
