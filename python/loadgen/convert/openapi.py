"""An OpenAPI document, or Swagger's of old: a scenario for each operation, with values that schemas allow."""

from __future__ import annotations

import re
from typing import Any

from loadgen.convert.calls import Field, add_header, put_form
from loadgen.convert.draft import Call, Draft, Part
from loadgen.convert.schemas import Schemas
from loadgen.convert.secrets import basic, bearer, digest
from loadgen.convert.source import flat

_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
_FORM = "application/x-www-form-urlencoded"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def read(document: Any, title: str) -> Draft:
    """Required parameters only, and the first answer that is a success expected."""
    info = document.get("info") or {}
    draft = Draft(about=f"{info.get('title', title)}, {info.get('version', 'no version')}.", parts=[])
    draft.base_url = _base(document)
    if draft.base_url is None or draft.base_url.startswith("/"):
        draft.note(f"it names no host: give it with --url http://HOST{draft.base_url or ''}")
    reader = _Reader(document, draft)
    for path, item in (document.get("paths") or {}).items():
        reader.read(str(path), item)
    if any(call.method not in _SAFE for call in draft.calls()):
        draft.note("some of these operations change data: leave out what the target must not do")
    return draft


def _base(document: Any) -> str | None:
    if servers := document.get("servers"):
        url = str(servers[0].get("url", ""))
        for name, variable in (servers[0].get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
        return url.rstrip("/") or None
    if "host" not in document:
        return str(document.get("basePath") or "").rstrip("/") or None
    scheme = (document.get("schemes") or ["http"])[0]
    return f"{scheme}://{document['host']}{document.get('basePath') or ''}".rstrip("/")


class _Reader:
    """Makes a part of the script for each operation."""

    def __init__(self, document: Any, draft: Draft) -> None:
        self._document = document
        self._draft = draft
        self._schemas = Schemas(document, draft)

    def read(self, path: str, item: Any) -> None:
        """All operations of a path."""
        item = self._schemas.found(item) or {}
        for method in _METHODS:
            if isinstance(operation := item.get(method), dict):
                self._draft.parts.append(self._part(path, method, operation, item.get("parameters") or []))

    def _part(self, path: str, method: str, operation: Any, shared: list[Any]) -> Part:
        call = Call(method.upper(), path)
        found = [self._schemas.found(one) for one in [*shared, *(operation.get("parameters") or [])]]
        parameters = {(one.get("in"), str(one.get("name"))): one for one in found}
        values: dict[str, object] = {}
        fields: list[Field] = []
        for (place, name), one in parameters.items():
            if place == "body":
                call.options["json"] = self._schemas.example(one.get("schema") or {})
            elif place == "path":
                values[name] = self._schemas.value(one)
            elif place == "formData" and (one.get("required") or one.get("type") == "file"):
                filename = "file.bin" if one.get("type") == "file" else None
                fields.append(Field(name, str(self._schemas.value(one)), filename))
            elif one.get("required") and place in ("query", "header", "cookie"):
                self._say(call, place, name, self._schemas.value(one))
        self._fill(call, values)
        consumed = operation.get("consumes") or self._document.get("consumes") or []
        if any(field.filename for field in fields) or (fields and "multipart/form-data" in consumed):
            put_form(self._draft, call.options, fields)
        elif fields:
            call.options["data"] = {field.name: field.content for field in fields}
        self._put_body(call, self._schemas.found(operation.get("requestBody") or {}))
        self._put_security(call, operation.get("security", self._document.get("security")) or [])
        codes = [str(code) for code in operation.get("responses") or {}]
        call.status = next((int(code) for code in codes if code.isdigit() and 200 <= int(code) < 300), None)
        name = str(operation.get("operationId") or f"{method} {path}")
        return Part(name, [call], str(operation.get("summary") or "") or None)

    def _say(self, call: Call, place: str, name: str, value: object) -> None:
        """A parameter that the operation must have."""
        if place == "query":
            call.options["params"] = {**_mapping(call.options.get("params")), name: value}
        elif place == "cookie":
            call.options["cookies"] = {**_mapping(call.options.get("cookies")), name: _text(value)}
        else:
            add_header(call.options, name, _text(value))

    def _fill(self, call: Call, values: dict[str, object]) -> None:
        """The path's own names, whether they are described or not."""
        names = re.findall(r"\{([^{}]+)\}", call.url)
        for name in names:
            if name not in values:
                self._draft.note(f"{call.url} does not say what {name} is: 1 stands there")
        if names:
            call.options = {"path": {name: values.get(name, 1) for name in names}, **call.options}

    def _put_body(self, call: Call, body: Any) -> None:
        content = body.get("content") or {}
        for kind, media in content.items():
            value = self._schemas.value(media)
            if kind == "application/json" or kind.endswith("+json") or kind == "*/*":
                call.options["json"] = value
                if kind.endswith("+json"):
                    add_header(call.options, "Content-Type", kind)
            elif kind == _FORM and isinstance(value, dict):
                call.options["data"] = value
            elif kind == "multipart/form-data" and isinstance(value, dict):
                files = self._schemas.files(media.get("schema") or {})
                named = dict.fromkeys(files, "file.bin")
                fields = [Field(name, _text(one), named.get(name)) for name, one in value.items()]
                put_form(self._draft, call.options, fields)
            else:
                continue
            return
        if content:
            kind = next(iter(content))
            self._draft.note(f"bodies of {kind} are made by hand: an example stands in their place")
            add_header(call.options, "Content-Type", kind)
            call.options["content"] = _text(self._schemas.value(content[kind]))

    def _put_security(self, call: Call, wanted: list[Any]) -> None:
        schemes = (self._document.get("components") or {}).get("securitySchemes")
        schemes = schemes or self._document.get("securityDefinitions") or {}
        for name in wanted[0] if wanted else {}:
            scheme = self._schemas.found(schemes.get(name) or {})
            kind, place, draft = str(scheme.get("type")), scheme.get("in"), self._draft
            word = str(scheme.get("scheme") or "bearer").lower() if kind == "http" else kind
            if kind == "apiKey":
                key = str(scheme.get("name") or name)
                self._say(call, str(place), key, draft.secret(key))
            elif word == "basic":
                call.options["auth"] = basic(draft, "user")
            elif word == "digest":
                call.options["auth"] = digest(draft, "user")
            elif word in ("bearer", "oauth2", "openIdConnect"):
                call.options["auth"] = bearer(draft)
            else:
                draft.note(f"authorization by {word} was left out")


def _mapping(found: object) -> dict[str, object]:
    return found if isinstance(found, dict) else {}


def _text(value: object) -> object:
    """Of a value where nothing but text will do; an expression stays one."""
    if isinstance(value, bool):
        return str(value).lower()
    return (
        str(value)
        if isinstance(value, (int, float))
        else flat(value)
        if isinstance(value, (dict, list))
        else value
    )
