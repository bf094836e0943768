"""An OpenAPI document, or Swagger's of old: a scenario for each operation, with values that schemas allow."""

from __future__ import annotations

from typing import Any

from loadgen.convert.draft import Call, Draft, Part, calls_in
from loadgen.convert.source import Code

_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
_DEEPEST = 6
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "someone@example.com",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "uri": "http://example.com/",
    "ipv4": "192.0.2.1",
    "byte": "bG9hZA==",
}


def read(document: Any, title: str) -> Draft:
    """Required parameters only, and the first answer that is a success expected."""
    info = document.get("info") or {}
    draft = Draft(about=f"{info.get('title', title)}, {info.get('version', 'no version')}.", parts=[])
    draft.base_url = _base(document)
    reader = _Reader(document, draft)
    for path, item in (document.get("paths") or {}).items():
        for method in _METHODS:
            if isinstance(operation := (item or {}).get(method), dict):
                shared = item.get("parameters") or []
                draft.parts.append(reader.part(path, method, operation, shared))
    if any(calls_in(part.calls)[0].method not in ("GET", "HEAD", "OPTIONS") for part in draft.parts):
        draft.note("some of these operations change data: leave out what the target must not do")
    return draft


def _base(document: Any) -> str | None:
    if servers := document.get("servers"):
        url = str(servers[0].get("url", ""))
        for name, variable in (servers[0].get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
        return url.rstrip("/") or None
    if "host" not in document:
        return None
    scheme = (document.get("schemes") or ["http"])[0]
    return f"{scheme}://{document['host']}{document.get('basePath', '')}".rstrip("/")


class _Reader:
    """Knows the document, whose parts refer to each other."""

    def __init__(self, document: Any, draft: Draft) -> None:
        self._document = document
        self._draft = draft

    def part(self, path: str, method: str, operation: Any, shared: list[Any]) -> Part:
        """One operation."""
        options: dict[str, Any] = {}
        found = [self._found(one) for one in [*shared, *(operation.get("parameters") or [])]]
        parameters = {(one.get("in"), one.get("name")): one for one in found}
        for (place, name), one in parameters.items():
            if place == "body":
                options["json"] = self._example(one.get("schema") or {})
            elif place == "formData":
                options.setdefault("data", {})[name] = self._value(one)
            elif place == "path":
                options.setdefault("path", {})[name] = self._value(one)
            elif one.get("required") and place in ("query", "header"):
                options.setdefault("params" if place == "query" else "headers", {})[name] = self._value(one)
        self._put_body(options, self._found(operation.get("requestBody") or {}))
        self._put_security(options, operation.get("security", self._document.get("security")) or [])
        codes = [str(code) for code in operation.get("responses") or {}]
        status = next((int(code) for code in codes if code.isdigit() and 200 <= int(code) < 300), None)
        name = str(operation.get("operationId") or f"{method} {path}")
        about = " ".join(str(operation.get("summary") or "").split())
        return Part(name, [Call(method.upper(), path, options, status)], about[:100] or None)

    def _found(self, one: Any) -> Any:
        """What a reference leads to."""
        for _ in range(_DEEPEST):
            if not isinstance(one, dict) or "$ref" not in one:
                return one
            found: Any = self._document
            for step in str(one["$ref"]).removeprefix("#/").split("/"):
                found = (found or {}).get(step.replace("~1", "/").replace("~0", "~"))
            one = found or {}
        return {}

    def _value(self, parameter: Any) -> Any:
        if "example" in parameter:
            return parameter["example"]
        for example in (parameter.get("examples") or {}).values():
            return self._found(example).get("value")
        return self._example(parameter.get("schema") or parameter)

    def _put_body(self, options: dict[str, Any], body: Any) -> None:
        content = body.get("content") or {}
        for kind, media in content.items():
            value = self._value(media)
            if kind == "application/json" or kind.endswith("+json"):
                options["json"] = value
            elif kind == "application/x-www-form-urlencoded" and isinstance(value, dict):
                options["data"] = value
            elif kind == "multipart/form-data" and isinstance(value, dict):
                options["files"] = {name: (None, str(one)) for name, one in value.items()}
            else:
                continue
            return
        if content:
            kind = next(iter(content))
            self._draft.note(f"bodies of {kind} are made by hand: an example stands in their place")
            options["headers"] = {**options.get("headers", {}), "Content-Type": kind}
            options["content"] = str(self._value(content[kind]))

    def _put_security(self, options: dict[str, Any], wanted: list[Any]) -> None:
        schemes = (self._document.get("components") or {}).get("securitySchemes")
        schemes = schemes or self._document.get("securityDefinitions") or {}
        for name in wanted[0] if wanted else {}:
            scheme = self._found(schemes.get(name) or {})
            kind, place = scheme.get("type"), scheme.get("in")
            if kind == "apiKey" and place in ("header", "query"):
                pair = {scheme["name"]: self._draft.secret(str(scheme["name"]))}
                where = "headers" if place == "header" else "params"
                options[where] = {**options.get(where, {}), **pair}
            elif kind == "basic" or (kind == "http" and scheme.get("scheme") == "basic"):
                options["auth"] = ("user", self._draft.secret("password"))
            elif kind in ("http", "oauth2", "openIdConnect"):
                self._draft.secret("token")
                options["headers"] = {
                    **options.get("headers", {}),
                    "Authorization": Code('f"Bearer {TOKEN}"'),
                }

    def _example(self, schema: Any, depth: int = 0) -> Any:
        """A value that the schema allows, in the simplest way that is likely to be taken."""
        schema = self._found(schema)
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return None
        for name in ("example", "default", "const"):
            if name in schema:
                return schema[name]
        if schema.get("examples"):
            return schema["examples"][0]
        if schema.get("enum"):
            return schema["enum"][0]
        for name in ("oneOf", "anyOf"):
            if schema.get(name):
                return self._example(schema[name][0], depth + 1)
        if schema.get("allOf"):
            parts = [self._example(part, depth + 1) for part in schema["allOf"]]
            return {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        if kind == "object" or "properties" in schema:
            required = schema.get("required") or list(schema.get("properties") or {})
            known = schema.get("properties") or {}
            return {name: self._example(known.get(name) or {}, depth + 1) for name in required}
        if kind == "array":
            return [self._example(schema.get("items") or {}, depth + 1)]
        if kind in ("integer", "number"):
            least = schema.get("minimum", 1)
            return int(least) if kind == "integer" else least
        if kind == "boolean":
            return True
        text = _FORMATS.get(str(schema.get("format")), "text")
        return text.ljust(int(schema.get("minLength") or 0), "x")[: int(schema.get("maxLength") or 1000)]
