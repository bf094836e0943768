"""Command lines of curl, as shells and browsers' developer tools write them: one journey of them all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from loadgen.convert.calls import Field, call_of, put_form, settle
from loadgen.convert.curl_options import SILENT, options_of
from loadgen.convert.draft import Call, Draft, Part
from loadgen.convert.secrets import basic, bearer, digest
from loadgen.convert.shell import split
from loadgen.convert.source import Code
from loadgen.errors import UsageError
from loadgen.units import counted

_FORM = "application/x-www-form-urlencoded"


def is_ours(text: str) -> bool:
    """Whether a line begins with curl."""
    return re.search(r"^\s*(\$ )?curl(\.exe)?\s", text, re.MULTILINE) is not None


def read(text: str, title: str) -> Draft:
    """All command lines, in order."""
    draft = Draft(about="", parts=[])
    found = split(text)
    called: list[tuple[str, Call]] = []
    others: dict[str, None] = {}
    for command in found.words:
        words = command[1:] if command[:1] == ["$"] else command
        if words and words[0] in ("curl", "curl.exe"):
            called += _calls(words[1:], draft)
        elif words:
            others[words[0]] = None
    written = repr(called)
    for name in found.variables:
        if re.search(rf"\$(?:{name}\b|\{{{name}\}})", written):
            draft.note(f"the shell's ${name} was not filled in: it stands where it stood")
    if others:
        draft.note(f"no commands of curl, and left out: {', '.join(others)}")
    settle(draft, called)
    where = draft.base_url or "a host that is not named"
    draft.about = f"{counted(len(called), 'request')} to {where}, as curl was given them."
    draft.parts = [Part(title, [call for _, call in called])]
    return draft


@dataclass
class _Asked:
    """What one command line says, up to its `--next`."""

    urls: list[str] = field(default_factory=list)
    method: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    query: list[str] = field(default_factory=list)
    json: list[str] = field(default_factory=list)
    file: Code | None = None  # whose content is the body
    form: list[Field] = field(default_factory=list)
    user: str | None = None
    is_digest: bool = False
    is_upload: bool = False
    options: dict[str, object] = field(default_factory=dict)
    in_query: bool = False


def _calls(words: list[str], draft: Draft) -> list[tuple[str, Call]]:
    every = [_Asked()]
    for name, value in options_of(words):
        if name == "--next":
            every.append(_Asked())
        else:
            _take(name, value, every[-1], draft)
    if not all(asked.urls for asked in every):
        raise UsageError(f"curl {' '.join(words)[:60]}: there is no URL")
    return [_call(url, asked, draft) for asked in every for url in asked.urls]


def _call(url: str, asked: _Asked, draft: Draft) -> tuple[str, Call]:
    if variable := re.match(r"\$(?:\{\w+\}|\w+)", url):
        draft.note(f"nothing says what {variable[0]} is: give the host with --url")
        url = "/" + url[variable.end() :].lstrip("/")
    elif "://" not in url:
        url = f"http://{url}"
    body = "&".join(asked.data) if asked.data else None
    if asked.json:
        body = "".join(asked.json)
    query = [*asked.query, *([body] if body is not None and asked.in_query else [])]
    if query:
        url = f"{url}{'&' if '?' in url else '?'}{'&'.join(query)}"
    body = None if asked.in_query else body
    headers = list(asked.headers)
    has_type = any(name.lower() == "content-type" for name, _ in headers)
    if not has_type and (body is not None or asked.file is not None) and not asked.is_upload:
        headers.append(("Content-Type", "application/json" if asked.json else _FORM))
    if asked.json and not any(name.lower() == "accept" for name, _ in headers):
        headers.append(("Accept", "application/json"))
    has_body = body is not None or asked.form or asked.file is not None
    base, call = call_of(draft, asked.method or ("POST" if has_body else "GET"), url, headers, body)
    if asked.form:
        put_form(draft, call.options, asked.form)
    if asked.file is not None:
        call.options["content"] = asked.file
    if asked.user is not None:
        user, colon, password = asked.user.partition(":")
        who = digest if asked.is_digest else basic
        call.options["auth"] = who(draft, user, password if colon else "")
    call.options |= asked.options
    return base, call


def _take(name: str, value: str, asked: _Asked, draft: Draft) -> None:
    match name:
        case "--url":
            asked.urls.append(value)
        case "--request":
            asked.method = value
        case "--header":
            header, _, rest = value.partition(":")
            asked.headers.append((header.strip(), rest.strip()))
        case "--data" | "--data-ascii" | "--data-binary" | "--json" if value.startswith("@"):
            _take_file(name, value[1:], asked, draft)
        case "--data" | "--data-raw" | "--data-binary" | "--data-ascii":
            asked.data.append(value)
        case "--data-urlencode":
            asked.data.append(_encoded(value))
        case "--url-query":
            asked.query.append(value[1:] if value.startswith("+") else _encoded(value))
        case "--json":
            asked.json.append(value)
        case "--form" | "--form-string":
            asked.form.append(_field(value, draft, is_text=name == "--form-string"))
        case "--upload-file":
            asked.method, asked.is_upload = asked.method or "PUT", True
            _take_file(name, value, asked, draft)
        case "--user":
            asked.user = value
        case "--digest":
            asked.is_digest = True
        case "--oauth2-bearer":
            asked.options["auth"] = bearer(draft, value)
        case "--cookie" if "=" in value:
            asked.headers.append(("Cookie", value))
        case "--user-agent" | "--referer" | "--range":
            said = {"--user-agent": "User-Agent", "--referer": "Referer"}.get(name, "Range")
            asked.headers.append((said, f"bytes={value}" if said == "Range" else value))
        case "--get":
            asked.in_query = True
        case "--head":
            asked.method = "HEAD"
        case "--max-time":
            asked.options["timeout"] = f"{value}s"
        case _ if name not in SILENT:
            _take_for_all(name, value, draft)


def _take_for_all(name: str, value: str, draft: Draft) -> None:
    """What is the plan's."""
    match name:
        case "--insecure":
            draft.plan["insecure"] = True
        case "--location":
            draft.plan["follow_redirects"] = True
        case "--compressed":
            draft.plan["compression"] = True
        case "--proxy" if "@" not in value:
            draft.plan["proxy"] = value
        case "--cacert" | "--key" | "--noproxy":
            draft.plan[name[2:]] = value
        case "--cert" if ":" not in value:
            draft.plan["cert"] = value
        case "--unix-socket":
            draft.plan["unix_socket"] = value
        case "--max-redirs":
            draft.plan["max_redirects"] = value
        case "--http1.1" | "--http2-prior-knowledge" | "--http3-only":
            draft.plan["http"] = name.removeprefix("--http")[0]
        case _:
            draft.note(f"curl's option {name} was left out")


def _take_file(name: str, path: str, asked: _Asked, draft: Draft) -> None:
    if path in ("-", "."):
        draft.note(f"what {name} {path} reads was left out: nobody has it any more")
        asked.data.append("")
        return
    asked.file = draft.file(path)
    if name == "--json":
        asked.headers.append(("Content-Type", "application/json"))


def _field(value: str, draft: Draft, *, is_text: bool) -> Field:
    """`name=text`, `name=@file;type=…;filename=…`, or `name=<file`, which is a text from a file."""
    name, _, content = value.partition("=")
    if is_text:
        return Field(name, content)
    content, *said = re.split(r";(?=(?:type|filename|headers|encoder)=)", content)
    more = dict(one.split("=", 1) for one in said)
    kind = more.get("type", "").strip() or None
    filename = more.get("filename", "").strip('"') or None
    if not content.startswith(("@", "<")):
        return Field(name, content.strip('"') if content.startswith('"') else content, filename, kind)
    path = content[1:].strip('"')
    if content.startswith("@"):
        filename = filename or path.rpartition("/")[2]
    return Field(name, draft.file(path), filename, kind)


def _encoded(value: str) -> str:
    """As `--data-urlencode` has it: `name=text`, `=text` or `text`."""
    key, equals, text = value.partition("=")
    if not equals:
        return quote_plus(value)
    return f"{key}={quote_plus(text)}" if key else quote_plus(text)
