"""Writes a draft as a script: scenarios, then the plan. What all calls have in common goes to the plan."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import shorten, wrap

from loadgen.convert.draft import Block, Call, Draft, Line, Part
from loadgen.convert.source import SPREAD, WIDTH, Code, Invoke, lay

_VERBS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_MANY = 3
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
    _gather(draft)
    _name_headers(draft)
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


def _gather(draft: Draft) -> None:
    """What every call has alike is said once."""
    calls = draft.calls()
    if len(calls) < 2:
        return
    auth = calls[0].options.get("auth")
    if auth is not None and all(call.options.get("auth") == auth for call in calls):
        draft.plan = {"auth": auth} | draft.plan
        for call in calls:
            del call.options["auth"]
    shared = _headers_of(calls[0])
    for call in calls:
        has = _headers_of(call)
        shared = {name: value for name, value in shared.items() if has.get(name) == value}
    if not shared:
        return
    draft.plan = {"headers": shared} | draft.plan
    for call in calls:
        call.options["headers"] = {
            name: value for name, value in _headers_of(call).items() if name not in shared
        }
        if not call.options["headers"]:
            del call.options["headers"]


def _name_headers(draft: Draft) -> None:
    """Those that many calls have alike get a name."""
    calls = [call for call in draft.calls() if len(_headers_of(call)) > 1]
    found = Counter(repr(_headers_of(call)) for call in calls)
    if not found or found.most_common(1)[0][1] < _MANY:
        return
    wanted = found.most_common(1)[0][0]
    shared = next(_headers_of(call) for call in calls if repr(_headers_of(call)) == wanted)
    name = draft.constant("HEADERS", shared)
    for call in calls:
        has = _headers_of(call)
        if shared.items() <= has.items():
            more = {key: value for key, value in has.items() if key not in shared}
            spread: dict[object, object] = {Code(f"**{name.text}"): SPREAD}
            call.options["headers"] = spread | more if more else name


def _headers_of(call: Call) -> Mapping[str, object]:
    found = call.options.get("headers")
    return found if isinstance(found, Mapping) else {}


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
