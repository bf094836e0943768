"""A Locust file as a script: its classes dissolve into functions, and all the rest stays where it is."""

from __future__ import annotations

import ast

from loadgen.convert.draft import Draft
from loadgen.convert.locustfile.classes import is_text
from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.finding import find
from loadgen.convert.locustfile.imports import Imports
from loadgen.convert.locustfile.life import find_life
from loadgen.convert.locustfile.manuscript import Manuscript
from loadgen.convert.locustfile.members import Members
from loadgen.convert.locustfile.page import Page
from loadgen.convert.locustfile.scenarios import Scenarios
from loadgen.convert.locustfile.sessions import Sessions
from loadgen.convert.locustfile.shapes import stages_of
from loadgen.convert.locustfile.tokens import spaced
from loadgen.convert.locustfile.weights import find_weights
from loadgen.convert.source import Code, Invoke, lay
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
    work = _begin(Text(text), tree, title)
    try:
        script = _write(work)
        compile(script, title, "exec")
    except SyntaxError as error:
        raise UsageError(
            f"it cannot be rewritten: {error.msg}: {(error.text or '').strip()}",
            hint="It runs as it is: loadgen run FILE.",
        ) from None
    if not work.scenarios:
        raise UsageError("no user class with tasks is in it")
    draft = Draft(about="", parts=[], notes=work.script.notes, script=script)
    draft.said = counted(work.scenarios, "scenario")
    return draft


def _begin(text: Text, tree: ast.Module, title: str) -> Manuscript:
    """What there is to know before anything is written."""
    imports = Imports(tree)
    script, names = find(tree, text, imports)
    weights = find_weights(script, script.classes, text)
    life = find_life(script, script.classes)
    return Manuscript(tree, text, script, names, weights, life, Page(script, text, imports, title))


def _write(work: Manuscript) -> str:
    """The whole script."""
    about = work.tree.body[0] if work.tree.body and is_text(work.tree.body[0]) else None
    sessions = Sessions(work)
    Members(work, Scenarios(work), sessions).add_all(about)
    sessions.add_rest()
    script, page = work.script, work.page
    fields: dict[str, object] = {name: Code(value) for name, value in script.plan.items()}
    if script.host is not None and page.uses("HOST"):
        fields["base_url"] = Code("HOST")
        page.add_constant(f"HOST = {script.host}")
    fields |= {"follow_redirects": True, "compression": True}
    if script.headers:
        fields["headers"] = script.headers
    if script.arguments:
        fields["arguments"] = script.arguments
    if stages := _stages(work):
        fields["stages"] = stages
    page.add("\n".join(lay("plan = ", Invoke("Plan", (), tuple(fields.items())))), "code", 2)
    page.complete_imports(has_stages=bool(stages))
    return page.join(about)


def _stages(work: Manuscript) -> list[object]:
    for shape in work.script.classes.groups.values():
        if shape.kind == "shape" and (found := stages_of(shape)):
            return [Invoke("Stage", (duration,), (("users", users),)) for duration, users in found]
    return []
