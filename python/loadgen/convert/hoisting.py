"""What is said once: what all calls have alike is the plan's, and what is often said or long gets a name."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping

from loadgen.convert.draft import Call, Draft
from loadgen.convert.source import SPREAD, Code, Lines, flat

_MANY = 3  # calls, or lines of a text
_CANDIDATES = 10
_GRAPHQL = re.compile(r"\s*(?:query|mutation|subscription)\s+(\w+)")


def hoist(draft: Draft) -> None:
    """Changes the calls of a draft, its plan and its constants."""
    _gather(draft)
    _name_headers(draft)
    for call in draft.calls():
        for option, value in call.options.items():
            call.options[option] = _without_texts(draft, value, "body" if option == "content" else option)


def _gather(draft: Draft) -> None:
    """What every call has alike is said once."""
    calls = draft.calls()
    if len(calls) < 2:
        return
    auth = calls[0].options.get("auth")
    if auth is not None and _is_same(draft, auth) and all(call.options.get("auth") == auth for call in calls):
        draft.plan = {"auth": auth} | draft.plan
        for call in calls:
            del call.options["auth"]
    shared = {name: value for name, value in _headers_of(calls[0]).items() if _is_same(draft, value)}
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
    same = [
        (call, {name: value for name, value in _headers_of(call).items() if _is_same(draft, value)})
        for call in draft.calls()
    ]
    alike = {repr(found): found for _, found in same if len(found) > 1}
    often = Counter(repr(found) for _, found in same if len(found) > 1).most_common(_CANDIDATES)
    found = [(sum(alike[one].items() <= has.items() for _, has in same), one) for one, _ in often]
    most, wanted = max(found, key=lambda pair: pair[0], default=(0, ""))
    if most < _MANY:
        return
    shared = alike[wanted]
    headers = draft.constant("HEADERS", shared)
    for call, has in same:
        if shared.items() <= has.items():
            more = {name: value for name, value in _headers_of(call).items() if name not in shared}
            spread: dict[object, object] = {Code(f"**{headers.text}"): SPREAD}
            call.options["headers"] = spread | more if more else headers


def _is_same(draft: Draft, value: object) -> bool:
    """Whether a value is the same wherever it stands: nothing in it is a user's, or made anew each time."""
    names = {node.id for node in ast.walk(ast.parse(flat(value))) if isinstance(node, ast.Name)}
    return names <= draft.constants.keys() | draft.names | {"str"}


def _headers_of(call: Call) -> Mapping[str, object]:
    found = call.options.get("headers")
    return found if isinstance(found, Mapping) else {}


def _without_texts(draft: Draft, value: object, name: str) -> object:
    """A value with names for the texts of many lines in it, such as queries."""
    if isinstance(value, Mapping):
        return {
            key: one if one is SPREAD else _without_texts(draft, one, str(key)) for key, one in value.items()
        }
    if isinstance(value, list):
        return [_without_texts(draft, one, name) for one in value]
    if not isinstance(value, str) or value.count("\n") < _MANY or not _is_plain(value):
        return value
    operation = _GRAPHQL.match(value)
    return draft.constant(operation[1] if operation else name, Lines(value))


def _is_plain(text: str) -> bool:
    """Whether it reads in lines as it stands."""
    lines = text.split("\n")
    is_readable = all(line.isprintable() and not line.endswith(" ") for line in lines)
    return is_readable and '"""' not in text and not text.endswith('"')
