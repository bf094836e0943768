"""What requests are called in the results: as the plugin metrics-by-endpoint calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

PLUGIN = "metrics-by-endpoint"


def endpoint_label(method: str, params: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """`GET /items/{{ id }}`, with its name behind it; or the name alone, if that is asked for."""
    settings = (config.get("plugins") or {}).get(PLUGIN)
    # Without settings of its own the plugin is there all the same, and leaves out the query.
    without_query = True if settings is None else bool((settings or {}).get("stripQueryString"))
    name = params.get("name")
    if name and (settings or {}).get("useOnlyRequestNames"):
        return str(name)
    url = str(params.get("url") or params.get("uri") or "")
    path = _path(url, str(config.get("target") or ""), without_query=without_query)
    label = f"{method} {path}"
    return f"{label} ({name})" if name else label


def _path(url: str, target: str, *, without_query: bool) -> str:
    head, mark, query = url.partition("?")
    shown = head
    if "://" in head:
        try:
            parts, home = urlsplit(head), urlsplit(target)
            is_home = parts.netloc == home.netloc
        except ValueError:
            is_home = False
        else:
            shown = f"{'' if is_home else parts.netloc}{parts.path or '/'}"
    shown = unquote(shown) or "/"
    return shown if without_query or not mark else f"{shown}?{unquote(query)}"
