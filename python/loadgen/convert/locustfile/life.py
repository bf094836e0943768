"""What goes before and after all tasks of a user: `on_start`, `on_stop`, and what a constructor did."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from loadgen.convert.locustfile.classes import Classes, Function, Group, interrupts, is_text, name_of
from loadgen.convert.locustfile.scope import Script


@dataclass
class Life:
    """In their order. `merged`: there is one of each at most, and nobody else calls them."""

    starts: list[Function] = field(default_factory=list)
    stops: list[Function] = field(default_factory=list)
    empty: list[Function] = field(default_factory=list)  # those that do nothing
    merged: bool = True


def find_life(script: Script, classes: Classes) -> Life:
    """Of all users, and of the sets that they play."""
    life = Life()
    beginning: dict[str, None] = {}
    for user in classes.users():
        for group in _within(classes, user, []):
            for name, functions in (
                ("__init__", life.starts),
                ("on_start", life.starts),
                ("on_stop", life.stops),
            ):
                found = group.method(name)
                if found is None or found[1] in functions or found[1] in life.empty:
                    continue
                if _is_empty(script, found[1]):
                    life.empty.append(found[1])
                    continue
                if name == "on_start" and is_entered_again(classes, group):
                    continue
                functions.append(found[1])
                if name != "on_stop":
                    beginning[user.name] = None
    if len(beginning) > 0 and len(classes.users()) > 1:
        script.note(
            f"every user plays the tasks of all classes, so it begins as these do: {', '.join(beginning)}"
        )
    every = [*life.starts, *life.stops]
    life.merged = (
        len(life.starts) < 2
        and len(life.stops) < 2
        and not any(script.pieces[one].called for one in every)
        and not any(isinstance(node, (ast.Return, ast.Raise)) for one in every for node in ast.walk(one))
    )
    return life


def is_entered_again(classes: Classes, group: Group) -> bool:
    """A sequence that is left: it begins anew each time."""
    return group.kind == "sequence" and any(
        isinstance(task.target, Function) and interrupts(task.target) for task in classes.tasks(group)
    )


def _within(classes: Classes, group: Group, seen: list[Group]) -> list[Group]:
    seen.append(group)
    for task in classes.tasks(group):
        if isinstance(task.target, Group) and task.target not in seen:
            _within(classes, task.target, seen)
    return seen


def _is_empty(script: Script, function: Function) -> bool:
    return all(
        is_text(one)
        or isinstance(one, ast.Pass)
        or one in script.said_once
        or (
            isinstance(one, ast.Expr)
            and isinstance(one.value, ast.Call)
            and isinstance(one.value.func, ast.Attribute)
            and isinstance(one.value.func.value, ast.Call)
            and name_of(one.value.func.value.func) == "super"
        )
        for one in function.body
    )
