"""A request of an Artillery flow, with all that it says, as a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from mimetypes import guess_type
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from loadgen.convert.artillery.values import Names
from loadgen.convert.calls import pairs_or_mapping
from loadgen.convert.draft import Block, Call, Draft, Line
from loadgen.convert.secrets import is_secret, without_secrets
from loadgen.convert.source import Code, quoted
from loadgen.importers.artillery.values import number_of

_PLACE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


class Requests:
    """Of one scenario."""

    def __init__(self, draft: Draft, names: Names, config: Mapping[str, Any]) -> None:
        self._draft = draft
        self._names = names
        self._config = config

    def read(self, method: str, url: str, spec: Mapping[str, Any]) -> tuple[list[Call | Line | Block], Call]:
        """What stands before it, and the call itself."""
        call = Call(method, url)
        before: list[Call | Line | Block] = []
        self._place(call, url, spec)
        self._say(call, spec, before)
        return before, call

    def _place(self, call: Call, url: str, spec: Mapping[str, Any]) -> None:
        """The path with its values, and the query."""
        url = re.sub(r"^\{\{\s*target\s*\}\}", "", url)
        path, _, query = url.partition("?")
        base = str(self._config.get("target") or "")
        if base and path.startswith(base) and path[len(base) : len(base) + 1] == "/":
            path = path[len(base) :]
        values: dict[str, object] = {}

        def put(match: re.Match[str]) -> str:
            code = self._names.expression(match[1])
            name = re.sub(r"\W+", "_", match[1]).strip("_") or "value"
            if not name.isidentifier():
                name = f"value_{name}"
            while name in values and values[name] != Code(code):
                name += "_2"
            values[name] = Code(code)
            return f"{{{name}}}"

        if "{{" in path.partition("/")[0] or (not path.startswith("/") and "{{" in path):
            made = self._names.value(path)
            call.code = made if isinstance(made, Code) else None
            shown = _PLACE.sub(lambda match: f"{{{match[1]}}}", path)
            call.options["name"] = f"{call.method} {shown}"
            call.url = shown
        else:
            call.url = _PLACE.sub(put, path)
        if values:
            call.options["path"] = values
        if isinstance(spec.get("qs"), Mapping):
            call.options["params"] = without_secrets(self._draft, self._names.value(spec["qs"]))
        elif query:
            pairs = parse_qsl(query, keep_blank_values=True)
            again = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
            if "{{" in query or again == query:
                kept = [(name, self._names.value(value)) for name, value in pairs]
                call.options["params"] = without_secrets(self._draft, pairs_or_mapping(kept))
            else:
                call.url += f"?{query}"

    def _say(self, call: Call, spec: Mapping[str, Any], before: list[Call | Line | Block]) -> None:
        """Headers, body and the rest."""
        options, names = call.options, self._names
        headers = headers_of(spec.get("headers"), names)
        if headers:
            options["headers"] = headers
        cookies = spec.get("cookie")
        for name, value in cookies.items() if isinstance(cookies, Mapping) else ():
            is_kept = isinstance(value, str) and "{{" in value
            code = names.as_text(value) if is_kept else self._draft.secret(f"cookie {name}", value)
            before.append(Line(f"user.cookies[{quoted(str(name))}] = ", code))
        auth = spec.get("auth")
        if isinstance(auth, Mapping):
            password = str(auth.get("pass", ""))
            secret = names.value(password) if "{{" in password else self._draft.secret("password", password)
            options["auth"] = (names.value(str(auth.get("user", ""))), secret)
        if isinstance(spec.get("formData"), Mapping):
            parts = {name: self._part(str(name), value) for name, value in spec["formData"].items()}
            options["files"] = parts
        elif spec.get("json"):
            options["json"] = without_secrets(self._draft, names.value(spec["json"], is_json=True))
        elif isinstance(spec.get("form"), Mapping):
            options["data"] = without_secrets(self._draft, names.value(spec["form"]))
        elif spec.get("body"):
            options["content"] = names.as_text(spec["body"])
        if number_of(spec.get("timeout")) > 0:
            options["timeout"] = short(number_of(spec["timeout"]))
        if spec.get("followRedirect") is False:
            options["follow_redirects"] = False
        if spec.get("name"):
            options["name"] = str(spec["name"])

    def _part(self, name: str, value: Any) -> object:
        """A field of a form with files."""
        if isinstance(value, Mapping) and value.get("fromFile"):
            path = str(value["fromFile"]).removeprefix("./")
            if "{{" in path:
                self._draft.note(f"{path}: a file whose name varies is left out")
                return (None, "")
            kind = value.get("contentType") or guess_type(path)[0] or "application/octet-stream"
            return (path.rpartition("/")[2], self._draft.file(path), str(kind))
        if isinstance(value, Mapping):
            text = without_secrets(self._draft, self._names.as_text(value.get("value", "")), name)
            return (None, text, str(value["contentType"])) if value.get("contentType") else (None, text)
        return (None, without_secrets(self._draft, self._names.as_text(value), name))


def headers_of(written: Any, names: Names) -> dict[str, object]:
    """Without values that open doors."""
    found: dict[str, object] = {}
    for name, value in written.items() if isinstance(written, Mapping) else ():
        if value is None:
            continue
        text = names.as_text(value)
        found[str(name)] = names.draft.secret(str(name), text) if is_secret(str(name), text) else text
    return found


def short(number: float) -> float:
    """An int where it is one."""
    return int(number) if number.is_integer() else round(number, 6)
