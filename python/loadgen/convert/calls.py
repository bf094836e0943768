"""Requests as files have them, with method, URL, headers and body, as calls that a person would write."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from loadgen.convert.draft import Call, Draft
from loadgen.convert.secrets import bearer, header, warn_of_text, without_secrets, without_userinfo

# What a client says by itself.
_OF_THE_CLIENT = frozenset(
    {
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "keep-alive",
        "te",
        "upgrade",
        "postman-token",
    }
)
# What a browser says by itself; from others it was somebody's wish.
_OF_THE_BROWSER = frozenset(
    {
        *("upgrade-insecure-requests", "origin", "referer", "dnt", "priority", "pragma", "cache-control"),
        *("user-agent", "if-none-match", "if-modified-since"),
    }
)
_FORM = "application/x-www-form-urlencoded"
# Of a form; whatever else goes out under its name stays as it was.
_PAIRS = re.compile(r"""[^=&{}"\s]+=[^&]*(&[^=&{}"\s]+=[^&]*)*""")
_NUMBER = re.compile(r"\d+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24}", re.IGNORECASE)


@dataclass(frozen=True)
class Field:
    """Of a form with files."""

    name: str
    content: object  # text, or an expression
    filename: str | None = None
    kind: str | None = None


def call_of(
    draft: Draft, method: str, url: str, headers: list[tuple[str, str]], body: str | None = None
) -> tuple[str, Call]:
    """A request as most files have it: its base, and the call below that."""
    url, auth = without_userinfo(draft, url)
    base, path, values = place_of(url)
    call = Call(method.upper(), path)
    options = call.options
    if values:
        options["path"] = values
    if query := parse_qsl(urlsplit(url).query, keep_blank_values=True):
        options["params"] = without_secrets(draft, pairs_or_mapping(query))
    if auth is not None:
        options["auth"] = auth
    _put_headers(draft, headers, options)
    if body is not None:
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        put_body(draft, call, body, kind)
    return base, call


def place_of(url: str) -> tuple[str, str, dict[str, object]]:
    """A URL's base, its path with {names} for what looks like an id, and the values of those."""
    parts = urlsplit(url)
    values: dict[str, object] = {}
    segments = parts.path.split("/")
    for index, segment in enumerate(segments):
        if not (_NUMBER.fullmatch(segment) or _UUID.fullmatch(segment)):
            if "{{" not in segment:  # others' braces are no names of ours
                segments[index] = segment.replace("{", "%7B").replace("}", "%7D")
            continue
        before = segments[index - 1] if index else ""
        kind = re.sub(r"\W", "_", before.removesuffix("s")) if re.fullmatch(r"[a-z][\w-]*", before) else ""
        name = f"{kind}_id" if kind and "id" in values else "id"
        name = name if name not in values else f"{name}_{len(values) + 1}"
        is_number = _NUMBER.fullmatch(segment) and str(int(segment)) == segment
        values[name] = int(segment) if is_number else segment
        segments[index] = f"{{{name}}}"
    base = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return base, "/".join(segments) or "/", values


def _put_headers(draft: Draft, pairs: list[tuple[str, str]], options: dict[str, object]) -> None:
    """Those that a person would write."""
    is_browser = any(name.lower().startswith("sec-") for name, _ in pairs)
    found: dict[str, object] = {}
    for name, value in pairs:
        lower = name.lower()
        if lower in _OF_THE_CLIENT or lower.startswith(":") or (lower, value) == ("accept", "*/*"):
            continue
        if lower == "accept-encoding":
            if value.strip() not in ("", "identity"):
                draft.plan["compression"] = True
        elif is_browser and (lower in _OF_THE_BROWSER or lower.startswith("sec-")):
            draft.unsaid.add("Sec-…" if lower.startswith("sec-") else name.title())
        elif lower == "authorization" and value[:7].lower() == "bearer ":
            options["auth"] = bearer(draft, value[7:])
        else:
            written = name.title() if name == lower else name  # HTTP/2 has small letters only
            known = next((one for one in found if one.lower() == lower), written)
            both = f"{found[known]}, {value}" if isinstance(found.get(known), str) else value
            found[known] = header(draft, written, both)
    if found:
        options["headers"] = found


def put_body(draft: Draft, call: Call, text: str, content_type: str) -> None:
    """Puts a body among the options, as `json=`, `data=`, `files=` or `content=`."""
    options = call.options
    kind = content_type.partition(";")[0].strip().lower()
    # Whatever it goes out as: a document is read more easily than its text, and its secrets are found.
    if kind == "application/json" or kind.endswith("+json") or text.lstrip()[:1] in ("{", "["):
        try:
            options["json"] = without_secrets(draft, json.loads(text, parse_constant=_refuse))
        except ValueError:
            pass
        else:
            if kind == "application/json":
                drop_content_type(options)
            return
    if kind == _FORM and _PAIRS.fullmatch(text):
        options["data"] = without_secrets(draft, pairs_or_mapping(parse_qsl(text, keep_blank_values=True)))
        drop_content_type(options)
    elif kind == "multipart/form-data" and (fields := _fields_of(draft, text, content_type)):
        put_form(draft, options, fields)
    elif text:
        warn_of_text(draft, text, f"{call.method} {call.url}")
        options["content"] = text


def _refuse(constant: str) -> None:
    """NaN and Infinity are neither JSON nor Python."""
    raise ValueError(constant)


def put_form(draft: Draft, options: dict[str, object], fields: Sequence[Field]) -> None:
    """A form with files. Where it has none, a field that is a file without a name asks for its format."""
    drop_content_type(options)
    texts: list[tuple[str, object]] = []
    files: list[tuple[str, object]] = []
    has_files = any(field.filename is not None for field in fields)
    for field in fields:
        if field.filename is None and field.kind is None and has_files:
            texts.append((field.name, field.content))
            continue
        content = field.content
        if field.filename is None:
            content = without_secrets(draft, content, field.name)
        parts = (field.filename, content, field.kind)
        files.append((field.name, parts if field.kind is not None else parts[:2]))
    if texts:
        options["data"] = without_secrets(draft, pairs_or_mapping(texts))
    options["files"] = pairs_or_mapping(files)


def _fields_of(draft: Draft, text: str, content_type: str) -> list[Field]:
    """Of a body that was written out already. Its files are expected beside the script."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    found: list[Field] = []
    for part in text.split(f"--{boundary[1]}")[1:-1] if boundary else []:
        head, _, body = part.replace("\r\n", "\n").removeprefix("\n").partition("\n\n")
        said = {name.lower(): value for name, value in re.findall(r'(\w+)="([^"]*)"', head)}
        kind = re.search(r"^content-type:\s*(\S+)", head, re.MULTILINE | re.IGNORECASE)
        if "filename" in said:
            content: object = draft.file(said["filename"]) if said["filename"] else ""
        else:
            content = body.removesuffix("\n")
        if "name" in said:
            found.append(Field(said["name"], content, said.get("filename"), kind[1] if kind else None))
    return found


def drop_content_type(options: dict[str, object]) -> None:
    """Where the way in which a body is given says it already."""
    headers = options.get("headers")
    if isinstance(headers, Mapping):
        kept = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        options["headers"] = kept
        if not kept:
            del options["headers"]


def add_header(options: dict[str, object], name: str, value: object) -> None:
    """Unless it is there."""
    headers = options.get("headers")
    known = headers if isinstance(headers, Mapping) else {}
    if not any(one.lower() == name.lower() for one in known):
        options["headers"] = {**known, name: value}


def pairs_or_mapping(pairs: Sequence[tuple[str, object]]) -> object:
    """A mapping reads best, but it has each name once."""
    names = [name for name, _ in pairs]
    return dict(pairs) if len(set(names)) == len(names) else [tuple(pair) for pair in pairs]


def settle(draft: Draft, called: list[tuple[str, Call]]) -> None:
    """The base that most calls have is the draft's; others keep theirs in their URLs."""
    bases = [base for base, _ in called if base]
    draft.base_url = Counter(bases).most_common(1)[0][0] if bases else None
    for base, call in called:
        if base and base != draft.base_url:
            call.url = base + call.url
    if draft.unsaid:
        draft.note(f"left out, as the browser said it of itself: {', '.join(sorted(draft.unsaid))}")
