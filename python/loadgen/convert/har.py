"""A HAR file, as browsers save what they have loaded: one journey, with the pauses that a person made."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from loadgen.convert.draft import Call, Draft, Part, call_of, settle_base
from loadgen.units import counted

# Shorter gaps are the browser's own.
_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# What a browser fetches by itself, to show a page.
_SHOWN = ("image/", "font/", "audio/", "video/", "text/css")


def read(document: Any, title: str) -> Draft:
    """Everything that was asked of the host that most was asked of."""
    entries = [entry for entry in document["log"]["entries"] if isinstance(entry.get("request"), dict)]
    hosts = [urlsplit(entry["request"]["url"]).netloc for entry in entries]
    draft = Draft(about="", parts=[])
    if not hosts:
        return draft
    first = max(sorted(set(hosts)), key=hosts.count)
    others = sorted(set(hosts) - {first})
    if others:
        left = sum(host != first for host in hosts)
        draft.note(f"{counted(left, 'request')} to other hosts left out: {', '.join(others[:5])}")
    called: list[tuple[str, Call]] = []
    ended_s: float | None = None
    shown = 0
    for entry in entries:
        if urlsplit(entry["request"]["url"]).netloc != first:
            continue
        kind = str(entry.get("response", {}).get("content", {}).get("mimeType", ""))
        if kind.startswith(_SHOWN):
            shown += 1
            continue
        base, call = _call(entry, draft)
        began_s = _began_s(entry)
        if began_s is not None:
            pause_s = began_s - ended_s if ended_s is not None else 0.0
            if pause_s >= _SHORTEST_PAUSE_S:
                call.pause_s = round(min(pause_s, _LONGEST_PAUSE_S), 1)
            ended_s = max(ended_s or 0.0, began_s + max(0.0, float(entry.get("time") or 0)) / 1000)
        called.append((base, call))
    if shown:
        draft.note(f"images, fonts, sounds and style sheets left out: {shown}")
    settle_base(draft, called)
    draft.about = f"What was recorded of {draft.base_url}: {counted(len(called), 'request')}."
    draft.parts = [Part(title, [call for _, call in called])]
    return draft


def _call(entry: dict[str, Any], draft: Draft) -> tuple[str, Call]:
    request = entry["request"]
    headers = [(str(one["name"]), str(one["value"])) for one in request.get("headers", [])]
    post = request.get("postData") or {}
    text = post.get("text")
    if text is None and post.get("params"):
        text = urlencode([(one["name"], one.get("value", "")) for one in post["params"]])
    if post.get("mimeType") and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", post["mimeType"]))
    base, call = call_of(draft, request["method"], request["url"], headers, text)
    status = int(entry.get("response", {}).get("status") or 0)
    # What was in the browser's own store need not be asked for again, and a redirect is followed or not.
    call.status = status if 200 <= status < 300 else None
    return base, call


def _began_s(entry: dict[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(entry["startedDateTime"])).timestamp()
    except (KeyError, ValueError):
        return None
