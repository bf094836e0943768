"""A HAR file, as browsers save what they have loaded: one journey, with the pauses that a person made."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from loadgen.convert.calls import Field, add_header, call_of, put_form, settle
from loadgen.convert.draft import Call, Draft, Part
from loadgen.units import counted

# Shorter gaps are the browser's own.
_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_MOST_HOSTS = 5
# What a browser fetches by itself, to show a page: by what it was answered, or by what the browser calls it.
_SHOWN = (
    *("image/", "font/", "application/font", "audio/", "video/", "text/css", "application/wasm"),
    *("text/javascript", "application/javascript", "application/x-javascript"),
)
_SHOWN_TYPES = frozenset({"image", "font", "media", "stylesheet", "script", "manifest", "texttrack"})


def read(document: Any, title: str) -> Draft:
    """Everything that was asked of the host that most was asked of."""
    draft = Draft(about="", parts=[])
    entries = _asked(document["log"]["entries"], draft)
    hosts = Counter(urlsplit(entry["request"]["url"]).netloc for entry in entries)
    if not hosts:
        return draft
    (first, _), *others = hosts.most_common()
    if others:
        names = [host for host, _ in others]
        more = f" and {len(names) - _MOST_HOSTS} more" if len(names) > _MOST_HOSTS else ""
        left = counted(sum(count for _, count in others), "request")
        draft.note(f"{left} to other hosts left out: {', '.join(names[:_MOST_HOSTS])}{more}")
    called: list[tuple[str, Call]] = []
    ended_s: float | None = None
    for entry in entries:
        if urlsplit(entry["request"]["url"]).netloc != first:
            continue
        base, call = _call(entry, draft)
        began_s = _began_s(entry)
        if began_s is not None:
            pause_s = began_s - ended_s if ended_s is not None else 0.0
            if pause_s >= _SHORTEST_PAUSE_S:
                call.pause_s = round(min(pause_s, _LONGEST_PAUSE_S), 1)
            ended_s = max(ended_s or 0.0, began_s + max(0.0, float(entry.get("time") or 0)) / 1000)
        called.append((base, call))
    settle(draft, called)
    draft.about = f"What was recorded of {draft.base_url}: {counted(len(called), 'request')}."
    name = re.sub(r"[ _]Archive \[.*", "", title)  # Firefox adds the time
    draft.parts = [Part(name, [call for _, call in called])]
    return draft


def _asked(entries: list[Any], draft: Draft) -> list[Any]:
    """What a person or a page asked for, and no browser by itself."""
    found = []
    shown = preflights = unsent = 0
    for entry in entries:
        if not isinstance(request := entry.get("request"), dict):
            continue
        answer = entry.get("response") or {}
        kind = str((answer.get("content") or {}).get("mimeType") or "")
        named = entry.get("_resourceType")
        scheme = urlsplit(request["url"]).scheme
        if named == "websocket" or scheme in ("ws", "wss") or answer.get("status") == 101:
            said = len(entry.get("_webSocketMessages") or ())
            after = f" with {counted(said, 'message')}" if said else ""
            draft.note(f"the WebSocket {urlsplit(request['url']).path}{after} left out: user.ws opens one")
        elif scheme not in ("http", "https"):  # data: and what extensions do
            continue
        elif named in _SHOWN_TYPES or kind.startswith(_SHOWN):
            shown += 1
        elif request["method"] == "OPTIONS" and _has(request, "access-control-request-method"):
            preflights += 1
        elif answer.get("status") == 0:
            unsent += 1
        else:
            found.append(entry)
    for count, what in (
        (shown, "images, fonts, sounds, scripts and style sheets"),
        (preflights, "a browser's own questions before requests to other origins (OPTIONS)"),
        (unsent, "requests that were blocked, broken off or never answered"),
    ):
        if count:
            draft.note(f"{what} left out: {count}")
    return found


def _call(entry: dict[str, Any], draft: Draft) -> tuple[str, Call]:
    request = entry["request"]
    headers = [(str(one["name"]), str(one.get("value") or "")) for one in request.get("headers") or []]
    if _has(request, "cookie"):
        draft.note("the browser's cookies were not copied: a user keeps those that answers set")
        headers = [(name, value) for name, value in headers if name.lower() != "cookie"]
    post = request.get("postData") or {}
    kind, text, fields = str(post.get("mimeType") or ""), post.get("text"), post.get("params") or []
    is_form = kind.startswith("multipart/form-data")
    if not text and fields and not is_form:
        text = urlencode([(one["name"], one.get("value") or "") for one in fields])
    if kind and not _has(request, "content-type"):
        headers.append(("Content-Type", kind))
    content: bytes | None = None
    if text and "base64" in (post.get("encoding"), post.get("_encoding")):
        content = b64decode(text)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = None
    base, call = call_of(draft, request["method"], request["url"], headers, text or None)
    if text is None and content is not None:
        call.options["content"] = content
        add_header(call.options, "Content-Type", kind or "application/octet-stream")
    elif not text and fields:
        put_form(draft, call.options, [_field(one, draft) for one in fields])
    status = int((entry.get("response") or {}).get("status") or 0)
    # What was in the browser's own store need not be asked for again, and a redirect is followed or not.
    call.status = status if 200 <= status < 300 else None
    return base, call


def _field(one: dict[str, Any], draft: Draft) -> Field:
    name, filename, kind = str(one["name"]), one.get("fileName"), one.get("contentType")
    content = draft.file(filename) if filename else str(one.get("value") or "")
    return Field(name, content, filename or None, kind or None)


def _has(request: dict[str, Any], name: str) -> bool:
    return any(str(one.get("name")).lower() == name for one in request.get("headers") or [])


def _began_s(entry: dict[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(entry["startedDateTime"])).timestamp()
    except (KeyError, ValueError):
        return None
