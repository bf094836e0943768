"""Command lines of curl, as shells and browsers' developer tools write them: one journey of them all."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from loadgen.convert.draft import Call, Draft, Part, call_of, settle_base
from loadgen.errors import UsageError
from loadgen.units import counted

_FORM = "application/x-www-form-urlencoded"
# Short names to long ones, of the options that say something about a request.
_LONG = {
    "-X": "--request",
    "-H": "--header",
    "-d": "--data",
    "-F": "--form",
    "-u": "--user",
    "-A": "--user-agent",
    "-e": "--referer",
    "-b": "--cookie",
    "-k": "--insecure",
    "-L": "--location",
    "-G": "--get",
    "-I": "--head",
    "-m": "--max-time",
    "-x": "--proxy",
    "-o": "--output",
    "-w": "--write-out",
    "-T": "--upload-file",
}
_WITH_VALUE = frozenset(
    {
        *("--request", "--header", "--data", "--data-raw", "--data-binary", "--data-ascii"),
        *("--data-urlencode", "--json", "--form", "--user", "--user-agent", "--referer", "--cookie"),
        *("--max-time", "--proxy", "--output", "--write-out", "--url", "--connect-timeout"),
        *("--cacert", "--cert", "--key", "--resolve", "--retry", "--upload-file", "--cookie-jar"),
        *("--limit-rate", "--interface"),
    }
)
# Nothing is lost by leaving these out.
_SILENT = frozenset(
    {
        *("--silent", "--show-error", "--verbose", "--output", "--write-out", "--fail"),
        *("--compressed", "--include", "--progress-bar", "--http1.1", "--http2", "--globoff"),
        *("--no-progress-meter", "-s", "-S", "-v", "-f", "-i", "-#", "-N", "--no-buffer"),
        *("--cookie-jar",),
    }
)


def is_ours(text: str) -> bool:
    """Whether the first line that is not a comment begins with curl."""
    lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return re.match(r"curl(\.exe)?\s", first) is not None


def read(text: str, title: str) -> Draft:
    """All command lines, in order."""
    draft = Draft(about="", parts=[])
    called = [_call(words, draft) for words in _commands(text)]
    settle_base(draft, called)
    draft.about = f"{counted(len(called), 'request')} to {draft.base_url}, as curl was given them."
    draft.parts = [Part(title, [call for _, call in called])]
    return draft


def _commands(text: str) -> list[list[str]]:
    whole = re.sub(r"\\\r?\n", " ", text)
    lexer = shlex.shlex(whole, posix=True, punctuation_chars=";&|\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, "#"
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word and set(word) <= set(";&|\n"):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError as error:
        raise UsageError(f"the command lines cannot be read: {error}") from None
    found = []
    for command in commands:
        words = command[1:] if command[:1] == ["$"] else command
        if words and words[0] in ("curl", "curl.exe"):
            found.append(words[1:])
    return found


@dataclass
class _Asked:
    """What one command line says."""

    url: str | None = None
    method: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    json: str | None = None
    form: list[tuple[str, str]] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)
    in_query: bool = False


def _call(words: list[str], draft: Draft) -> tuple[str, Call]:
    asked = _Asked()
    left = list(_split(words))
    for name, value in left:
        _take(name, value, asked, draft)
    if asked.url is None:
        raise UsageError(f"curl {' '.join(words)[:60]}: there is no URL")
    url = asked.url if "://" in asked.url else f"http://{asked.url}"
    body = "&".join(asked.data) if asked.data else None
    if body is not None and asked.in_query:
        url, body = f"{url}{'&' if '?' in url else '?'}{body}", None
    has_type = any(name.lower() == "content-type" for name, _ in asked.headers)
    if asked.json is not None:
        body = asked.json
        asked.headers += [] if has_type else [("Content-Type", "application/json")]
    elif body is not None and not has_type:
        asked.headers.append(("Content-Type", _FORM))
    method = asked.method or ("POST" if body is not None or asked.form else "GET")
    base, call = call_of(draft, method, url, asked.headers, body)
    _put_form(asked.form, call, draft)
    call.options |= asked.options
    return base, call


def _split(words: list[str]) -> list[tuple[str, str]]:
    found, index = [], 0
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("-") or word == "-":
            found.append(("--url", word))
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if not word.startswith("--") and len(word) > 2:
            short = word[:2]
            if _LONG.get(short) in _WITH_VALUE:
                name, value, equals = short, word[2:], "="
            else:  # several without a value
                found += [(_LONG.get(f"-{letter}", f"-{letter}"), "") for letter in word[1:]]
                continue
        name = _LONG.get(name, name)
        if name in _WITH_VALUE and not equals and index < len(words):
            value = words[index]
            index += 1
        found.append((name, value))
    return found


def _take(name: str, value: str, asked: _Asked, draft: Draft) -> None:
    match name:
        case "--url":
            asked.url = asked.url or value
        case "--request":
            asked.method = value
        case "--header":
            header, _, rest = value.partition(":")
            asked.headers.append((header.strip(), rest.strip()))
        case "--data" | "--data-ascii" | "--data-binary" if value.startswith("@"):
            asked.options["content"] = draft.file(value[1:])
            asked.method = asked.method or "POST"
        case "--data" | "--data-raw" | "--data-binary" | "--data-ascii":
            asked.data.append(value)
        case "--data-urlencode":
            key, equals, text = value.partition("=")
            asked.data.append(f"{key}={quote_plus(text)}" if equals else quote_plus(value))
        case "--json":
            asked.json = value
        case "--form":
            key, _, text = value.partition("=")
            asked.form.append((key, text))
        case "--user":
            user, colon, _ = value.partition(":")
            asked.options["auth"] = (user, draft.secret("password") if colon else "")
        case "--cookie" if "=" in value:
            pairs = [pair.strip().partition("=") for pair in value.split(";") if pair.strip()]
            asked.options["cookies"] = {key: draft.secret(f"cookie {key}") for key, _, _ in pairs}
        case "--user-agent":
            asked.options.setdefault("headers", {"User-Agent": value})
        case "--get":
            asked.in_query = True
        case "--head":
            asked.method = "HEAD"
        case "--max-time":
            asked.options["timeout"] = f"{value}s"
        case "--insecure":
            draft.plan["insecure"] = True
        case "--location":
            draft.plan["follow_redirects"] = True
        case "--proxy" | "--cacert" | "--cert" | "--key":
            draft.plan[name[2:]] = value
        case _ if name not in _SILENT:
            draft.note(f"curl's option {name} was left out")


def _put_form(form: list[tuple[str, str]], call: Call, draft: Draft) -> None:
    files: dict[str, object] = {}
    fields: dict[str, object] = {}
    for name, text in form:
        if text.startswith(("@", "<")):
            path = text[1:].partition(";")[0]
            files[name] = (path.rpartition("/")[2], draft.file(path))
        else:
            fields[name] = text
    if files and fields:
        call.options["data"] = fields
    if form:
        # A field that is a file without a name asks for the format of forms with files, as curl's -F does.
        call.options["files"] = files or {name: (None, text) for name, text in fields.items()}
