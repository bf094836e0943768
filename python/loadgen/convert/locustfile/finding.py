"""Finds out what of a Locust file becomes what, before any of it is written."""

from __future__ import annotations

import ast
import builtins
import keyword
from collections import Counter

from loadgen.convert.locustfile.classes import SETTINGS, Classes, Function, Group, name_of
from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.headers import find_headers
from loadgen.convert.locustfile.imports import Imports
from loadgen.convert.locustfile.scope import VERBS, Piece, Scope, Script, colour
from loadgen.convert.writing import identifier


class Names:
    """Those of the module: what is taken, and what is free."""

    def __init__(self, tree: ast.Module, classes: Classes, imports: Imports) -> None:
        words = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        words -= Counter(name for group in classes.every() for name in group.values)
        self.bound = set(words) | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        gone = {one.name for one in classes.every()}
        self.taken = (self.bound - gone) | imports.names
        self.taken |= {node.name for node in tree.body if isinstance(node, (Function, ast.ClassDef))} - gone
        self.taken |= {
            "plan",
            "scenario",
            "session",
            "HOST",
            "Plan",
            "Stage",
            "AsyncIterator",
            *dir(builtins),
        }

    def free(self, name: str, group: Group) -> str:
        """The same name, unless it is somebody's."""
        name = "prepare" if name == "__init__" else name
        new = (
            name
            if name not in self.taken and not keyword.iskeyword(name)
            else f"{identifier(group.name, set())}_{name}"
        )
        base, number = new, 2
        while new in self.taken:
            new, number = f"{base}_{number}", number + 1
        self.taken.add(new)
        return new


def find(tree: ast.Module, text: Text, imports: Imports) -> tuple[Script, Names]:
    """The functions and constants that there will be."""
    classes = Classes(tree)
    script, names = Script(tree, classes), Names(tree, classes, imports)
    if "user" in names.bound | imports.names:
        script.user = "visitor" if "visitor" not in names.taken else "loadgen_user"
    if "User" in imports.names:
        script.user_type = "Visitor"
    names.taken.add(script.user)
    script.sleeps = imports.named({"time.sleep", "gevent.sleep"})
    script.encoders = imports.named({"json.dumps"})
    _find_host(script, tree, text)
    whole = ast.unparse(tree)
    script.session_headers = ".client.headers" in whole and not find_headers(script)
    script.session_auth = ".client.auth" in whole
    stored = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    for group in classes.every():
        if group.kind == "shape":
            continue
        for name in ("rest", "rest_", "request", "wait", "run"):
            if name in group.methods:
                script.note(
                    f"{group.name}.{name} takes the place of Locust's own: look through what calls it"
                )
        for name, function in group.methods.items():
            marks = {
                name_of(mark.func if isinstance(mark, ast.Call) else mark) for mark in function.decorator_list
            }
            first = function.args.args[0].arg if function.args.args and "staticmethod" not in marks else None
            piece = Piece(function, group, names.free(name, group), first)
            piece.is_property = bool(marks & {"property", "cached_property"})
            script.pieces[function] = piece
        for name in group.values:
            if name not in SETTINGS:
                new = names.free(name, group)
                script.constants[group, name] = new
                if name in stored:
                    script.preset[name] = new
                else:
                    script.values[group, name] = new
    tasks = {task.target for group in classes.every() for task in classes.tasks(group)}
    for function in classes.functions.values():
        part = _part(function, is_task=function in tasks)
        if part is not None and not is_listener(function):
            script.pieces[function] = part
    _find_needy(script)
    colour(script)
    script.notes += dict.fromkeys(classes.unread)
    return script, names


def is_listener(node: ast.AST) -> bool:
    """A function that hears Locust's events."""
    return isinstance(node, Function) and any("events." in ast.unparse(mark) for mark in node.decorator_list)


def _find_host(script: Script, tree: ast.Module, text: Text) -> None:
    users = script.classes.users()
    hosts = [host for one in users if (host := one.value("host")) is not None]
    hosts += [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Attribute)
        and node.targets[0].attr == "host"
    ]
    texts = list(dict.fromkeys(text.of(host) for host in hosts if not _is_empty(host)))
    if not texts:
        return
    script.plan["base_url"] = script.host = texts[0]
    if len(texts) > 1:
        script.note(f"there is one base URL, {texts[0]}: not {', '.join(texts[1:])}")
    if any(one.fast for one in users) and "https:" in texts[0]:
        script.plan["insecure"] = "True"


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _part(function: Function, *, is_task: bool) -> Piece | None:
    """A function of the module that plays a part: a task, or what is given a user or its client."""
    if not function.args.args:
        return None
    first = function.args.args[0].arg
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == first:
            if node.attr == "client":
                return Piece(function, None, function.name, first)
            if node.attr in VERBS and first in ("client", "session"):
                return Piece(function, None, function.name, first, takes_client=True)
    return Piece(function, None, function.name, first) if is_task else None


def _find_needy(script: Script) -> None:
    """Functions that are called by these and judge or wait: they are given the user."""
    for piece in list(script.pieces.values()):
        scope = Scope(script, piece)
        if piece.receiver is None and _is_needy(piece.node, scope):
            piece.adds_user = True
        for node in ast.walk(piece.node):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            function = script.classes.functions.get(node.func.id)
            if function is not None and function not in script.pieces and _is_needy(function, scope):
                script.pieces[function] = Piece(function, None, function.name, None, adds_user=True)


def _is_needy(function: Function, scope: Scope) -> bool:
    return any(
        scope.is_sleep(node)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "failure"
            and isinstance(node.func.value, ast.Name)
        )
        for node in ast.walk(function)
    )
