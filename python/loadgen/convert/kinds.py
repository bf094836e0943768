"""What kind of file there is to rewrite, and the draft that its reader makes of it."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Any

import yaml

from loadgen.convert import artillery, curl, har, locustfile, openapi, postman, vegeta
from loadgen.convert.draft import Draft
from loadgen.errors import UsageError
from loadgen.importers import tool_of

KINDS = ("har", "openapi", "postman", "curl", "vegeta", "locust", "artillery")


_IS_OPENAPI = re.compile(r"""^\s*["']?(openapi|swagger)["']?\s*:""", re.MULTILINE)
_MOST_NOTES = 5  # of why nothing was kept
# What those are called that are read as JSON or YAML.
_DOCUMENTS = {"har": "a HAR file", "openapi": "an OpenAPI document", "postman": "a collection of Postman's"}


def read_file(path: Path, kind: str | None) -> Draft:
    """The draft of a file; its kind is looked for where none is given."""
    text = _text_of(path)
    document, unread = _document(text) if kind is None or kind in _DOCUMENTS else (None, "")
    kind = kind or _kind_of_document(document) or tool_of(path) or _kind_of_lines(text)
    if kind is None and unread and (text.lstrip()[:1] in ("{", "[") or _IS_OPENAPI.search(text)):
        raise UsageError(f"{path}: {unread}")
    if kind is None:
        raise UsageError(
            f"{path}: nothing that loadgen can rewrite",
            hint=f"It can be told what it is: --from {', '.join(KINDS)}.",
        )
    if kind in _DOCUMENTS and not isinstance(document, dict):
        raise UsageError(f"{path}: not {_DOCUMENTS[kind]}: {unread or 'it is no object'}")
    try:
        draft = _read(kind, path, text, document)
    except UsageError as error:
        place = "" if error.message.startswith(str(path)) else f"{path}: "
        raise UsageError(f"{place}{error.message}", hint=error.hint) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"{path}: not {_DOCUMENTS.get(kind, kind)} as loadgen knows it"
        raise UsageError(f"{what}: there is no {error}" if isinstance(error, KeyError) else what) from None
    if draft.script is None and not draft.calls():
        raise UsageError(f"{path}: there is no request in it", hint="\n".join(draft.notes[:_MOST_NOTES]))
    return draft


def _read(kind: str, path: Path, text: str, document: Any) -> Draft:
    match kind:
        case "har":
            return har.read(document, path.stem)
        case "openapi":
            return openapi.read(document, path.stem)
        case "postman":
            return postman.read(document, path.stem)
        case "artillery":
            return artillery.read(path, path.stem)
        case "curl":
            return curl.read(text, path.stem)
        case "locust":
            return locustfile.read(text, path.name)
        case _:
            return vegeta.read(text, path.stem)


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
        # PowerShell's redirections write UTF-16.
        text = content.decode("utf-16" if content[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} cannot be read: it is not text in UTF-8") from None
    if not text.strip():
        raise UsageError(f"{path}: it is empty")
    return text


def _kind_of_document(document: Any) -> str | None:
    """By what is in it."""
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("log"), dict) and "entries" in document["log"]:
        return "har"
    if "openapi" in document or "swagger" in document:
        return "openapi"
    is_collection = {"item", "info"} <= document.keys() or {"requests", "order"} <= document.keys()
    return "postman" if is_collection else None


def _kind_of_lines(text: str) -> str | None:
    if vegeta.is_ours(text):
        return "vegeta"
    return "curl" if curl.is_ours(text) else None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML whose dates stay the texts that they are in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _document(text: str) -> tuple[Any, str]:
    """JSON, or the YAML of an OpenAPI document; and why it is none of the two."""
    try:
        return json.loads(text), ""
    except json.JSONDecodeError as error:
        unread = f"line {error.lineno} is no JSON: {error.msg}"
    except RecursionError:
        return None, "it is nested too deeply"
    if not _IS_OPENAPI.search(text):
        return None, unread
    try:
        return yaml.load(text, Loader=_Loader), ""  # noqa: S506 - it is a safe one
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return None, f"line {line} is no YAML: {error.problem}"
    except yaml.YAMLError as error:
        return None, f"it is no YAML: {error}"
