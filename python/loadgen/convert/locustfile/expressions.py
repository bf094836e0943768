"""Rewrites the expressions of a Locust file: small changes in the user's own text."""

from __future__ import annotations

import ast
import copy

from loadgen.convert.locustfile.classes import name_of
from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.layout import LaidCall, is_plain, quoted
from loadgen.convert.locustfile.requests import request_parts
from loadgen.convert.locustfile.scope import Piece, Scope, Script


class Expressions:
    """Of one function; `wait` is what stands at its end, and before it returns."""

    def __init__(self, script: Script, piece: Piece, text: Text, wait: str | None = None) -> None:
        self.script, self.piece, self.text, self.wait = script, piece, text, wait
        self.scope = Scope(script, piece)
        self._above: dict[ast.AST, ast.AST] = {}
        self._names: list[str] = []  # of rename_request, innermost last

    def expression(self, node: ast.expr) -> str:
        """One alone, as it is written now."""
        self._know(node)
        self.visit(node)
        return self.text.now(node)

    def _know(self, root: ast.AST) -> None:
        for node in ast.walk(root):
            for inner in ast.iter_child_nodes(node):
                self._above[inner] = node

    def visit(self, node: ast.AST) -> None:
        """A node and all below it."""
        own = getattr(self, f"_{type(node).__name__.lower()}", None)
        if own is None or own(node) is False:
            self._below(node)

    def _below(self, node: ast.AST) -> None:
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                self._block(value)
            elif isinstance(value, list):
                for one in value:
                    if isinstance(one, ast.AST):
                        self.visit(one)
            elif isinstance(value, ast.AST):
                self.visit(value)

    def _block(self, body: list[ast.stmt]) -> None:
        """Statements are the heir's."""
        for one in body:
            self.visit(one)

    def _name(self, node: ast.Name) -> None:
        if node.id in self.scope.receivers or (self.piece.takes_client and node.id == self.piece.receiver):
            self.text.put(node, self.script.user)

    def _attribute(self, node: ast.Attribute) -> bool | None:
        scope, user = self.scope, self.script.user
        above = self._above.get(node)
        if scope.is_client(node) or (scope.is_user(node) and not isinstance(above, ast.Attribute)):
            self.text.put(node, user)
            return None
        if scope.is_client(node.value) and node.attr in ("headers", "auth"):
            self.text.put(node, f'{user}.data["{node.attr}"]')
            return None
        if (option := self._option(node, node.value)) is not None:
            self.text.put(node, option)
            return None
        if (piece := scope.member(node)) is not None:
            read = f"{piece.name}({user})" if piece.is_property else piece.name
            if piece.is_property and piece.is_async:
                read = (
                    f"(await {read})"
                    if isinstance(above, (ast.Attribute, ast.Subscript))
                    else f"await {read}"
                )
            self.text.put(node, read)
            return None
        if (value := scope.value(node)) is not None:
            self.text.put(node, value)
            return None
        if self._is_host(node):
            self.text.put(node, "HOST")
            return None
        if scope.is_user(node.value) and not scope.is_user(node):
            self.text.put(node, f'{user}.data["{node.attr}"]')
            return None
        if node.attr == "status_code":
            self.text.replace(self.text.end(node) - len(node.attr), self.text.end(node), "status")
        if node.attr == "js":
            self.text.replace(self.text.end(node) - len(node.attr), self.text.end(node), "json()")
        return False

    def _option(self, node: ast.AST | None, below: ast.AST) -> str | None:
        """Of `environment.parsed_options`: what --set gives."""
        if not isinstance(node, ast.Attribute):
            return None
        if node.attr == "parsed_options":
            return ""
        if isinstance(below, ast.Attribute) and below.attr == "parsed_options":
            self.script.arguments.setdefault(node.attr, "")
            return f'{self.script.user}.arguments["{node.attr}"]'
        return None

    def _is_host(self, node: ast.AST | None) -> bool:
        if not isinstance(node, ast.Attribute) or node.attr != "host" or self.script.host is None:
            return False
        of = node.value
        return self.scope.is_user(of) or (
            isinstance(of, ast.Attribute) and of.attr == "environment" and self.scope.is_user(of.value)
        )

    def _call(self, node: ast.Call) -> bool | None:
        scope, text, user = self.scope, self.text, self.script.user
        if scope.is_request(node):
            self._request(node, None)
            return None
        if self._says_otherwise(node):
            return None
        awaited = scope.is_awaited(node)
        if scope.is_sleep(node) or scope.is_wait(node):
            text.put(node.func, f"{user}.pause")
            if scope.is_wait(node) and not node.args:
                text.put(node, self._awaited(node, self.wait or f"{user}.pause(1)"))
                return None
        elif (piece := scope.callee(node)) is not None:
            self._call_of(piece, node)
        else:
            self.visit(node.func)
        for one in [*node.args, *(word.value for word in node.keywords)]:
            self.visit(one)
        if awaited:
            self._await(node)
        return None

    def _says_otherwise(self, node: ast.Call) -> bool:
        """A call for which there are other words here: times, failures, attributes of the user."""
        text, called = self.text, node.func
        if isinstance(called, ast.Attribute):
            of = called.value
            if called.attr == "total_seconds" and isinstance(of, ast.Attribute) and of.attr == "elapsed":
                self.visit(of)
                text.replace(text.end(of), text.end(node), "")
                return True
            if called.attr == "failure" and isinstance(of, ast.Name) and len(node.args) == 1:
                self.visit(node.args[0])
                text.put(called, f"{self.script.user}.expect")
                text.put(node.args[0], f"False, {self._message(node.args[0])}")
                return True
            return False
        if name_of(called) not in ("hasattr", "getattr") or len(node.args) < 2:
            return False
        of, name, *rest = node.args
        if not self.scope.is_user(of) or not isinstance(name, ast.Constant):
            return False
        for one in rest:
            self.visit(one)
        data = f"{self.script.user}.data"
        default = "".join(f", {text.now(one)}" for one in rest)
        is_asked = name_of(called) == "hasattr"
        text.put(
            node, f'"{name.value!s}" in {data}' if is_asked else f'{data}.get("{name.value!s}"{default})'
        )
        return True

    def _call_of(self, piece: Piece, node: ast.Call) -> None:
        """A method, or a function that needs one, is given the user; a method of a class had it."""
        text, user, called = self.text, self.script.user, node.func
        text.put(called, piece.name)
        is_method = isinstance(called, ast.Attribute) and piece.receiver is not None
        of = called.value if isinstance(called, ast.Attribute) else None
        is_via_class = isinstance(of, ast.Name) and of.id in self.script.classes.groups
        if (is_method and not is_via_class) or piece.adds_user:
            at = text.find("(", text.end(called)) + 1
            text.insert(at, f"{user}, " if node.args or node.keywords else user)

    def _await(self, node: ast.Call) -> None:
        if self._needs_parentheses(node):
            self.text.insert(self.text.start(node), "(await ")
            self.text.insert(self.text.end(node), ")")
        else:
            self.text.insert(self.text.start(node), "await ")

    def _awaited(self, node: ast.Call, what: str) -> str:
        return f"(await {what})" if self._needs_parentheses(node) else f"await {what}"

    def _needs_parentheses(self, node: ast.Call) -> bool:
        above = self._above.get(node)
        return (isinstance(above, (ast.Attribute, ast.Subscript)) and above.value is node) or (
            isinstance(above, ast.Call) and above.func is node
        )

    def _request(self, node: ast.Call, column: int | None) -> None:
        """`column` is where it begins, unless it stays where it was."""
        text = self.text
        indent = text.indent(node.lineno)
        line = text.line(node.lineno)
        stays = column is None
        if column is None:
            column = node.col_offset - (len(line) - len(line.lstrip())) + indent
        for one in [*node.args, *(word.value for word in node.keywords)]:
            self.visit(one)
        asked = request_parts(self.script, self.piece, node, text, self._names[-1] if self._names else None)
        if not asked.changed:
            text.put(node.func, f"{self.script.user}.{asked.method}")
            self._await(node)
            return
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        exploded = text.bytes[: text.end(node) - 1].rstrip().endswith(b",")
        call = LaidCall(
            f"await {self.script.user}.{asked.method}(", asked.parts, text.comments(node), exploded
        )
        # What follows the call in its line; of a `with` nothing does.
        after = len(text.line(node.end_lineno).encode()) - node.end_col_offset if stays else 0
        if not self._needs_parentheses(node):
            text.put(node, call.laid(indent, column + after))
        elif "\n" in call.laid(indent, column + after + len("()")):
            inner = " " * (indent + 4)
            text.put(node, f"(\n{inner}{call.laid(indent + 4, indent + 4)}\n{' ' * indent})")
        else:
            text.put(node, f"({call.laid(indent, 0)})")

    def _joinedstr(self, node: ast.JoinedStr) -> None:
        """Whole: inside of one, positions are not true before Python 3.12."""
        new = copy.deepcopy(node)
        changed = False
        for one in ast.walk(new):
            if isinstance(one, ast.FormattedValue):
                before = ast.unparse(one.value)
                after = self._converted(before)
                if after != before:
                    one.value, changed = ast.parse(after, mode="eval").body, True
        if changed:
            self.text.put(node, quoted(new))

    def _converted(self, expression: str) -> str:
        """An expression's text in a text of its own."""
        inner = type(self)(self.script, self.piece, Text(expression), self.wait)
        return inner.expression(ast.parse(expression, mode="eval").body)

    def _lambda(self, node: ast.Lambda) -> bool:
        if any(map(self.scope.is_awaited, ast.walk(node))):
            self.script.note(f"line {node.lineno}: a lambda cannot await what it asks")
        return False

    def _message(self, said: ast.expr) -> str:
        now = self.text.now(said)
        is_text = isinstance(said, (ast.JoinedStr, ast.BinOp)) or is_plain(said)
        return now if is_text else f"str({now})"
