"""Targets as vegeta reads them: blocks of `METHOD URL`, headers and `@file`, or a JSON object to a line."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from loadgen.convert.calls import call_of, settle
from loadgen.convert.draft import Call, Draft, Part
from loadgen.errors import UsageError

_TARGET = re.compile(r"([A-Z]+)\s+([a-zA-Z][\w+.-]*://\S+|/\S*)\s*$")
# More than this nobody would write by hand.
_MANY = 20


def is_ours(text: str) -> bool:
    """Whether the first line that says something is a target's."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if not first.startswith("{"):
        return _TARGET.match(first) is not None
    try:
        found: dict[str, Any] = json.loads(first)
    except ValueError:
        return False
    return {"method", "url"} <= found.keys()


def read(text: str, title: str) -> Draft:
    """A scenario of its own for each target: vegeta takes them in turns. Of equal ones there is one."""
    draft = Draft(about="", parts=[])
    called = list((_from_json if text.lstrip().startswith("{") else _from_blocks)(text, draft))
    settle(draft, called)
    equal: dict[str, list[Call]] = {}
    for _, call in called:
        equal.setdefault(repr(call), []).append(call)
    where = draft.base_url or "its target"
    draft.about = f"{len(called)} targets of {where}, each a scenario: as many of one as of the other."
    if len(called) == 1:
        draft.about = f"One target of {where}."
    if len(called) > _MANY:
        draft.note("so many targets need no script: loadgen blast --targets takes the file as it is")
    for call, *again in equal.values():
        name = title if len(called) == 1 else f"{call.method} {call.url}"
        decorator = f"@scenario(weight={1 + len(again)})" if again else "@scenario"
        draft.parts.append(Part(name, [call], decorator=decorator))
    return draft


def _from_json(text: str, draft: Draft) -> Iterator[tuple[str, Call]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            one: Any = json.loads(line)
            body = base64.b64decode(one["body"]) if one.get("body") else None
            pairs = [(name, value) for name, values in (one.get("header") or {}).items() for value in values]
            yield _with_bytes(draft, one["method"], one["url"], pairs, body)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f'line {number}: expected {{"method": …, "url": …}}') from None


def _with_bytes(
    draft: Draft, method: str, url: str, headers: list[tuple[str, str]], body: bytes | None
) -> tuple[str, Call]:
    try:
        return call_of(draft, method, url, headers, None if body is None else body.decode())
    except UnicodeDecodeError:
        base, call = call_of(draft, method, url, headers)
        call.options["content"] = body
        return base, call


def _from_blocks(text: str, draft: Draft) -> Iterator[tuple[str, Call]]:
    target: tuple[str, str] | None = None
    headers: list[tuple[str, str]] = []
    file: str | None = None

    def made() -> Iterator[tuple[str, Call]]:
        if target is not None:
            base, call = call_of(draft, *target, headers)
            if file is not None:
                call.options["content"] = draft.file(file)
            yield base, call

    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        found = _TARGET.match(line)
        if found or not line:
            yield from made()
            target, file = (found[1], found[2]) if found else None, None
            headers.clear()
        elif line.startswith("#"):
            continue
        elif line.startswith("@") and target is not None:
            file = line[1:].strip()
        elif ":" in line and target is not None:
            name, _, value = line.partition(":")
            headers.append((name.strip(), value.strip()))
        else:
            raise UsageError(f'line {number}: expected "METHOD URL", "Header: value" or "@file"')
    yield from made()
