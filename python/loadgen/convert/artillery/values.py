"""Templates, JSONPaths and conditions of Artillery's as expressions of Python's."""

from __future__ import annotations

import keyword
import re
from typing import Any

from loadgen.convert.artillery.texts import formatted, steps_of
from loadgen.convert.draft import Draft
from loadgen.convert.source import Code
from loadgen.convert.writing import identifier
from loadgen.importers.artillery.expressions import compile_expression

_TEMPLATE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_CALL = re.compile(r"(\$\w+)\s*\(\s*([\d\s,]*)\)")
_ENVIRONMENT = re.compile(r"\$(?:env|processEnvironment)\.(\w+)")
_CONDITION = re.compile(r'\s*("[^"\\]*"|\d+(?:\.\d+)?|[A-Za-z][\w.]*|==|!=|<=|>=|<|>|\(|\))')
RESERVED = frozenset(
    {
        *(
            "user",
            "response",
            "visitor",
            "asyncio",
            "json",
            "re",
            "os",
            "uuid",
            "csv",
            "pathlib",
            "string",
            "len",
        ),
        *("range", "str", "int", "float", "one", "plan", "once", "scenario", "socket", "list", "id", "type"),
    }
)


class Names:
    """What names stand for at one place of a scenario."""

    def __init__(self, draft: Draft, known: dict[str, str], numbers: frozenset[str] = frozenset()) -> None:
        self.draft = draft
        self.known = known  # of Artillery's name, the expression
        self._numbers = numbers  # columns that hold nothing else
        self._taken = {*RESERVED, *(code for code in known.values() if code.isidentifier())}
        self.needs_uuid = False
        self.used: set[str] = set()  # of the expressions, those that were asked for

    def local(self, name: str) -> str:
        """A variable of the scenario for a name of Artillery's: the same where it was set before."""
        found = self.known.get(name)
        if found is None or not found.isidentifier() or found.isupper():
            found = identifier(name, self._taken, instead="{}_")
            self.known[name] = found
        return found

    def expression(self, path: str) -> str:
        """Of what stands between braces."""
        if path in self.known:
            self.used.add(self.known[path])
            return self.known[path]
        if call := _CALL.fullmatch(path):
            return self._called(call[1], [int(one) for one in call[2].split(",") if one.strip()])
        if environment := _ENVIRONMENT.fullmatch(path):
            return self._from_environment(environment[1])
        if path == "$uuid":
            self.needs_uuid = True
            return "visitor"
        first = re.split(r"[.\[]", path)[0]
        rest = path[len(first) :]
        steps = steps_of(rest)
        if first in self.known and steps is not None:
            self.used.add(self.known[first])
            return self.known[first] + "".join(f"[{step}]" for step in steps)
        constant = re.sub(r"\W+", "_", path).strip("_").upper() or "VALUE"
        self.draft.note(
            f"{{{{ {path} }}}} is set by nothing that was kept: set the environment variable {constant}"
        )
        return self._from_environment(constant)

    def value(self, written: Any, *, is_json: bool = False) -> object:
        """A value with its templates: as it is, or an expression; lists and objects part by part."""
        if isinstance(written, dict):
            return {
                name: self.value(one, is_json=is_json)
                for name, one in written.items()
                if not (is_json and isinstance(name, str) and "{{" in name)
            }
        if isinstance(written, list):
            return [self.value(one, is_json=is_json) for one in written]
        if isinstance(written, float) and written.is_integer():
            return int(written)
        if not isinstance(written, str):
            return written
        whole = _TEMPLATE.fullmatch(written)
        if whole:
            code = self.expression(whole[1])
            return Code(f"int({code})" if is_json and whole[1] in self._numbers else code)
        return self.text(written)

    def text(self, written: str) -> object:
        """A text, as an f-string where something in it varies."""
        pieces: list[tuple[str, str | None]] = []
        done = 0
        for match in _TEMPLATE.finditer(written):
            pieces.append((written[done : match.start()], self.expression(match[1])))
            done = match.end()
        if not pieces:
            return written
        pieces.append((written[done:], None))
        return formatted(pieces)

    def as_text(self, written: Any) -> object:
        """The same, where nothing but a text will do."""
        if isinstance(written, bool):
            return str(written).lower()
        if isinstance(written, float) and written.is_integer():
            return str(int(written))
        made = self.value(written) if isinstance(written, (str, dict, list)) else str(written)
        if not isinstance(made, Code) or not _TEMPLATE.fullmatch(str(written)):
            return made if isinstance(made, (str, Code)) else str(made)
        is_text = isinstance(self.draft.constants.get(made.text), str)
        return made if is_text or made.text.startswith(('"', "'")) else Code(f"str({made.text})")

    def condition(self, written: str) -> str | None:
        """What `ifTrue` says, or None where it means something else here."""
        try:
            compile_expression(written)
        except ValueError:
            return None
        tokens: list[str] = []
        at = 0
        while written[at:].strip():
            match = _CONDITION.match(written, at)
            if match is None:
                return None
            tokens.append(match[1])
            at = match.end()
        comparisons = 0
        found = []
        for index, word in enumerate(tokens):
            if word in ("and", "or"):
                comparisons = 0
            elif word in ("==", "!=", "<", "<=", ">", ">="):
                comparisons += 1
            elif word == "in" or (word == "not" and tokens[index + 1 : index + 2] != ["("]):
                return None  # these mean something else, or bind otherwise
            elif word[0].isalpha() and word != "not" and (word not in self.known or word in self._numbers):
                return None
            if comparisons > 1:
                return None
            found.append(self.known.get(word, word))
            self.used.add(found[-1])
        return re.sub(r"\( | \)", lambda match: match[0].strip(), " ".join(found))

    def _called(self, name: str, given: list[int]) -> str:
        if name == "$randomNumber":
            low, high = (0, given[0]) if len(given) == 1 else (given or (0, 1))[:2]
            return f"user.rng.randint({min(low, high)}, {max(low, high)})"
        if name == "$randomString":
            self.draft.modules.add("string")
            self.draft.constants["LETTERS_AND_DIGITS"] = Code("string.ascii_letters + string.digits")
            return f'"".join(user.rng.choices(LETTERS_AND_DIGITS, k={given[0] if given else 10}))'
        constant = name.strip("$").upper()
        self.draft.note(f"{name}(): made-up values are left out: set the environment variable {constant}")
        return self._from_environment(constant)

    def _from_environment(self, constant: str) -> str:
        name = (
            constant if constant.isidentifier() and not keyword.iskeyword(constant) else f"VALUE_{constant}"
        )
        if name not in self.draft.constants:
            self.draft.modules.add("os")
            self.draft.constants[name] = Code(f'os.environ.get("{constant}", "")')
        return name
