"""What a file of requests comes to before it is written as a script. Every reader makes one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from loadgen.convert.source import Code, quoted
from loadgen.discreet import SECRET

# What a client says by itself, or what only a browser's own request can say.
_OF_THE_CLIENT = frozenset(
    {
        *("host", "connection", "content-length", "transfer-encoding", "keep-alive", "te", "upgrade"),
        *("accept-encoding", "cookie", "upgrade-insecure-requests", "origin", "referer", "dnt"),
        *("priority", "pragma", "cache-control", "user-agent", "postman-token", "x-requested-with"),
        *("if-none-match", "if-modified-since"),
    }
)
_FORM = "application/x-www-form-urlencoded"
_NUMBER = re.compile(r"\d+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass
class Call:
    """One request, with what `user.request` takes. A pause is before it."""

    method: str
    url: str  # a path below the base, or a whole URL
    options: dict[str, object] = field(default_factory=dict)
    status: int | None = None  # what is expected
    pause_s: float = 0.0
    comment: str | None = None
    code: Code | None = None  # in place of the URL, where it is made
    is_used: bool = False  # what follows looks at the response


@dataclass
class Line:
    """A statement as it is: an expression, and what stands before it."""

    before: str
    node: object
    calls: list[Call] = field(default_factory=list)  # that are in it


@dataclass
class Block:
    """Statements below a head, such as `for` or `if`."""

    head: str
    body: Sequence[Call | Line | Block]
    calls: list[Call] = field(default_factory=list)  # that are in its head


@dataclass
class Part:
    """One scenario, or what is done once before all."""

    name: str
    calls: Sequence[Call | Line | Block]
    about: str | None = None
    decorator: str = "@scenario"


@dataclass
class Draft:
    """A script that is not written yet."""

    about: str
    parts: list[Part]
    base_url: str | None = None
    arguments: dict[str, str] = field(default_factory=dict)  # for --set
    constants: dict[str, object] = field(default_factory=dict)  # of the module
    modules: set[str] = field(default_factory=set)  # that it imports
    names: tuple[str, ...] = ()  # of loadgen's, besides the usual ones
    plan: dict[str, object] = field(default_factory=dict)  # other fields of Plan
    notes: list[str] = field(default_factory=list)  # what could not be kept
    script: str | None = None  # of a file that is rewritten as a whole
    said: str | None = None  # what that has

    def calls(self) -> list[Call]:
        """Of all scenarios."""
        return [call for part in self.parts for call in calls_in(part.calls)]

    def note(self, text: str) -> None:
        """Each once."""
        if text not in self.notes:
            self.notes.append(text)

    def secret(self, name: str) -> Code:
        """In place of a value that opens doors: the environment has it, and no file."""
        constant = re.sub(r"\W+", "_", name).strip("_").upper()
        if constant not in self.constants:
            self.modules.add("os")
            self.constants[constant] = Code(f'os.environ.get("{constant}", "")')
            self.note(f"the value of {name} was not copied: set the environment variable {constant}")
        return Code(constant)

    def file(self, path: str) -> Code:
        """A file's content, read when the script is loaded."""
        constant = re.sub(r"\W+", "_", path.rpartition("/")[2]).strip("_").upper() or "CONTENT"
        self.modules.add("pathlib")
        self.constants[constant] = Code(f"(pathlib.Path(__file__).parent / {quoted(path)}).read_bytes()")
        self.note(f"the file {path} is expected there, seen from the script's own folder")
        return Code(constant)


def calls_in(statements: Sequence[Call | Line | Block]) -> list[Call]:
    """The requests among statements."""
    found: list[Call] = []
    for one in statements:
        if isinstance(one, Call):
            found.append(one)
        else:
            found += one.calls if isinstance(one, Line) else [*one.calls, *calls_in(one.body)]
    return found


def headers_of(pairs: list[tuple[str, str]], draft: Draft) -> dict[str, object]:
    """Those that a person would write."""
    found: dict[str, object] = {}
    for name, value in pairs:
        lower = name.lower()
        if lower in _OF_THE_CLIENT or lower.startswith((":", "sec-")) or (lower, value) == ("accept", "*/*"):
            continue
        found[name] = draft.secret(name) if SECRET.search(name) else value
    return found


def place_of(url: str) -> tuple[str, str, dict[str, object]]:
    """A URL's base, its path with {names} for what looks like an id, and the values of those."""
    parts = urlsplit(url)
    values: dict[str, object] = {}
    segments = parts.path.split("/")
    for index, segment in enumerate(segments):
        if not (_NUMBER.fullmatch(segment) or _UUID.fullmatch(segment)):
            continue
        before = segments[index - 1] if index else ""
        kind = re.sub(r"\W", "_", before.removesuffix("s")) if re.fullmatch(r"[a-z][\w-]*", before) else ""
        name = f"{kind}_id" if kind and "id" in values else "id"
        name = name if name not in values else f"{name}_{len(values) + 1}"
        values[name] = (
            int(segment) if _NUMBER.fullmatch(segment) and str(int(segment)) == segment else segment
        )
        segments[index] = f"{{{name}}}"
    base = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return base, "/".join(segments) or "/", values


def query_of(url: str) -> object:
    """The parameters of a URL: a mapping, or pairs where a name comes twice."""
    return pairs_or_mapping(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def pairs_or_mapping(pairs: list[tuple[str, object]] | list[tuple[str, str]]) -> object:
    """A mapping reads best, but it has each name once."""
    names = [name for name, _ in pairs]
    return dict(pairs) if len(set(names)) == len(names) else [tuple(pair) for pair in pairs]


def body_of(text: str, content_type: str, options: dict[str, object], *, is_json: object = None) -> None:
    """Puts a body among the options, as `json=`, `data=` or `content=`, and drops the header that says so."""
    headers = options.get("headers")
    kind = content_type.partition(";")[0].strip().lower()
    if is_json is not None or kind == "application/json" or kind.endswith("+json"):
        try:
            options["json"] = json.loads(text) if is_json is None else is_json
        except ValueError:
            options["content"] = text
    elif kind == _FORM:
        options["data"] = pairs_or_mapping(parse_qsl(text, keep_blank_values=True))
    elif text:
        options["content"] = text
    said = {"json": "application/json", "data": _FORM}
    if isinstance(headers, Mapping) and any(option in options and kind == said[option] for option in said):
        kept = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        options["headers"] = kept
        if not kept:
            del options["headers"]


def call_of(
    draft: Draft,
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: str | None = None,
) -> tuple[str, Call]:
    """A request as most files have it: its base, and the call below that."""
    base, path, values = place_of(url)
    options: dict[str, object] = {}
    if values:
        options["path"] = values
    if query := query_of(url):
        options["params"] = query
    if kept := headers_of(headers, draft):
        options["headers"] = kept
    if body is not None:
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        body_of(body, kind, options)
    return base, Call(method.upper(), path, options)


def settle_base(draft: Draft, called: list[tuple[str, Call]]) -> None:
    """The base that most calls have is the draft's; others keep theirs in their URLs."""
    bases = [base for base, _ in called if base]
    draft.base_url = max(set(bases), key=bases.count) if bases else None
    for base, call in called:
        if base and base != draft.base_url:
            call.url = base + call.url
