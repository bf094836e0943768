"""What an Artillery step expects of a response and takes from it, as statements of a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen.convert.artillery.texts import taken_from_json
from loadgen.convert.artillery.values import Names
from loadgen.convert.draft import Block, Call, Draft, Line
from loadgen.convert.source import Code, Invoke, flat, quoted
from loadgen.importers.artillery.patterns import compile_pattern
from loadgen.importers.artillery.values import number_of


class Answers:
    """Looks at the responses of one scenario."""

    def __init__(self, draft: Draft, names: Names, *, expects: bool) -> None:
        self._draft = draft
        self._names = names
        self._expects = expects

    def takes(self, spec: Mapping[str, Any], place: str) -> list[Call | Line | Block]:
        """What is expected of the response, then what is taken from it."""
        found: list[Call | Line | Block] = []
        if self._expects and spec.get("expect"):
            given = spec["expect"]
            for one in given if isinstance(given, list) else [given]:
                for kind, value in one.items() if isinstance(one, Mapping) else ():
                    condition = self._expected(kind, value)
                    if condition is None:
                        self._draft.note(f"{place}: expect {kind} is left out")
                    else:
                        check = f"{place}: {kind}"
                        found.append(Line("", Invoke("user.expect", (Code(condition), check))))
        for key in ("match", "capture"):
            given = spec.get(key) or []
            for one in given if isinstance(given, list) else [given]:
                if isinstance(one, Mapping):
                    found += self._taken(one, key, place)
        return found

    def _taken(self, spec: Mapping[str, Any], key: str, place: str) -> list[Call | Line | Block]:
        code = self._source(spec)
        if code is None:
            kind = next((str(spec[kind]) for kind in spec if kind in ("json", "xpath", "selector")), "")
            self._draft.note(f"{place}: {key} {kind} is left out")
            return []
        if key == "match":
            wanted = flat(self._names.value(spec.get("value")))
            return [Line("", Invoke("user.expect", (Code(f"{code} == {wanted}"), f"{place}: match")))]
        if spec.get("strict") is False:
            self._draft.note(f"{place}: what is not there to capture fails the iteration, strict or not")
        if not spec.get("as"):
            return []
        local = self._names.local(str(spec["as"]))
        return [Line(f"{local} = ", Code(code), sets=local)]

    def _source(self, spec: Mapping[str, Any]) -> str | None:
        if isinstance(spec.get("json"), str) and "{{" not in spec["json"]:
            return taken_from_json(spec["json"])
        if isinstance(spec.get("header"), str):
            return f"response.headers[{quoted(spec['header'])}]"
        if isinstance(spec.get("regexp"), str) and "{{" not in spec["regexp"]:
            found = self._pattern(spec["regexp"], str(spec.get("flags") or ""))
            group = spec.get("group") or 0
            number = number_of(group)
            return found and f"{found}[{int(number) if number.is_integer() else quoted(str(group))}]"
        return None

    def _pattern(self, text: str, flags: str = "") -> str | None:
        try:
            pattern = compile_pattern(text).pattern
        except ValueError:
            return None
        self._draft.modules.add("re")
        mark = '"' if '"' not in pattern else "'"
        if mark in pattern or "\n" in pattern:
            return None
        named = {"i": "re.IGNORECASE", "m": "re.MULTILINE", "s": "re.DOTALL"}
        more = " | ".join(named[flag] for flag in flags if flag in named)
        raw = "r" if "\\" in pattern else ""
        return f"re.search({raw}{mark}{pattern}{mark}, response.text{f', {more}' if more else ''})"

    def _expected(self, kind: str, value: Any) -> str | None:
        if kind in ("statusCode", "notStatusCode"):
            numbers = [number_of(one) for one in (value if isinstance(value, list) else [value])]
            if any(not number.is_integer() for number in numbers):
                return None
            wanted = ", ".join(str(int(number)) for number in numbers)
            if len(numbers) == 1:
                return f"response.status {'==' if kind == 'statusCode' else '!='} {wanted}"
            return f"response.status {'in' if kind == 'statusCode' else 'not in'} ({wanted})"
        if kind == "contentType" and isinstance(value, str):
            kept = 'response.headers.get("content-type", "")'
            return f'"json" in {kept}' if value == "json" else f"{kept} == {quoted(value)}"
        if kind in ("hasProperty", "notHasProperty") and isinstance(value, str):
            path = taken_from_json(value)
            if path is None or not path.endswith('"]') or path.startswith("user."):
                return None
            holder, _, name = path.rpartition("[")
            return f"{name[:-1]} {'in' if kind == 'hasProperty' else 'not in'} {holder}"
        if kind == "hasHeader" and isinstance(value, str):
            return f"{quoted(value)} in response.headers"
        if kind == "headerEquals" and isinstance(value, list) and len(value) == 2:
            wanted = flat(self._names.as_text(value[1]))
            return f"response.headers.get({quoted(str(value[0]))}) == {wanted}"
        if kind == "matchesRegexp" and isinstance(value, str):
            return self._pattern(value)
        return None
