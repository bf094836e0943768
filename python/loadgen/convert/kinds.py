"""What kind of file there is to rewrite, and the draft that its reader makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loadgen.convert import artillery, curl, har, locustfile, openapi, postman, vegeta
from loadgen.convert.draft import Draft
from loadgen.errors import UsageError
from loadgen.importers import tool_of

KINDS = ("har", "openapi", "postman", "curl", "vegeta", "locust", "artillery")


def read_file(path: Path, kind: str | None) -> Draft:
    """The draft of a file; its kind is looked for where none is given."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"{path} cannot be read: {reason}") from None
    tool = tool_of(path)
    kind = kind or ("locust" if tool == "locust" else None)
    document = None if kind in ("curl", "vegeta", "locust", "artillery") else _document(text)
    kind = kind or kind_of(text, document) or tool
    if kind is None:
        raise UsageError(
            f"{path}: nothing that loadgen can rewrite",
            hint=f"It can be told what it is: --from {', '.join(KINDS)}.",
        )
    title = path.stem
    try:
        match kind:
            case "har":
                draft = har.read(document, title)
            case "openapi":
                draft = openapi.read(document, title)
            case "postman":
                draft = postman.read(document, title)
            case "artillery":
                draft = artillery.read(path, title)
            case "curl":
                draft = curl.read(text, title)
            case "locust":
                return locustfile.read(text, path.name)
            case _:
                draft = vegeta.read(text, title)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: not {kind} as loadgen knows it: {error!r}") from None
    if not draft.calls():
        raise UsageError(f"{path}: there is no request in it")
    return draft


def kind_of(text: str, document: Any) -> str | None:
    """By what is in it."""
    if isinstance(document, dict):
        if isinstance(document.get("log"), dict) and "entries" in document["log"]:
            return "har"
        if "openapi" in document or "swagger" in document:
            return "openapi"
        if "item" in document and "info" in document:
            return "postman"
    if curl.is_ours(text):
        return "curl"
    return "vegeta" if vegeta.is_ours(text) else None


def _document(text: str) -> Any:
    """JSON or YAML, where it is one of the two."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    if not any(mark in text for mark in ("openapi:", "swagger:", '"openapi"', '"swagger"')):
        return None
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError:
        return None
