"""Postman's variables, as expressions of a script: arguments, secrets, and what Postman makes up itself."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from loadgen.convert.draft import Draft
from loadgen.convert.secrets import is_secret
from loadgen.convert.source import Code, quoted

VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
# Within a JSON document: a text, or a variable that stands outside of one.
_TEXT_OR_VARIABLE = re.compile(r'("(?:[^"\\]|\\.)*")|\{\{\s*[^{}]+?\s*\}\}')
_DEEPEST = 5
# What Postman makes up: the expression, and the module that it needs.
_MADE_UP = {
    "$guid": ("uuid.uuid4()", "uuid"),
    "$randomUUID": ("uuid.uuid4()", "uuid"),
    "$timestamp": ("int(time.time())", "time"),
    "$randomInt": ("user.rng.randint(0, 1000)", None),
    "$randomBoolean": ("user.rng.choice([True, False])", None),
}


class Variables:
    """Of a collection."""

    def __init__(self, draft: Draft, given: dict[str, str]) -> None:
        self._draft = draft
        self._given = given

    def settled(self, text: str) -> str:
        """A text with all that the collection itself says; the others stay to be seen."""
        for _ in range(_DEEPEST):
            filled = VARIABLE.sub(lambda found: self._given.get(found[1]) or found[0], text)
            if filled == text:
                break
            text = filled
        return text

    def json(self, text: str) -> Any:
        """A document with its variables as expressions; None where it is none."""
        # A variable outside of all quotes stands for a number, or for what is JSON itself.
        bare = partial(VARIABLE.sub, r'"{{=\1}}"')
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
        return self.value(found)

    def value(self, text: object) -> object:
        """A text with variables in it, as an expression."""
        if not isinstance(text, str) or not VARIABLE.search(text):
            return text
        whole = VARIABLE.fullmatch(text)
        if whole is not None:
            code = self._expression(whole[1])
            return Code(f"str({code})" if whole[1] in _MADE_UP else code)
        inner, outer = ('"', "'") if '"' in text and "'" not in text else ("'", '"')
        pieces, at = [], 0
        for found in [*VARIABLE.finditer(text), None]:
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
            number = re.fullmatch(r"-?\d+(\.\d+)?", self._given.get(name[1:], ""))
            code = self._expression(name[1:])
            return f"{'float' if number[1] else 'int'}({code})" if number else code
        if name in _MADE_UP:
            code, module = _MADE_UP[name]
            self._draft.modules |= {module} if module else set()
            return code
        given = self._given.get(name)
        if is_secret(name, given or "it is given elsewhere"):
            return self._draft.secret(name, given or None).text
        clean = name.lstrip("$")
        if name.startswith("$"):
            self._draft.note(f"Postman's {name} has no counterpart here: it is an argument instead")
        elif given is None:
            self._draft.note(f"nothing says what {{{{{name}}}}} is: give it with --set {name}=VALUE")
        self._draft.arguments.setdefault(clean, given or "")
        return f"user.arguments[{quoted(clean)}]"
