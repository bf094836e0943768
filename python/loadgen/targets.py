"""The requests of a file: plain lines, vegeta's HTTP format, vegeta's JSON. It sends nothing.

    # a comment
    3 GET http://127.0.0.1:8000/items        [WEIGHT] [METHOD] URL; a path alone goes to the URL of the run
    http://127.0.0.1:8000/
    POST http://127.0.0.1:8000/items         vegeta's: headers and @FILE below the line that they belong to
    Content-Type: application/json
    @item.json

    {"method": "GET", "url": "http://…", "header": {"Accept": ["*/*"]}, "body": "aGk="}

A file whose first line is an object is JSON Lines, every other is text. A line of text that ends in a URL
begins a request, so plain lines and vegeta's may stand in one file. As with vegeta, FILE is looked for from
the current folder.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from loadgen.errors import Mistake, PlanError
from loadgen.rows import shown
from loadgen.units import quoted

_MOST_MISTAKES = 20
_REQUEST = re.compile(r"(?:(\d+(?:\.\d+)?)\s+)?(?:([A-Z][A-Z-]*)\s+)?((?:[A-Za-z][A-Za-z0-9+.-]*://|/).*)")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)")
_EXPECTED = 'expected "[WEIGHT] [METHOD] URL", "Name: value" or "@FILE"'


class WantedRequest(Struct):
    """A request as the file has it, and where."""

    place: str  # file:line
    method: str | None
    url: str  # absolute, or a path
    headers: list[tuple[str, str]]
    body: bytes | None
    weight: float | None


class _JsonTarget(Struct):
    url: str
    method: str | None = None
    header: dict[str, list[str]] = {}
    body: str | None = None
    weight: float | None = None


def read_targets(path: str | Path, place: str = "targets") -> list[WantedRequest]:
    """All requests of a file. Raises PlanError with every mistake in it, each with its line.

    `place` is where the file was named.
    """
    path = Path(path).expanduser()
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror or error}"
        raise PlanError([Mistake(place, text)]) from None


@lru_cache(maxsize=2)  # a plan is compiled several times on its way to a run
def _read(path: Path, _changed_ns: int, _size: int) -> list[WantedRequest]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PlanError([Mistake(f"{shown(path)}:{line}", "not UTF-8: save the file as UTF-8")]) from None
    lines = text.split("\n")
    mistakes: list[Mistake] = []
    read = _read_json if text.lstrip().startswith("{") else _read_text
    found = read(path, lines, mistakes)
    if not found and not mistakes:
        mistakes.append(Mistake(shown(path), "has no requests"))
    if len(mistakes) > _MOST_MISTAKES:
        more = len(mistakes) - _MOST_MISTAKES
        mistakes = [*mistakes[:_MOST_MISTAKES], Mistake(shown(path), f"and {more:,} more mistakes")]
    if mistakes:
        raise PlanError(mistakes)
    return found


def _read_text(path: Path, lines: list[str], mistakes: list[Mistake]) -> list[WantedRequest]:
    found: list[WantedRequest] = []
    open_request: WantedRequest | None = None  # that lines below may add to
    misread = False  # a line that was to begin a request: what is below it is not told of again
    for number, text in enumerate(lines, 1):
        line, place = text.strip(), f"{shown(path)}:{number}"
        if not line:
            open_request, misread = None, False
        elif line.startswith("#"):
            continue
        elif request := _REQUEST.fullmatch(line):
            open_request, misread = _begin(place, request, mistakes), False
            found.append(open_request)
        elif open_request is not None and line.startswith("@"):
            _add_body(open_request, place, line[1:].strip(), mistakes)
        elif open_request is not None and (header := _HEADER.fullmatch(line)):
            open_request.headers.append((header[1], header[2].strip()))
        elif not misread:
            mistakes.append(Mistake(place, f"{_EXPECTED}, got {quoted(line)}"))
            open_request, misread = None, True
    return found


def _begin(place: str, line: re.Match[str], mistakes: list[Mistake]) -> WantedRequest:
    weight = None if line[1] is None else float(line[1])
    if weight == 0:
        mistakes.append(Mistake(place, "expected a weight above 0: # before the line leaves it out"))
    return WantedRequest(place, line[2], line[3], [], None, weight)


def _add_body(request: WantedRequest, place: str, name: str, mistakes: list[Mistake]) -> None:
    if request.body is not None:
        mistakes.append(Mistake(place, "a second body for one request"))
        return
    try:
        request.body = Path(name).expanduser().read_bytes()
    except OSError as error:
        mistakes.append(Mistake(place, f"{name or '@'} cannot be read: {error.strerror or error}"))


def _read_json(path: Path, lines: list[str], mistakes: list[Mistake]) -> list[WantedRequest]:
    decode = msgspec.json.Decoder(_JsonTarget).decode
    found = []
    for number, text in enumerate(lines, 1):
        line, place = text.strip(), f"{shown(path)}:{number}"
        if not line:
            continue
        try:
            target = decode(line)
            body = None if target.body is None else b64decode(target.body, validate=True)
        except Base64Error:
            mistakes.append(Mistake(place, "body: expected base64, as vegeta's JSON format has it"))
            continue
        except msgspec.MsgspecError as error:
            mistakes.append(Mistake(place, f"expected a request as a JSON object: {error}"))
            continue
        if target.weight is not None and not 0 < target.weight < float("inf"):
            mistakes.append(Mistake(place, f"weight: expected a number above 0, got {target.weight:g}"))
        headers = [(name, value) for name, values in target.header.items() for value in values]
        found.append(WantedRequest(place, target.method or None, target.url, headers, body, target.weight))
    return found
