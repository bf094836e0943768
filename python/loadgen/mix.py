"""Many requests, and rows for the values in them: the engine's Mix. Reads files, sends nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from loadgen.engine_plan import Encoding, Host, Mix, Request, Target, basic_authorization
from loadgen.errors import Mistake, UsageError
from loadgen.rows import Row, read_csv, read_json_lines, shown
from loadgen.targets import WantedRequest
from loadgen.templates import Names, has_values, label_of_template, parse_url_template
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen.checking import Checker

MOST_LABELS = 100
OTHER = "other requests"
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def is_mix(request: Request) -> bool:
    """Whether one request has values in it."""
    parts = [request.url, *(value for _, value in request.headers)]
    return any(map(has_values, parts)) or (request.body is not None and has_values(request.body))


def requests_of(
    wanted: Sequence[WantedRequest], base: str, headers: list[tuple[str, str]], check: Checker
) -> list[tuple[str, Request]]:
    """The requests of a file, each with its place. Paths go behind `base`.

    `headers` are those of all that do not say otherwise.
    """
    found = []
    for one in wanted:
        url = f"{base}{one.url}" if one.url.startswith("/") else one.url
        try:
            found.append((one.place, _request(one, url, headers)))
        except ValueError as error:
            check.mistakes.append(Mistake(one.place, str(error)))
    return found


def _request(wanted: WantedRequest, where: str, common: list[tuple[str, str]]) -> Request:
    method = wanted.method or ("GET" if wanted.body is None else "POST")
    if not _METHOD.fullmatch(method):
        raise ValueError(f'expected a method such as "POST", got {quoted(method)}')
    url = parse_url_template(where)
    for name, value in wanted.headers:
        if not _METHOD.fullmatch(name):
            raise ValueError(f"expected a header name, got {quoted(name)}")
        if _CONTROL.search(value):
            raise ValueError(f"the value of {name} has control characters")
    named = {name.lower() for name, _ in wanted.headers}
    headers = wanted.headers + [header for header in common if header[0].lower() not in named]
    if url.userinfo is not None and "authorization" not in {name.lower() for name, _ in headers}:
        headers = [*headers, ("Authorization", basic_authorization(url.userinfo))]
    return Request(method=method, url=url.text, headers=headers, body=wanted.body)


def make_mix(
    requests: Sequence[tuple[str, Request]],
    weights: Sequence[float | None],
    data: str | None,
    seed: int,
    check: Checker,
) -> Mix | None:
    """The engine's part of it, or None and the mistakes. A place is a field of the plan, or file:line."""
    rows: list[Row] = []
    if data is not None:
        try:
            rows = read_rows(data)
        except UsageError as error:
            check.wrong("data", f"{error.message}{f' ({error.hint})' if error.hint else ''}")
            return None
    names = Names(list(dict.fromkeys(name for row in rows[:1] for name in row)))
    hosts: dict[str, int] = {}
    labels: dict[str, None] = {}
    targets = []
    for (place, request), weight in zip(requests, weights, strict=True):
        try:
            numbered = _numbered(request, names)
        except ValueError as error:
            if ":" in place:
                check.mistakes.append(Mistake(place, str(error)))
            else:
                check.wrong(place, str(error))
            continue
        url = parse_url_template(request.url)
        label = label_of_template(request.method, url.target)
        if label not in labels and len(labels) >= MOST_LABELS - 1:
            label = OTHER
        labels[label] = None
        host = hosts.setdefault(f"{url.scheme}://{url.authority}/", len(hosts))
        encoding = _encoding(request.headers)
        targets.append(Target(request=numbered, encoding=encoding, label=label, host=host, weight=weight))
    if data is not None and targets and not names.used and not check.mistakes:
        check.wrong("data", "no {{name}} of its columns stands in what is sent")
    if check.mistakes:
        return None
    try:
        values = _values(rows, names.used, targets) if data is not None else []
    except ValueError as error:
        check.wrong("data", f"{shown(Path(data or ''))}: {error}")
        return None
    if any(weight is not None for weight in weights):
        targets = [
            msgspec.structs.replace(target, weight=1.0 if target.weight is None else target.weight)
            for target in targets
        ]
    return Mix(
        targets=targets,
        target_count=len(targets),
        hosts=[Host(url=url, addresses=[]) for url in hosts],
        columns=names.used,
        rows=values,
        row_count=len(values),
        seed=seed,
    )


def read_rows(path: str) -> list[Row]:
    """The rows of a CSV file with a header, or of JSON Lines: a file that begins with an object."""
    full = Path(path).expanduser()
    try:
        status = full.stat()
    except OSError as error:
        raise UsageError(f"{shown(full)} cannot be read: {error.strerror or error}") from None
    return _read(full, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)  # a plan is compiled several times on its way to a run
def _read(path: Path, _changed_ns: int, _size: int) -> list[Row]:
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    rows = list(read_json_lines(path) if start.startswith(b"{") else read_csv(path))
    if not rows:
        raise UsageError(f"{shown(path)} has no rows")
    return rows


def _numbered(request: Request, names: Names) -> Request:
    for name, value in request.headers:
        if name.lower() == "content-length" and has_values(value):
            raise ValueError("Content-Length cannot have values: it is counted")
    return Request(
        method=request.method,
        url=names.number(request.url),
        headers=[(name, names.number(value)) for name, value in request.headers],
        body=None if request.body is None else names.number_body(request.body),
    )


def _encoding(headers: Sequence[tuple[str, str]]) -> Encoding:
    """How values are written into a body of this kind."""
    for name, value in headers:
        if name.lower() == "content-type":
            kind = value.partition(";")[0].strip().lower()
            if kind == "application/json" or kind.endswith("+json"):
                return "json"
            return "percent" if kind == "application/x-www-form-urlencoded" else "raw"
    return "raw"


def _values(rows: Sequence[Row], columns: Sequence[str], targets: Sequence[Target]) -> list[list[str]]:
    """Of the columns that are used, as text."""
    in_headers = "".join(value for target in targets for _, value in target.request.headers)
    of_headers = [place for place in range(len(columns)) if f"{{{{{place}}}}}" in in_headers]
    found = row_values(rows, columns)
    for number, values in enumerate(found, 1):
        for place in of_headers:
            if re.search(r"[\r\n\0]", values[place]):
                raise ValueError(
                    f"row {number}: {quoted(columns[place])} has a line break, and goes into a header"
                )
    return found


def row_values(rows: Sequence[Row], columns: Sequence[str]) -> list[list[str]]:
    """Of each row the values of these columns, as text."""
    found = []
    for number, row in enumerate(rows, 1):
        values = []
        for column in columns:
            if column not in row:
                raise ValueError(f"row {number} has no {quoted(column)}")
            values.append(_text(row[column], number, column))
        found.append(values)
    return found


def _text(value: object, number: int, column: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int, float)):
        return msgspec.json.encode(value).decode()
    raise ValueError(f"row {number}: {quoted(column)}: expected text, a number, true, false or null")
