"""The body of a request, in whichever way a step says it: json, form, body, formData with its files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.urls import form_text
from loadgen.importers.artillery.values import is_true, json_bytes, text_of
from loadgen.importers.artillery.virtual_user import VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler

# Of these got takes one alone; but `json` outdoes `body`.
_WAYS = ("json", "form", "body", "formData")
_BODILESS = ("GET", "HEAD")


def check_body(method: str, params: Mapping[str, Any], folder: Path, place: str, compiler: Compiler) -> None:
    """Files that are missing are mistakes; what is sent here, and would be refused there, is noted."""
    ways = [way for way in _WAYS if params.get(way) is not None and is_true(params[way])]
    if ways and method in _BODILESS:
        compiler.note(f"{place}: {method} with a body, which Artillery refuses to send, is sent")
    if len(ways) > 1 and ways != ["json", "body"]:
        compiler.note(f"{place}: of {' and '.join(ways)}, with which Artillery sends nothing, one is sent")
    if ways == ["body"] and not isinstance(params["body"], (str, bytes)):
        compiler.note(f"{place}.body: it is no text, which Artillery refuses to send; it goes as JSON")
    form = params.get("formData")
    for name, value in form.items() if isinstance(form, Mapping) else ():
        wanted = value.get("fromFile") if isinstance(value, Mapping) else None
        if isinstance(wanted, str) and "{{" not in wanted and not (folder / wanted).is_file():
            compiler.wrong(f"{place}.formData.{name}.fromFile", f"{wanted} is not there")


def body_of(given: Mapping[str, Any]) -> tuple[bytes | None, str | None]:
    """The body and its type; parts of a form with files are none of it."""
    if "formData" in given:
        return None, None
    if "json" in given and is_true(given["json"]):
        return json_bytes(given["json"]), "application/json"
    if "form" in given:
        return form_text(given["form"]).encode(), "application/x-www-form-urlencoded"
    if "body" in given and is_true(given["body"]):
        body = given["body"]
        return (bytes(body) if isinstance(body, (bytes, bytearray)) else text_of(body).encode()), None
    return None, None


def parts_of(form: Mapping[str, Any], folder: Path) -> list[tuple[str, Any]]:
    """The parts of `formData`; files stand in the script's folder."""
    return [_part(name, value, folder) for name, value in form.items()]


def _part(name: str, value: Any, folder: Path) -> tuple[str, Any]:
    kind = None
    if isinstance(value, Mapping):
        kind = text_of(value["contentType"]) if value.get("contentType") else None
        if value.get("fromFile"):
            path = folder / text_of(value["fromFile"])
            guessed = guess_type(path.name)[0] or "application/octet-stream"
            return name, (path.name, _content(path), kind or guessed)
        value = value.get("value", value)
    return name, (None, text_of(value).encode(), kind)


@lru_cache(256)
def _content(path: Path) -> bytes:
    """What an upload sends, read once."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise VuFailed(f"{path.name} cannot be read: {error.strerror or error}", "ENOENT") from None
