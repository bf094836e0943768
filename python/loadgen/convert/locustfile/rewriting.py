"""A Locust file as a script: its classes dissolve into functions, and all the rest stays where it is."""

from __future__ import annotations

import ast

from loadgen.convert.draft import Draft
from loadgen.convert.edits import Text, spaced
from loadgen.convert.locustfile.classes import (
    SETTINGS,
    Function,
    Group,
    is_interrupt,
    is_task,
    is_text,
    name_of,
)
from loadgen.convert.locustfile.finding import find, is_listener
from loadgen.convert.locustfile.functions import Rewriter
from loadgen.convert.locustfile.imports import Import, Imports, is_locust
from loadgen.convert.locustfile.life import find_life, is_entered_again
from loadgen.convert.locustfile.page import Page
from loadgen.convert.locustfile.scope import Piece
from loadgen.convert.locustfile.shapes import stages_of
from loadgen.convert.locustfile.signatures import open_function, put_first
from loadgen.convert.locustfile.waits import Wait
from loadgen.convert.locustfile.weights import find_weights
from loadgen.convert.source import Code, Invoke, lay
from loadgen.convert.writing import identifier
from loadgen.errors import UsageError
from loadgen.units import counted


def read(text: str, title: str) -> Draft:
    """Its draft is written already."""
    text = text.replace("\r\n", "\n")
    try:
        text = spaced(text if text.endswith("\n") else f"{text}\n")
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UsageError(f"line {error.lineno}: {error.msg}") from None
    writer = _Writer(Text(text), tree, title)
    try:
        script = writer.write()
        compile(script, title, "exec")
    except SyntaxError as error:
        raise UsageError(
            f"it cannot be rewritten: {error.msg}: {(error.text or '').strip()}",
            hint="It runs as it is: loadgen run FILE.",
        ) from None
    if not writer.scenarios:
        raise UsageError("no user class with tasks is in it")
    draft = Draft(about="", parts=[], notes=writer.script.notes, script=script)
    draft.said = counted(writer.scenarios, "scenario")
    return draft


class _Writer:
    """Of one file, from its beginning to its end."""

    def __init__(self, text: Text, tree: ast.Module, title: str) -> None:
        self.text, self.tree = text, tree
        self.imports = Imports(tree)
        self.script, self.names = find(tree, text, self.imports)
        self.weights = find_weights(self.script, self.script.classes, text)
        self.life = find_life(self.script, self.script.classes)
        self.scenarios = 0
        self.page = Page(self.script, text, self.imports, title)

    def write(self) -> str:
        """The whole script."""
        body = self.tree.body
        about = body[0] if body and is_text(body[0]) else None
        self._members(
            body[1:] if about else body,
            about.end_lineno or 0 if about else 0,
            len(self.text.starts) - 1,
            None,
        )
        self._session()
        fields: list[tuple[str, object]] = [(name, Code(value)) for name, value in self.script.plan.items()]
        fields += [("follow_redirects", Code("True")), ("compression", Code("True"))]
        if self.script.headers:
            fields.append(("headers", self.script.headers))
        if self.script.arguments:
            fields.append(("arguments", dict(self.script.arguments)))
        if self.script.host is not None and self.page.uses("HOST"):
            fields[0] = ("base_url", Code("HOST"))
            self.page.add_constant(f"HOST = {self.script.host}")
        stages = self._stages()
        if stages:
            fields.append(("stages", stages))
        self.page.add("\n".join(lay("plan = ", Invoke("Plan", (), tuple(fields)))), "code", 2)
        self.page.complete_imports(has_stages=bool(stages))
        return self.page.join(about)

    # The statements of the module, or of a class that dissolves.

    def _members(self, body: list[ast.stmt], after: int, until: int, group: Group | None) -> None:
        at = after
        for node in body:
            marks = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(mark.lineno for mark in marks)])
            assert node.end_lineno is not None
            between = [self.text.line(number) for number in range(at + 1, first)]
            self._member(node, first, between, group)
            at = max(at, node.end_lineno)
        rest = [self.text.line(number) for number in range(at + 1, until)]
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
                    self.page.add("\n".join(block), "comment", before)
                    block = []
                empty += 1
        if block:
            self.page.add("\n".join(block), "comment", before)
        return empty

    def _member(self, node: ast.stmt, first: int, between: list[str], group: Group | None) -> None:
        is_left_out = self._is_left_out(node, group)
        if is_left_out:  # and so are the comments above it
            while between and between[-1].strip():
                between.pop()
        empty = self._comments(between)
        if is_left_out:
            return
        if isinstance(node, Import) and group is None:
            self._import(node, empty)
        elif isinstance(node, Function) and node in self.script.pieces:
            self._function(self.script.pieces[node], empty)
        elif isinstance(node, ast.ClassDef) and (inner := self._group_of(node, group)):
            self._class(inner)
        else:
            self._plain(node, first, empty, group)

    def _group_of(self, node: ast.ClassDef, group: Group | None) -> Group | None:
        groups = self.script.classes.groups if group is None else group.groups
        return groups.get(node.name)

    def _class(self, group: Group) -> None:
        body = group.node.body
        before = len(self.page.chunks)
        if is_text(body[0]):
            about = ast.get_docstring(group.node) or ""
            lines = [f"# {line}".rstrip() for line in about.split("\n")]
            self.page.add("\n".join(lines), "comment", 2)
        last = group.node.end_lineno or 0
        while last + 1 < len(self.text.starts) - 1 and self._is_own_comment(last + 1, group):
            last += 1
        start = body[0].end_lineno or 0 if is_text(body[0]) else self._below_header(group.node)
        self._members(body[1:] if is_text(body[0]) else body, start, last + 1, group)
        if group in self.weights:
            self._sequence(group)
        if is_text(body[0]) and len(self.page.chunks) == before + 1:
            self.page.chunks.pop()  # nothing is left that it is about

    def _is_own_comment(self, number: int, group: Group) -> bool:
        line = self.text.line(number)
        return (
            bool(line.strip())
            and line.lstrip().startswith("#")
            and line.startswith(" " * (group.node.col_offset + 1))
        )

    def _below_header(self, node: ast.ClassDef) -> int:
        at = self.text.end(node.bases[-1]) if node.bases else self.text.start(node)
        return self.text.bytes.count(b"\n", 0, self.text.find(":", at)) + 1

    def _is_left_out(self, node: ast.stmt, group: Group | None) -> bool:
        script = self.script
        words = ast.unparse(node)
        first = words.split("\n")[0]
        if isinstance(node, ast.Pass) or (group is not None and isinstance(node, ast.Expr)):
            return True
        if group is not None and isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            # A type alone says nothing that a dictionary could keep.
            return node.value is None or any(
                isinstance(target, ast.Name) and target.id in SETTINGS for target in targets
            )
        if isinstance(node, Function):
            if is_listener(node):
                script.note(f"the listener {node.name} was left out: loadgen has no events of Locust's")
                return True
            if node in self.life.empty or (self.life.merged and node in self.life.stops and self.life.starts):
                return True
            piece = script.pieces.get(node)
            return piece is not None and self._only_interrupts(piece)
        if (
            isinstance(node, ast.ClassDef)
            and (shape := self._group_of(node, group))
            and shape.kind == "shape"
        ):
            if stages_of(shape) is None:
                script.note(
                    f"the load shape {node.name} was left out: write its stages into Plan(stages=[…])"
                )
            return True
        if group is not None:
            return False
        if isinstance(node, ast.If) and "__name__" in first:
            return "locust" in words.lower() or "run_single_user" in words
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Attribute)
            and node.targets[0].attr == "host"
        ):
            return True
        if isinstance(node, ast.Expr) and (words.startswith("events.") or "patch_all" in words):
            if words.startswith("events."):
                script.note(f"line {node.lineno} was left out: {first}")
            return True
        return (
            isinstance(node, Import)
            and is_locust(node)
            and any(chunk.node is not None and is_locust(chunk.node) for chunk in self.page.chunks)
        )

    def _only_interrupts(self, piece: Piece) -> bool:
        return piece.owner is not None and is_interrupt(piece.node) and not piece.called

    def _import(self, node: Import, empty: int) -> None:
        self.page.add(self.text.of(node), "import", empty, node)

    def _plain(self, node: ast.stmt, first: int, empty: int, group: Group | None) -> None:
        """A statement as it is, but for its place."""
        assert node.end_lineno is not None
        if group is not None:
            self.text.dedent(first, node.end_lineno, node.col_offset)
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(target, ast.Name) and (group, target.id) in self.script.constants:
                self.text.put(target, self.script.constants[group, target.id])
        text = self.text.written(self.text.starts[first - 1], self.text.starts[node.end_lineno]).rstrip("\n")
        is_block = isinstance(node, (Function, ast.ClassDef))
        self.page.add(text, "function" if is_block else "code", empty)

    # Functions.

    def _function(self, piece: Piece, empty: int) -> None:
        node, life = piece.node, self.life
        if life.merged and node in (life.starts or life.stops):
            self._merged_session(piece)
            return
        waits = self.weights.get(node, {})
        is_direct = (
            len(waits) == 1 and not piece.called and len(node.args.args) == 1 and piece.adds_user is False
        )
        is_direct = is_direct and not self._is_step(node)
        wait = next(iter(waits)) if is_direct else None
        if is_direct:
            piece.is_async = True
        text = self._written(piece, wait, is_scenario=is_direct)
        if is_direct:
            self.scenarios += 1
            text = f"{self._mark(next(iter(waits.values())))}\n{text}"
        self.page.add(text, "function", empty)
        if is_direct:
            return
        for one, weight in waits.items():
            name = identifier(f"{piece.name}_task", self.names.taken)
            called = f"await {piece.name}" if piece.is_async else piece.name
            self._scenario(name, weight, [f"{called}({self.script.user})"], one)

    def _is_step(self, node: Function) -> bool:
        return any(
            task.target is node
            for group in self.script.classes.every()
            if group.kind == "sequence"
            for task in self.script.classes.tasks(group)
        )

    def _mark(self, weight: int) -> str:
        return "@scenario" if weight == 1 else f"@scenario(weight={weight})"

    def _written(self, piece: Piece, wait: Wait | None, *, is_scenario: bool) -> str:
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

    def _scenario(
        self, name: str, weight: int, lines: list[str], wait: Wait | None, *, has_waits: bool = False
    ) -> None:
        body = [wait.before] if wait is not None and wait.before else []
        body += lines
        body += [f"await {wait.call}"] if wait is not None and not has_waits else []
        head = f"async def {name}({self.script.user}: {self.script.user_type}) -> None:"
        self.scenarios += 1
        self.page.add("\n".join([self._mark(weight), head, *(f"    {line}" for line in body)]), "function", 2)

    def _sequence(self, group: Group) -> None:
        for wait, weight in self.weights[group].items():
            lines = self._steps(group, wait, [])
            start = group.method("on_start")
            if (
                start is not None
                and start[1] not in self.life.empty
                and is_entered_again(self.script.classes, group)
            ):
                piece = self.script.pieces[start[1]]
                lines.insert(0, f"{'await ' if piece.is_async else ''}{piece.name}({self.script.user})")
            if lines:
                self._scenario(identifier(group.name, self.names.taken), weight, lines, wait, has_waits=True)

    def _steps(self, group: Group, wait: Wait | None, seen: list[Group]) -> list[str]:
        lines: list[str] = []
        for task in self.script.classes.tasks(group):
            if isinstance(task.target, Group):
                if task.target.kind == "sequence" and task.target not in seen:
                    lines += self._steps(task.target, wait, [*seen, group])
                else:
                    self.script.note(
                        f"{task.target.name} was left out: a set of tasks inside the sequence {group.name}"
                    )
                continue
            piece = self.script.pieces[task.target]
            if self._only_interrupts(piece):
                continue
            called = f"{'await ' if piece.is_async else ''}{piece.name}({self.script.user})"
            if wait is not None and wait.before is not None and lines:
                lines.append(wait.before)
            step = [called, *([f"await {wait.call}"] if wait is not None else [])]
            lines += (
                step
                if task.weight == 1
                else [f"for _ in range({task.weight}):", *(f"    {one}" for one in step)]
            )
        return lines

    # Sessions.

    def _first_lines(self) -> list[str]:
        user = self.script.user
        lines = [f'{user}.data["{name}"] = {constant}' for name, constant in self.script.preset.items()]
        return [*lines, *([f'{user}.data["headers"] = {{}}'] if self.script.session_headers else [])]

    def _merged_session(self, piece: Piece) -> None:
        """The one `on_start` and the one `on_stop` as what stands before a yield and after it."""
        first, last = self.life.starts[:1], self.life.stops[:1]
        lines = ["@session", self._session_head("whole_life" if not first else piece.name)]
        lines += [f"    {line}" for line in self._first_lines()]
        lines += [self._body(self.script.pieces[one]) for one in first]
        lines += ["    yield"]
        lines += [self._body(self.script.pieces[one]) for one in last]
        lines = [line for line in lines if line.strip() != "pass"]
        self.page.add("\n".join(lines), "function", 2)
        self.life.starts, self.life.stops = [], []
        self.life.empty += [*first, *last]
        self.has_session = True

    has_session = False

    def _session_head(self, name: str) -> str:
        script = self.script
        return f"async def {name}({script.user}: {script.user_type}) -> AsyncIterator[None]:"

    def _body(self, piece: Piece) -> str:
        """The statements of a function, with four spaces before them."""
        piece.is_async = True
        node = piece.node
        first, last = node.body[0], node.body[-1]
        assert last.end_lineno is not None
        if first.lineno > node.lineno:
            self.text.dedent(first.lineno, last.end_lineno, first.col_offset - node.col_offset - 4)
        written = self._written(piece, None, is_scenario=False)
        tree = ast.parse(written).body[0]
        assert isinstance(tree, Function)
        lines = written.split("\n")
        start = tree.body[0].lineno - 1
        while lines[start - 1].lstrip().startswith("#"):
            start -= 1
        return "\n".join(lines[start:])

    def _session(self) -> None:
        if self.has_session:
            return
        script = self.script

        def called(functions: list[Function]) -> list[str]:
            pieces = [script.pieces[one] for one in functions]
            return [f"{'await ' if piece.is_async else ''}{piece.name}({script.user})" for piece in pieces]

        before, after = [*self._first_lines(), *called(self.life.starts)], called(self.life.stops)
        if before or after:
            lines = [f"    {line}" for line in [*before, "yield", *after]]
            self.page.add("\n".join(["@session", self._session_head("whole_life"), *lines]), "function", 2)
            self.has_session = True

    def _stages(self) -> list[object]:
        shapes = [one for one in self.script.classes.groups.values() if one.kind == "shape"]
        for shape in shapes:
            if found := stages_of(shape):
                return [Invoke("Stage", (duration,), (("users", users),)) for duration, users in found]
        return []


def _is_known(mark: ast.expr) -> bool:
    """A decorator of Locust's, or one that a function of the module cannot have."""
    name = name_of(mark.func if isinstance(mark, ast.Call) else mark)
    return is_task(mark) or name in ("tag", "staticmethod", "property", "cached_property", "classmethod")
