"""Targets as vegeta reads them: blocks of `METHOD URL`, headers and `@file`, or a JSON object to a line."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from loadgen.convert.draft import Call, Draft, Part, call_of, settle_base
from loadgen.errors import UsageError

_TARGET = re.compile(r"([A-Z]+)\s+(\S+)\s*$")


def is_ours(text: str) -> bool:
    """Whether the first line that says something is a target's."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return _TARGET.match(first) is not None or first.lstrip().startswith('{"method"')


def read(text: str, title: str) -> Draft:
    """A scenario of its own for each target: vegeta takes them in turns."""
    draft = Draft(about="", parts=[])
    reader = _from_json if text.lstrip().startswith("{") else _from_blocks
    called = reader(text, draft)
    settle_base(draft, called)
    draft.about = (
        f"{len(called)} targets of {draft.base_url}, each a scenario: as many of one as of the other."
    )
    draft.parts = [Part(f"{call.method} {call.url}", [call]) for _, call in called]
    if len(called) == 1:
        draft.parts[0].name = title
        draft.about = f"One target of {draft.base_url}."
    return draft


def _from_json(text: str, draft: Draft) -> list[tuple[str, Call]]:
    called = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            one: Any = json.loads(line)
            body = base64.b64decode(one["body"]) if one.get("body") else None
            pairs = [(name, value) for name, values in (one.get("header") or {}).items() for value in values]
            called.append(_with_bytes(draft, one["method"], one["url"], pairs, body))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"line {number}: not a target: {error}") from None
    return called


def _with_bytes(
    draft: Draft, method: str, url: str, headers: list[tuple[str, str]], body: bytes | None
) -> tuple[str, Call]:
    try:
        return call_of(draft, method, url, headers, None if body is None else body.decode())
    except UnicodeDecodeError:
        base, call = call_of(draft, method, url, headers)
        call.options["content"] = body
        return base, call


def _from_blocks(text: str, draft: Draft) -> list[tuple[str, Call]]:
    called = []
    target: tuple[str, str] | None = None
    headers: list[tuple[str, str]] = []
    file: str | None = None

    def end() -> None:
        nonlocal target, file
        if target is not None:
            base, call = call_of(draft, *target, headers)
            if file is not None:
                call.options["content"] = draft.file(file)
            called.append((base, call))
        target, file = None, None
        headers.clear()

    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            if not line:
                end()
            continue
        if found := _TARGET.match(line):
            end()
            target = (found[1], found[2])
        elif line.startswith("@"):
            file = line[1:].strip()
        elif ":" in line and target is not None:
            name, _, value = line.partition(":")
            headers.append((name.strip(), value.strip()))
        else:
            raise UsageError(f'line {number}: expected "METHOD URL", "Header: value" or "@file"')
    end()
    return called
