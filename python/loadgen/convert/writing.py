"""Writes a draft as a script: scenarios, then the plan. What all calls have in common goes to the plan."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Sequence
from textwrap import shorten, wrap

from loadgen.convert.draft import Block, Call, Draft, Line, Part
from loadgen.convert.hoisting import hoist
from loadgen.convert.source import WIDTH, Code, Invoke, lay

_VERBS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
# As docs have them: where it goes, what it says, what is in it.
_ORDER = (
    "path",
    "params",
    "headers",
    "cookies",
    "auth",
    "json",
    "data",
    "files",
    "content",
    "timeout",
    "name",
)


def write(draft: Draft) -> str:
    """The whole file."""
    hoist(draft)
    lines = [*_docstring(draft), ""]
    lines += [f"import {module}" for module in sorted(draft.modules)]
    lines += [""] if draft.modules else []
    text = "".join(part.decorator for part in draft.parts) + str(draft.plan.get("stages"))
    names = {"Plan", "User", *draft.names, *(["Stage"] if "Stage" in text else [])}
    names |= {name for name in ("once", "scenario") if f"@{name}" in text}
    # Classes come first, as import sorters have them.
    lines += [f"from loadgen import {', '.join(sorted(names, key=lambda name: (name.islower(), name)))}", ""]
    for name, code in draft.constants.items():
        lines += lay(f"{name} = ", code)
    lines += [""] if draft.constants else []
    taken = {"plan", "user", *names, *draft.modules, *draft.constants}
    for part in draft.parts:
        lines += ["", *_scenario(part, taken), ""]
    return "\n".join([*lines, "", *_plan(draft)]) + "\n"


def _docstring(draft: Draft) -> list[str]:
    about = [*wrap(_escaped(draft.about), WIDTH - len('"""."""'))]
    if not draft.notes and len(about) == 1:
        return [f'"""{about[0]}"""']
    lines = [f'"""{about[0]}', *about[1:]]
    if draft.notes:
        lines += ["", "What could not be kept:"]
    for note in draft.notes:
        lines += wrap(_escaped(note), WIDTH, initial_indent="- ", subsequent_indent="  ")
    return [*lines, '"""']


def _escaped(text: str) -> str:
    """As it stands in a docstring. One that ends in a quote would end too soon."""
    whole = " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''")
    return f"{whole}." if whole.endswith('"') else whole


def _scenario(part: Part, taken: set[str]) -> list[str]:
    name = identifier(part.name, taken)
    lines = [part.decorator, f"async def {name}(user: User) -> None:"]
    if part.about:
        about = shorten(part.about, WIDTH - len('    """."""'), placeholder="…")
        lines += [f'    """{_escaped(about)}"""']
    return lines + _statements(part.calls, 4)


def _statements(statements: Sequence[Call | Line | Block], indent: int) -> list[str]:
    lines = []
    for one in statements:
        if isinstance(one, Call):
            lines += _call(one, indent)
        elif isinstance(one, Line):
            lines += lay(one.before, one.node, indent=indent)
        else:
            lines += [f"{' ' * indent}{one.head}", *_statements(one.body, indent + 4)]
    return lines


def _call(call: Call, indent: int) -> list[str]:
    lines = []
    space = " " * indent
    if call.pause_s:
        lines.append(f"{space}await user.pause({call.pause_s:g})")
    if call.comment:
        lines += wrap(call.comment, WIDTH, initial_indent=f"{space}# ", subsequent_indent=f"{space}# ")
    made = invoked(call)
    if call.status is None:
        return lines + lay("response = await " if call.is_used else "await ", made, indent=indent)
    lines += lay("response = await ", made, indent=indent)
    check = f"{call.options.get('name') or f'{call.method} {call.url}'}: {call.status}"
    return lines + lay(
        "", Invoke("user.expect", (Code(f"response.status == {call.status}"), check)), indent=indent
    )


def invoked(call: Call) -> Invoke:
    """The request as it is called."""
    named = tuple((name, call.options[name]) for name in _ORDER if name in call.options)
    named += tuple((name, value) for name, value in call.options.items() if name not in _ORDER)
    url = call.code or call.url
    if call.method in _VERBS:
        return Invoke(f"user.{call.method.lower()}", (url,), named)
    return Invoke("user.request", (call.method, url), named)


def _plan(draft: Draft) -> list[str]:
    fields: dict[str, object] = {}
    if draft.base_url:
        fields["base_url"] = draft.base_url
    if draft.arguments:
        fields["arguments"] = dict(draft.arguments)
    fields |= draft.plan
    return lay("plan = ", Invoke("Plan", (), tuple(fields.items())))


def identifier(text: str, taken: set[str], *, instead: str = "do_{}") -> str:
    """A name for Python, in snake case, that nobody has yet; `instead` of one that Python has itself."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFKC", text))
    name = re.sub(r"\W+", "_", words).strip("_").lower()[:50].strip("_") or "journey"
    if keyword.iskeyword(name) or name in vars(builtins):
        name = instead.format(name)
    name = name if name.isidentifier() else f"do_{name}"
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    taken.add(free)
    return free
