"""A collection of Postman's, v2: a scenario for each folder, in the order of its requests."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from loadgen.convert.calls import (
    Field,
    add_header,
    call_of,
    drop_content_type,
    pairs_or_mapping,
    put_form,
    settle,
)
from loadgen.convert.draft import Call, Draft, Part
from loadgen.convert.postman_values import VARIABLE, Variables
from loadgen.convert.secrets import basic, bearer, digest, stand_in, without_secrets
from loadgen.errors import UsageError
from loadgen.units import counted

_STATUS = re.compile(
    r"to\.have\.status\((\d{3})\)|responseCode\.code\s*={2,3}\s*(\d{3})|pm\.response\.code\)\.to\.(?:eql|equal)\((\d{3})\)"
)
# A test that is about the status alone.
_STATUS_TEST = re.compile(
    r"""(?: pm\.test\( \s* (["'`]) [^"'`]* \1 \s*,\s* (?: function\s*\(\s*\) | \(\s*\)\s*=> ) \s* \{ \s*
        (?: pm\.response\.to\.have\.status\(\d{3}\) | pm\.expect\(pm\.response\.code\)\.to\.\w+\(\d{3}\) )
        \s* ;? \s* \} \s* \)
      | tests\[ [^\]]* \] \s* = \s* responseCode\.code \s* ={2,3} \s* \d{3} ) \s* ;?""",
    re.VERBOSE,
)
_SETS = re.compile(r"\.(?:set|setEnvironmentVariable|setGlobalVariable)\(\s*[\"'`](\w+)")
# What Postman says where a body is no JSON and no header says what it is.
_LANGUAGES = {
    "xml": "application/xml",
    "html": "text/html",
    "javascript": "application/javascript",
    "text": "text/plain",
}


def read(document: Any, title: str) -> Draft:
    """Requests with the collection's variables as arguments of the script."""
    if "item" not in document and "requests" in document:
        raise UsageError("a collection of v1", hint="Postman exports it as v2.1.")
    draft = Draft(about="", parts=[])
    reader = _Reader(draft, _named(document.get("variable")))
    reader.leave_scripts(document, "the collection")
    folders = [item for item in document["item"] if "item" in item]
    loose = [item for item in document["item"] if "item" not in item]
    if loose:
        reader.part(title, loose, document.get("auth"))
    for folder in folders:
        reader.leave_scripts(folder, f"the folder {folder.get('name')}")
        auth = folder.get("auth") or document.get("auth")
        reader.part(str(folder.get("name") or title), folder["item"], auth)
    settle(draft, reader.called)
    name = str(document.get("info", {}).get("name") or title)
    draft.about = f"The collection {name}: {counted(len(reader.called), 'request')}."
    return draft


def _named(found: Any) -> dict[str, str]:
    """Names with values: a list since v2.1, before that a mapping."""
    if isinstance(found, dict):
        return {str(name): str(value) for name, value in found.items()}
    pairs = [(one.get("key") or one.get("id"), one.get("value")) for one in found or []]
    return {str(name): "" if value is None else str(value) for name, value in pairs if name}


class _Reader:
    """Goes through the folders."""

    def __init__(self, draft: Draft, given: dict[str, str]) -> None:
        self._draft = draft
        self._variables = Variables(draft, given)
        self.called: list[tuple[str, Call]] = []

    def part(self, name: str, items: list[Any], auth: Any) -> None:
        """One scenario, of a folder and all folders in it."""
        calls = [self._call(item, found) for item, found in self._flat(items, auth)]
        self.called += calls
        if calls:
            self._draft.parts.append(Part(name, [call for _, call in calls]))

    def _flat(self, items: list[Any], auth: Any) -> list[tuple[Any, Any]]:
        found = []
        for item in items:
            if "item" in item:
                self.leave_scripts(item, f"the folder {item.get('name')}")
                found += self._flat(item["item"], item.get("auth") or auth)
            elif item.get("request"):
                found.append((item, auth))
        return found

    def _call(self, item: Any, auth: Any) -> tuple[str, Call]:
        request = item["request"] if isinstance(item["request"], dict) else {"url": item["request"]}
        url = request.get("url") or "/"
        method = str(request.get("method") or "GET")
        headers = _headers_of(request.get("header"))
        base, call = call_of(self._draft, method, self._settled(_raw_of(url)), headers)
        self._put_path(call, url)
        self._put_body(call, request.get("body") or {})
        self._put_auth(call, request.get("auth") or auth)
        if item.get("name"):
            call.options["name"] = str(item["name"])
        self._put_status(call, item)
        for name in ("params", "headers"):
            found = call.options.get(name)
            if isinstance(found, dict):
                call.options[name] = {key: self._variables.value(value) for key, value in found.items()}
            elif isinstance(found, list):
                call.options[name] = [(key, self._variables.value(value)) for key, value in found]
        return base, call

    def _settled(self, raw: str) -> str:
        """The URL with the variables that say where it leads; the others stay to be seen."""
        parts = re.fullmatch(r"(?:([^/?#]*)://)?([^/?#]*)(.*)", raw, re.DOTALL)
        assert parts is not None
        scheme, place, path = parts.groups()
        place = self._variables.settled(f"{scheme}://{place}" if scheme else place)
        unknown = VARIABLE.search(place)
        if unknown is not None:
            self._draft.note(f"nothing says what {unknown[0]} is: give the host with --url")
            return path or "/"
        return f"{'http://' if place and '://' not in place else ''}{place.rstrip('/')}{path}"

    def _put_path(self, call: Call, url: Any) -> None:
        values = dict(call.options.get("path") or {})  # type: ignore[call-overload]
        given = _named(url.get("variable")) if isinstance(url, dict) else {}
        for name in re.findall(r"/:(\w+)", call.url):
            call.url = call.url.replace(f"/:{name}", f"/{{{name}}}")
            values[name] = self._variables.value(given.get(name) or "1")
        for found in VARIABLE.finditer(call.url):
            name = re.sub(r"\W", "_", found[1]).strip("_")
            call.url = call.url.replace(found[0], f"{{{name}}}")
            values[name] = self._variables.value(found[0])
        if values:
            call.options = {"path": values, **call.options}

    def _put_body(self, call: Call, body: Any) -> None:
        mode = body.get("mode")
        given = body.get(mode) if mode else None
        if not given or body.get("disabled"):
            return
        if mode == "raw":
            self._put_raw(call, str(given), ((body.get("options") or {}).get("raw") or {}).get("language"))
        elif mode == "graphql":
            call.options["json"] = {"query": given.get("query", "")}
            if given.get("variables"):
                call.options["json"]["variables"] = self._variables.json(str(given["variables"]))  # type: ignore[index]
        elif mode == "urlencoded":
            pairs = [(name, self._variables.value(value)) for name, value, _ in _fields_of(given)]
            call.options["data"] = without_secrets(self._draft, pairs_or_mapping(pairs))
        elif mode == "formdata":
            fields = [field for one in _fields_of(given) for field in self._form_fields(call, *one)]
            put_form(self._draft, call.options, fields)
        elif mode == "file":
            self._put_file(call, given)

    def _form_fields(self, call: Call, name: str, value: str, one: Any) -> list[Field]:
        kind = one.get("contentType") or None
        if one.get("type") != "file" and "src" not in one:
            return [Field(name, self._variables.value(value), None, kind)]
        source = one.get("src") or []
        paths = [str(path) for path in (source if isinstance(source, list) else [source])]
        if not paths:
            self._draft.note(f"{call.method} {call.url}: nothing says which file {name} is")
        return [Field(name, self._draft.file(path), re.split(r"[/\\]", path)[-1], kind) for path in paths]

    def _put_file(self, call: Call, given: Any) -> None:
        source = given.get("src") if isinstance(given, dict) else given
        if source:
            call.options["content"] = self._draft.file(str(source))
        else:
            self._draft.note(f"{call.method} {call.url}: nothing says which file is its body")

    def _put_raw(self, call: Call, raw: str, language: str | None) -> None:
        is_json = language == "json" or (language is None and raw.lstrip()[:1] in ("{", "["))
        found = self._variables.json(raw) if is_json or raw.lstrip()[:1] in ("{", "[") else None
        if found is None:
            call.options["content"] = self._variables.value(raw)
            kind = "application/json" if is_json else _LANGUAGES.get(language or "text", "text/plain")
            add_header(call.options, "Content-Type", kind)
            return
        call.options["json"] = without_secrets(self._draft, found)
        drop_content_type(call.options)

    def _put_auth(self, call: Call, auth: Any) -> None:
        kind = (auth or {}).get("type")
        values = _named((auth or {}).get(kind)) if kind else {}
        if kind in ("basic", "digest"):
            name = self._variables.value(values.get("username", ""))
            make = basic if kind == "basic" else digest
            call.options["auth"] = make(self._draft, name, values.get("password") or None)
        elif kind in ("bearer", "oauth2"):
            call.options["auth"] = bearer(
                self._draft, values.get("token") or values.get("accessToken") or None
            )
        elif kind == "apikey":
            key = values.get("key") or "key"
            secret = stand_in(self._draft, key, values.get("value") or None)
            if values.get("in") == "query":
                there = call.options.get("params")
                call.options["params"] = {**(there if isinstance(there, dict) else {}), key: secret}
            else:
                add_header(call.options, key, secret)
        elif kind not in (None, "noauth"):
            self._draft.note(f"authorization by {kind} was left out")

    def _put_status(self, call: Call, item: Any) -> None:
        for event in item.get("event") or []:
            found = _STATUS.search(_script_of(event))
            if event.get("listen") == "test" and found:
                call.status = int(found[1] or found[2] or found[3])
        self.leave_scripts(item, f"{item.get('name') or 'a request'}")

    def leave_scripts(self, item: Any, name: str) -> None:
        """Names those that do more than to look at a status, and what they set."""
        for event in item.get("event") or []:
            text = re.sub(r"^\s*//.*$", "", _script_of(event), flags=re.MULTILINE)
            if event.get("listen") == "test":
                text = _STATUS_TEST.sub("", text)
            if text.strip():
                sets = ", ".join(dict.fromkeys(_SETS.findall(text)))
                which = {"test": "test", "prerequest": "pre-request"}.get(event.get("listen"), "other")
                self._draft.note(
                    f"the {which} script of {name} was left out{f': it sets {sets}' if sets else ''}"
                )


def _script_of(event: Any) -> str:
    lines = (event.get("script") or {}).get("exec") or []
    return "\n".join(lines) if isinstance(lines, list) else str(lines)


def _raw_of(url: Any) -> str:
    """A URL as it was typed. Some exporters have only its parts."""
    if isinstance(url, str):
        return url
    if raw := url.get("raw"):
        return str(raw)
    host, path = (
        separator.join(found) if isinstance(found, list) else str(found or "")
        for separator, found in ((".", url.get("host")), ("/", url.get("path")))
    )
    port = f":{url['port']}" if url.get("port") else ""
    query = [
        (one["key"], one.get("value") or "") for one in url.get("query") or [] if not one.get("disabled")
    ]
    text = f"{url.get('protocol') or 'http'}://{host}{port}/{path.lstrip('/')}"
    return f"{text}?{urlencode(query)}" if query else text


def _headers_of(given: Any) -> list[tuple[str, str]]:
    """A list, or lines of text."""
    if isinstance(given, str):
        pairs = [line.partition(":") for line in given.splitlines() if ":" in line]
        return [(name.strip(), value.strip()) for name, _, value in pairs]
    return [
        (str(one["key"]), str(one.get("value") or ""))
        for one in given or []
        if isinstance(one, dict) and one.get("key") and not one.get("disabled")
    ]


def _fields_of(given: Any) -> list[tuple[str, str, Any]]:
    return [
        (str(one.get("key") or ""), str(one.get("value") or ""), one)
        for one in given
        if not one.get("disabled")
    ]
