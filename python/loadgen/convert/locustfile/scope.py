"""What names mean in a function of a Locust file: who is the user, what a request is, what is awaited."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from loadgen.convert.locustfile.classes import Classes, Function, Group, name_of

VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})
# Of a set of tasks: its user, and the set around it. All have one user's data here.
_UP = frozenset({"user", "parent", "locust"})
_WAITS = frozenset({"wait", "_sleep", "wait_function"})


@dataclass(eq=False)
class Piece:
    """A function that becomes one of the script."""

    node: Function
    owner: Group | None
    name: str
    receiver: str | None  # its parameter that is the user
    takes_client: bool = False  # that parameter is the client instead
    adds_user: bool = False  # it needs the user and has none: it gets one as its first parameter
    is_async: bool = False
    called: bool = False  # by another
    is_property: bool = False


@dataclass
class Script:
    """What is known of the whole file, and what was found out while rewriting it."""

    tree: ast.Module
    classes: Classes
    user: str = "user"
    user_type: str = "User"
    pieces: dict[Function, Piece] = field(default_factory=dict)
    values: dict[tuple[Group, str], str] = field(
        default_factory=dict
    )  # constants of classes, by their new names
    constants: dict[tuple[Group, str], str] = field(default_factory=dict)  # those, and what users may change
    preset: dict[str, str] = field(default_factory=dict)  # what users begin with
    sleeps: set[str] = field(default_factory=set)  # `time.sleep`, `sleep`
    encoders: set[str] = field(default_factory=set)  # names of json's dumps
    host: str | None = None
    notes: list[str] = field(default_factory=list)
    plan: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    said_once: list[ast.stmt] = field(default_factory=list)  # statements whose meaning the plan has
    session_headers: bool = False
    session_auth: bool = False

    def note(self, text: str) -> None:
        """Each once."""
        if text not in self.notes:
            self.notes.append(text)

    def by_name(self, name: str) -> Piece | None:
        """A function of the module."""
        function = self.classes.functions.get(name)
        return self.pieces.get(function) if function is not None else None


class Scope:
    """One function's."""

    def __init__(self, script: Script, piece: Piece) -> None:
        self.script, self.piece = script, piece
        self.receivers = {piece.receiver} if piece.receiver and not piece.takes_client else set()
        self.clients = {piece.receiver} if piece.receiver and piece.takes_client else set()
        for node in ast.walk(piece.node):
            if isinstance(node, ast.Assign) and self.is_client(node.value):
                self.clients |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        self.local_async: set[str] = set()
        inner = [
            node for node in ast.walk(piece.node) if isinstance(node, Function) and node is not piece.node
        ]
        while found := {
            one.name
            for one in inner
            if one.name not in self.local_async and any(map(self.is_awaited, ast.walk(one)))
        }:
            self.local_async |= found

    def is_user(self, node: ast.AST) -> bool:
        """`self`, and `self.user`."""
        if isinstance(node, ast.Name):
            return node.id in self.receivers
        return isinstance(node, ast.Attribute) and node.attr in _UP and self.is_user(node.value)

    def is_client(self, node: ast.AST) -> bool:
        """`self.client`, and what was made the same."""
        if isinstance(node, ast.Name):
            return node.id in self.clients
        return isinstance(node, ast.Attribute) and node.attr == "client" and self.is_user(node.value)

    def is_request(self, node: ast.AST) -> bool:
        """A call that asks the target."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return False
        name, of = node.func.attr, node.func.value
        if name in ("rest", "rest_"):
            return self.is_user(of)
        return (name in VERBS or name == "request") and self.is_client(of)

    def is_sleep(self, node: ast.AST) -> bool:
        """A call that waits."""
        return isinstance(node, ast.Call) and ast.unparse(node.func) in self.script.sleeps

    def is_wait(self, node: ast.AST) -> bool:
        """A call of the user's own wait."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _WAITS
            and self.is_user(node.func.value)
            and self.callee(node) is None
        )

    def callee(self, node: ast.AST) -> Piece | None:
        """The function of the file that is called."""
        if not isinstance(node, ast.Call):
            return None
        if isinstance(node.func, ast.Name):
            return None if node.func.id in self.local_async else self.script.by_name(node.func.id)
        return self.member(node.func) if isinstance(node.func, ast.Attribute) else None

    def member(self, node: ast.Attribute) -> Piece | None:
        """The method that an attribute is."""
        for group in self._groups(node.value):
            found = group.method(node.attr)
            if found is not None:
                return self.script.pieces.get(found[1])
        return None

    def value(self, node: ast.Attribute) -> str | None:
        """The constant of the module that an attribute of a class is now."""
        for group in self._groups(node.value):
            for one in group.line():
                if (one, node.attr) in self.script.values:
                    return self.script.values[one, node.attr]
        return None

    def _groups(self, node: ast.expr) -> Iterator[Group]:
        """The classes whose members an expression may have."""
        owner = self.piece.owner
        if isinstance(node, ast.Call) and name_of(node.func) == "super" and owner is not None:
            yield from owner.bases
        elif isinstance(node, ast.Name) and node.id in self.script.classes.groups:
            yield self.script.classes.groups[node.id]
        elif isinstance(node, ast.Name) and node.id in self.receivers and owner is not None:
            yield owner
        elif isinstance(node, ast.Attribute) and self.is_user(node):
            if node.attr == "parent" and owner is not None and owner.outer is not None:
                yield owner.outer
            yield from (one for one in self.script.classes.every() if one.kind == "user")

    def is_awaited(self, node: ast.AST) -> bool:
        """Whether a call has an `await` before it now."""
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name) and node.func.id in self.local_async:
            return True
        callee = self.callee(node)
        if callee is not None:
            return callee.is_async
        return self.is_request(node) or self.is_sleep(node) or self.is_wait(node)


def colour(script: Script) -> None:
    """Marks those that await anything, and those that are called."""
    scopes = {piece: Scope(script, piece) for piece in script.pieces.values()}
    for piece, scope in scopes.items():
        for node in ast.walk(piece.node):
            callee = scope.callee(node)
            if callee is not None and callee is not piece:
                callee.called = True
            if (
                isinstance(node, ast.Attribute)
                and (read := scope.member(node)) is not None
                and read.is_property
            ):
                read.called = True
    changed = True
    while changed:
        changed = False
        for piece in scopes:
            if not piece.is_async and any(map(Scope(script, piece).is_awaited, ast.walk(piece.node))):
                piece.is_async = changed = True
