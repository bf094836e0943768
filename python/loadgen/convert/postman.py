"""A collection of Postman's, v2: a scenario for each folder, in the order of its requests."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from loadgen.convert.draft import Call, Draft, Part, call_of, pairs_or_mapping, settle_base
from loadgen.convert.source import Code, quoted
from loadgen.units import counted

_VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
# Within a JSON document: a text, or a variable that stands outside of one.
_TEXT_OR_VARIABLE = re.compile(r'("(?:[^"\\]|\\.)*")|\{\{\s*[^{}]+?\s*\}\}')
_STATUS = re.compile(r"to\.have\.status\((\d{3})\)|responseCode\.code\s*={2,3}\s*(\d{3})")
# What Postman makes up itself: the expression, and the module that it needs.
_MADE_UP = {
    "$guid": ("uuid.uuid4()", "uuid"),
    "$randomUUID": ("uuid.uuid4()", "uuid"),
    "$timestamp": ("int(time.time())", "time"),
    "$randomInt": ("user.rng.randint(0, 1000)", None),
}


def read(document: Any, title: str) -> Draft:
    """Requests with the collection's variables as arguments of the script."""
    draft = Draft(about="", parts=[])
    reader = _Reader(draft, _variables(document.get("variable")))
    folders = [item for item in document.get("item", []) if "item" in item]
    loose = [item for item in document.get("item", []) if "item" not in item]
    if loose:
        reader.part(title, loose, document.get("auth"))
    for folder in folders:
        reader.part(
            str(folder.get("name") or title), folder["item"], folder.get("auth") or document.get("auth")
        )
    settle_base(draft, reader.called)
    name = str(document.get("info", {}).get("name") or title)
    draft.about = f"The collection {name}: {counted(len(reader.called), 'request')}."
    return draft


def _variables(found: Any) -> dict[str, str]:
    return {str(one["key"]): str(one.get("value", "")) for one in found or [] if one.get("key")}


class _Reader:
    """Goes through the folders."""

    def __init__(self, draft: Draft, variables: dict[str, str]) -> None:
        self._draft = draft
        self._variables = variables
        self.called: list[tuple[str, Call]] = []

    def part(self, name: str, items: list[Any], auth: Any) -> None:
        """One scenario, of a folder and all folders in it."""
        calls = [self._call(item, found) for item, found in _flat(items, auth)]
        self.called += calls
        if calls:
            self._draft.parts.append(Part(name, [call for _, call in calls]))

    def _call(self, item: Any, auth: Any) -> tuple[str, Call]:
        request = item["request"] if isinstance(item["request"], dict) else {"url": item["request"]}
        url = request.get("url") or "/"
        raw = url if isinstance(url, str) else str(url.get("raw") or "/")
        headers = [
            (str(one["key"]), str(one.get("value", "")))
            for one in request.get("header") or []
            if isinstance(one, dict) and not one.get("disabled")
        ]
        base, call = call_of(self._draft, str(request.get("method") or "GET"), self._settled(raw), headers)
        self._put_path(call, url)
        self._put_body(call, request.get("body") or {})
        self._put_auth(call, request.get("auth") or auth)
        if item.get("name"):
            call.options["name"] = str(item["name"])
        self._put_status(call, item)
        for name in ("params", "headers"):
            if isinstance(found := call.options.get(name), dict):
                call.options[name] = {key: self._value(value) for key, value in found.items()}
        return base, call

    def _settled(self, raw: str) -> str:
        """The URL with the variables that say where it leads; the others stay to be seen."""
        head = re.match(r"\{\{\s*([^{}]+?)\s*\}\}", raw)
        if head is None:
            return raw if "://" in raw or raw.startswith("/") else f"http://{raw}"
        base = self._variables.get(head[1], "")
        if not base:
            self._draft.note(f"nothing says what {head[0]} is: give the host with --url")
        elif "://" not in base:
            base = f"http://{base}"
        return base.rstrip("/") + "/" + raw[head.end() :].lstrip("/")

    def _put_path(self, call: Call, url: Any) -> None:
        values = dict(call.options.get("path") or {})  # type: ignore[call-overload]
        given = _variables(url.get("variable")) if isinstance(url, dict) else {}
        for name in re.findall(r"/:(\w+)", call.url):
            call.url = call.url.replace(f"/:{name}", f"/{{{name}}}")
            values[name] = self._value(given.get(name, "1"))
        for found in _VARIABLE.finditer(call.url):
            name = re.sub(r"\W", "_", found[1]).strip("_")
            call.url = call.url.replace(found[0], f"{{{name}}}")
            values[name] = self._value(found[0])
        if values:
            call.options = {"path": values, **call.options}

    def _put_body(self, call: Call, body: Any) -> None:
        mode = body.get("mode")
        fields = [one for one in body.get(mode) or [] if not one.get("disabled")] if mode in _FIELDS else []
        if mode == "raw" and body.get("raw"):
            self._put_raw(call, str(body["raw"]), body)
        elif mode == "graphql":
            found = body.get("graphql") or {}
            call.options["json"] = {"query": found.get("query", "")}
            if found.get("variables"):
                call.options["json"]["variables"] = self._json(str(found["variables"]))  # type: ignore[index]
        elif mode == "urlencoded":
            pairs = [(str(one["key"]), self._value(str(one.get("value", "")))) for one in fields]
            call.options["data"] = pairs_or_mapping(pairs)
        elif mode == "formdata":
            texts = {
                str(one["key"]): self._value(str(one.get("value", ""))) for one in fields if "src" not in one
            }
            files = {str(one["key"]): self._draft.file(str(one["src"])) for one in fields if one.get("src")}
            if files and texts:
                call.options["data"] = texts
            call.options["files"] = files or {name: (None, text) for name, text in texts.items()}
        elif mode == "file" and (body.get("file") or {}).get("src"):
            call.options["content"] = self._draft.file(str(body["file"]["src"]))

    def _put_raw(self, call: Call, raw: str, body: Any) -> None:
        language = ((body.get("options") or {}).get("raw") or {}).get("language")
        headers = call.options.get("headers")
        said = any(name.lower() == "content-type" for name in headers) if isinstance(headers, dict) else False
        found = self._json(raw) if language == "json" or raw.lstrip()[:1] in ("{", "[") else None
        if found is None:
            call.options["content"] = self._value(raw)
            return
        call.options["json"] = found
        if said and isinstance(headers, dict):
            kept = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            call.options["headers"] = kept
            if not kept:
                del call.options["headers"]

    def _json(self, text: str) -> Any:
        """The document, with its variables as expressions; None where it is none."""
        # A variable outside of all quotes stands for a number, or for what is JSON itself.
        bare = partial(_VARIABLE.sub, r'"{{=\1}}"')
        whole = _TEXT_OR_VARIABLE.sub(lambda found: found[0] if found[1] else bare(found[0]), text)
        try:
            return self._values(json.loads(whole))
        except ValueError:
            return None

    def _values(self, found: Any) -> Any:
        if isinstance(found, dict):
            return {key: self._values(value) for key, value in found.items()}
        if isinstance(found, list):
            return [self._values(value) for value in found]
        return self._value(found) if isinstance(found, str) else found

    def _value(self, text: object) -> object:
        """A text with variables in it, as an expression."""
        if not isinstance(text, str) or not _VARIABLE.search(text):
            return text
        whole = _VARIABLE.fullmatch(text)
        if whole is not None:
            code = self._expression(whole[1])
            return Code(f"str({code})" if whole[1] in _MADE_UP else code)
        inner, outer = ('"', "'") if '"' in text and "'" not in text else ("'", '"')
        pieces, at = [], 0
        for found in [*_VARIABLE.finditer(text), None]:
            between = text[at : found.start() if found else None]
            pieces.append(repr(between)[1:-1].replace("\\'", "'").replace("{", "{{").replace("}", "}}"))
            if outer == '"':
                pieces[-1] = pieces[-1].replace('"', '\\"')
            if found:
                pieces.append("{" + self._expression(found[1]).replace('"', inner) + "}")
                at = found.end()
        return Code(f"f{outer}{''.join(pieces)}{outer}")

    def _expression(self, name: str) -> str:
        if name.startswith("="):
            number = re.fullmatch(r"-?\d+(\.\d+)?", self._variables.get(name[1:], ""))
            code = self._expression(name[1:])
            return f"{'float' if number[1] else 'int'}({code})" if number else code
        if name in _MADE_UP:
            code, module = _MADE_UP[name]
            self._draft.modules |= {module} if module else set()
            return code
        if name.startswith("$"):
            self._draft.note(f"Postman's {name} has no counterpart here: it is an argument instead")
        clean = name.lstrip("$")
        self._draft.arguments.setdefault(clean, self._variables.get(name, ""))
        return f"user.arguments[{quoted(clean)}]"

    def _put_auth(self, call: Call, auth: Any) -> None:
        kind = (auth or {}).get("type")
        given = (auth or {}).get(kind) if kind else None
        values = _variables(given) if isinstance(given, list) else given or {}
        headers = call.options.get("headers")
        if kind == "basic":
            name = self._value(str(values.get("username", "")))
            call.options["auth"] = (name, self._draft.secret("password"))
        elif kind == "bearer":
            self._draft.secret("token")
            known = headers if isinstance(headers, dict) else {}
            call.options["headers"] = {**known, "Authorization": Code('f"Bearer {TOKEN}"')}
        elif kind == "apikey":
            place = "params" if values.get("in") == "query" else "headers"
            there = call.options.get(place)
            pair = {str(values.get("key", "key")): self._draft.secret(str(values.get("key", "key")))}
            call.options[place] = {**(there if isinstance(there, dict) else {}), **pair}
        elif kind not in (None, "noauth"):
            self._draft.note(f"authorization by {kind} was left out")

    def _put_status(self, call: Call, item: Any) -> None:
        for event in item.get("event") or []:
            lines = (event.get("script") or {}).get("exec") or []
            text = "\n".join(lines) if isinstance(lines, list) else str(lines)
            found = _STATUS.search(text)
            if event.get("listen") == "test" and found:
                call.status = int(found[1] or found[2])
            rest = re.sub(r"\s+", "", _STATUS.sub("", text))
            if text.strip() and (
                event.get("listen") != "test" or len(rest) > len("pm.test('',function(){pm.response.});") + 60
            ):
                self._draft.note(
                    f"the script of {item.get('name', 'a request')} ({event.get('listen')}) was left out"
                )


_FIELDS = ("urlencoded", "formdata")


def _flat(items: list[Any], auth: Any) -> list[tuple[Any, Any]]:
    found = []
    for item in items:
        if "item" in item:
            found += _flat(item["item"], item.get("auth") or auth)
        elif item.get("request"):
            found.append((item, auth))
    return found
