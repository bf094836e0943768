"""What of a Locust file is left behind, and whether that is said."""

from __future__ import annotations

import ast

from loadgen.convert.locustfile.classes import SETTINGS, Function, Group
from loadgen.convert.locustfile.finding import is_listener
from loadgen.convert.locustfile.imports import Import, is_locust
from loadgen.convert.locustfile.manuscript import Manuscript
from loadgen.convert.locustfile.shapes import stages_of


def is_left_out(work: Manuscript, node: ast.stmt, group: Group | None) -> bool:
    """Whether a statement of the module, or of a class, has no place in the script."""
    if isinstance(node, ast.Pass):
        return True
    if isinstance(node, Function):
        return _is_function_left_out(work, node)
    if isinstance(node, ast.ClassDef):
        found = work.script.classes.group_of(node, group)
        return found is not None and found.kind == "shape" and _leave_shape(work, found)
    if group is None:
        return _is_of_locust(work, node)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        is_setting = any(isinstance(target, ast.Name) and target.id in SETTINGS for target in targets)
        return is_setting or node.value is None  # a type alone
    return isinstance(node, ast.Expr)


def _is_function_left_out(work: Manuscript, node: Function) -> bool:
    life = work.life
    if is_listener(node):
        work.script.note(f"the listener {node.name} was left out: loadgen has no events of Locust's")
        return True
    if node in life.empty or (life.merged and node in life.stops and life.starts):
        return True
    piece = work.script.pieces.get(node)
    return piece is not None and work.only_interrupts(piece)


def _leave_shape(work: Manuscript, shape: Group) -> bool:
    if stages_of(shape) is None:
        work.script.note(f"the load shape {shape.name} was left out: write its stages into Plan(stages=[…])")
    return True


def _is_of_locust(work: Manuscript, node: ast.stmt) -> bool:
    """Whether a statement of the module says something to Locust alone."""
    words = ast.unparse(node)
    first = words.split("\n")[0]
    if isinstance(node, ast.If) and "__name__" in first:
        return "locust" in words.lower() or "run_single_user" in words
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        return node.targets[0].attr == "host"
    if isinstance(node, ast.Expr) and words.startswith("events."):
        work.script.note(f"line {node.lineno} was left out: {first}")
        return True
    if isinstance(node, ast.Expr):
        return "patch_all" in words
    # Of the first such import the line becomes loadgen's own.
    return (
        isinstance(node, Import)
        and is_locust(node)
        and any(chunk.node is not None and is_locust(chunk.node) for chunk in work.page.chunks)
    )
