"""The flow of an Artillery scenario over a WebSocket, as statements of a script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loadgen.convert.draft import Block, Call, Line
from loadgen.convert.source import Code, Invoke, flat

if TYPE_CHECKING:
    from loadgen.convert.artillery.steps import Flow


def over_socket(flow: Flow, specs: Any) -> list[Call | Line | Block]:
    """The same over a WebSocket, which the first step may describe."""
    first = specs[0] if isinstance(specs, list) and specs and isinstance(specs[0], Mapping) else {}
    given = first.get("connect") or {}
    target = str(flow.config.get("target") or "")
    url = str(given.get("target") or target) if isinstance(given, Mapping) else str(given)
    if isinstance(given, Mapping) and set(given) - {"target"}:
        left = ", ".join(str(key) for key in given if key != "target")
        flow.draft.note(f"{flow.title}: connect: {left} left out")
    url = re.sub(r"^\{\{\s*target\s*\}\}", "", url)
    url = url.removeprefix(target) if target and url.startswith(target) else url
    call = Call("GET", url if url.startswith(("/", "ws")) or "{{" in url else f"/{url}")
    opened = flat(Invoke("user.ws", (flow.names.as_text(call.url),)))
    body = flow.steps([one for one in specs if not (isinstance(one, Mapping) and "connect" in one)])
    if not body:
        body = [Line("", Code("pass"))]
    return [Block(f"async with {opened} as socket:", body, [call])]


def message(flow: Flow, word: str, written: Any) -> list[Call | Line | Block]:
    """What is sent, or waited for."""
    listens = word == "wait" or (
        isinstance(written, Mapping) and ("capture" in written or "match" in written)
    )
    if listens:
        flow.draft.note(f"{flow.title}: what is taken from messages, or expected of them, is left out")
    if word == "wait" or (listens and "payload" not in written):
        return [Line("", Code("await socket.recv()"))]
    payload = written["payload"] if listens else written
    node = flow.names.as_text(payload)
    if isinstance(payload, (dict, list)):
        flow.draft.modules.add("json")
        node = Invoke("json.dumps", (flow.names.value(payload, is_json=True),))
    return [Line("await ", Invoke("socket.request" if listens else "socket.send", (node,)))]
