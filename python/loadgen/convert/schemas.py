"""The schemas of an OpenAPI document: what a reference leads to, and a value that a schema allows."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from loadgen.convert.draft import Draft

_DEEPEST = 8
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "uri": "http://example.com/",
    "url": "http://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "byte": "bG9hZA==",
}


class Schemas:
    """Of one document, whose parts refer to each other."""

    def __init__(self, document: Any, draft: Draft) -> None:
        self._document = document
        self._draft = draft

    def found(self, one: Any) -> Any:
        """What a reference leads to."""
        for _ in range(_DEEPEST):
            if not isinstance(one, dict) or not isinstance(reference := one.get("$ref"), str):
                return one
            one = self._at(reference)
        return {}

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#"):
            self._draft.note(f"{reference} is in another file, and was not read")
            return {}
        found: Any = self._document
        for step in reference.removeprefix("#").split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(name)] if name.isdigit() and int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, dict) else None
        if found is None:
            self._draft.note(f"{reference} is not in the document")
        return found or {}

    def value(self, one: Any) -> Any:
        """Of a parameter, or of a kind of body: its own example comes first."""
        if "example" in one:
            return one["example"]
        examples = one.get("examples")
        for example in examples.values() if isinstance(examples, dict) else ():
            if isinstance(found := self.found(example), dict) and "value" in found:
                return found["value"]
        if one.get("content"):
            return self.value(next(iter(one["content"].values())))
        return self.example(one.get("schema") or one)

    def example(self, schema: Any, above: tuple[str, ...] = ()) -> Any:
        """A value that the schema allows, in the simplest way that is likely to be taken."""
        if isinstance(schema, dict) and isinstance(reference := schema.get("$ref"), str):
            if reference in above:
                return None
            above = (*above, reference)
        schema = self.found(schema)
        if not isinstance(schema, dict):
            return None
        for name in ("example", "default", "const"):
            if name in schema:
                return schema[name]
        for name in ("examples", "enum"):
            if isinstance(schema.get(name), list) and schema[name]:
                return schema[name][0]
        if choices := schema.get("oneOf") or schema.get("anyOf"):
            made = (self.example(one, above) for one in choices)
            return next((one for one in made if one is not None), None)
        if schema.get("allOf"):
            return self._of_all(schema, above)
        kind = _kind(schema)
        if kind == "null":
            return None
        if kind == "object":
            return self._object(schema, above)
        if kind == "array":
            item = self.example(schema.get("items") or {}, above)
            return [] if item is None else [item] * max(1, int(schema.get("minItems") or 0))
        if kind in ("integer", "number"):
            return _number(schema, is_whole=kind == "integer")
        if kind == "boolean":
            return True
        text = _FORMATS.get(str(schema.get("format")), "text")
        return text.ljust(int(schema.get("minLength") or 0), "x")[: int(schema.get("maxLength") or 1000)]

    def files(self, schema: Any) -> list[str]:
        """The properties of a form that are files."""
        properties = (self.found(schema) or {}).get("properties") or {}
        found = {name: self.found(one) for name, one in properties.items()}
        return [
            name for name, one in found.items() if one.get("format") == "binary" or "contentMediaType" in one
        ]

    def _of_all(self, schema: dict[str, Any], above: tuple[str, ...]) -> Any:
        parts = [self.example(part, above) for part in schema["allOf"]]
        if "properties" in schema:
            parts.append(self._object(schema, above))
        if any(isinstance(part, dict) for part in parts):
            return {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}
        return parts[0]

    def _object(self, schema: dict[str, Any], above: tuple[str, ...]) -> Any:
        """What is required; where nothing is, all that may be sent."""
        known = {name: self.found(one) for name, one in (schema.get("properties") or {}).items()}
        sent = [name for name, one in known.items() if not one.get("readOnly")]
        required = [name for name in schema.get("required") or [] if name in sent or name not in known]
        made = {
            name: self.example((schema.get("properties") or {}).get(name) or {}, above)
            for name in required or sent
        }
        return {name: value for name, value in made.items() if value is not None or name in required}


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _number(schema: dict[str, Any], *, is_whole: bool) -> float:
    least, most = schema.get("minimum"), schema.get("maximum")
    above = schema.get("exclusiveMinimum")
    if above is not None and not isinstance(above, bool):  # a number since 3.1, before that a flag
        least = above + 1
    elif above and least is not None:
        least += 1
    if least is None:
        least = 1 if most is None or most >= 1 else most
    step = schema.get("multipleOf")
    if step and least % step:
        least += step - least % step
    return int(least) if is_whole else least
