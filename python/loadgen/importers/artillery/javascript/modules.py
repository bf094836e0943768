"""Import and export as plain JavaScript: the engine has no loader of its own. Lines stay where they were.

    import a, { b as c } from './x.mjs'    const { default: a, b: c } = $links.bring('./x.mjs')
    export const d = 1                     const d = 1, and a getter of d on the exports
    import('./x.mjs'), import.meta         $links.dynamic('./x.mjs'), $links.meta

Imports are hoisted, and getters are there before anything runs, as modules have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<word>[\w$]+)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_REGEX = re.compile(r"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
# After these a slash begins a regular expression, and does not divide.
_BEFORE_REGEX = frozenset("(,=:[!&|?{};+-*%~^<>") | {
    *(
        "return",
        "typeof",
        "case",
        "in",
        "of",
        "delete",
        "void",
        "throw",
        "new",
        "else",
        "do",
        "await",
        "yield",
    )
}
_SOURCE = r"""(?P<source>"[^"\n]*"|'[^'\n]*')(?:\s*(?:with|assert)\s*\{[^}]*\})?\s*;?"""
_IMPORT = re.compile(rf"import\b\s*(?:(?P<clause>[\w$\s,{{}}*]+?)\s*from\s*)?{_SOURCE}")
_FROM = re.compile(rf"export\b\s*(?P<clause>\*(?:\s*as\s+[\w$]+)?|\{{[^}}]*\}})\s*from\s*{_SOURCE}")
_LIST = re.compile(r"export\b\s*\{(?P<names>[^}]*)\}\s*;?")
_DEFAULT = re.compile(
    r"export\s+default\b\s*(?P<named>(?:(?:async\s+)?function\b\s*\*?|class\b)\s*(?P<name>(?!extends\b)[\w$]+))?"
)
_DECLARED = re.compile(
    r"export\s+(?P<rest>(?:(?:async\s+)?function\b\s*\*?\s*|class\s+)(?P<name>[\w$]+)|(?P<kind>const|let|var)\b)"
)
_STATEMENT = re.compile(r"^\s*(?:import\b\s*[\w${*\"']|export\b\s*[\w${*])", re.MULTILINE)


def is_module(path: str, source: str) -> bool:
    """Whether a file is one of imports and exports: by its name, or by what stands in it."""
    if path.endswith(".mjs"):
        return True
    return not path.endswith(".cjs") and next(_statements(source), None) is not None


def plain(source: str) -> str:
    """A module as the body of an async function of `exports` and `$links`."""
    module = _Module()
    written: list[str] = []
    at = 0
    for start, end, text in module.rewritten(source):
        written += [source[at:start], text, "\n" * source.count("\n", start, end)]
        at = end
    written.append(source[at:])
    getters = ", ".join(f"{name}: () => {value}" for name, value in module.getters.items())
    head = f'"use strict"; $links.give(exports, {{ {getters} }}); {" ".join(module.imports)} '
    return head + "".join(written)


def with_dynamic_imports(source: str) -> str:
    """A file of Node's older kind, which may say `import('./x.mjs')` all the same."""
    if "import" not in source:
        return source
    written: list[str] = []
    at = 0
    for start, end, text in _dynamic(source):
        written += [source[at:start], text]
        at = end
    return "".join([*written, source[at:]])


@dataclass
class _Module:
    imports: list[str] = field(default_factory=list)
    getters: dict[str, str] = field(default_factory=dict)

    def rewritten(self, source: str) -> Iterator[tuple[int, int, str]]:
        """Stretches of the source, and what stands in their place."""
        places = sorted(
            [
                *((start, True) for start in _statements(source)),
                *((start, False) for start, _, _ in _dynamic(source)),
            ]
        )
        dynamic = {start: (end, text) for start, end, text in _dynamic(source)}
        for start, is_statement in places:
            if is_statement:
                found = self._statement(source, start)
                if found is not None:
                    yield start, *found
            else:
                yield start, *dynamic[start]

    def _statement(self, source: str, start: int) -> tuple[int, str] | None:
        if found := _IMPORT.match(source, start):
            self._import(found["clause"], found["source"])
            return found.end(), ""
        if found := _FROM.match(source, start):
            self._pass_on(found["clause"], found["source"])
            return found.end(), ""
        if found := _LIST.match(source, start):
            for name, other in _pairs(found["names"]):
                self.getters[other] = name
            return found.end(), ""
        if found := _DEFAULT.match(source, start):
            if found["named"]:
                self.getters["default"] = found["name"]
                return found.end(), found["named"]
            self.getters["default"] = "$default"
            return found.end(), "const $default = "
        if found := _DECLARED.match(source, start):
            names = [found["name"]] if found["name"] else _declared(source, found.end())
            self.getters |= {name: name for name in names}
            return found.end(), found["rest"]
        return None

    def _import(self, clause: str | None, source: str) -> None:
        brought = f"$links.bring({source})"
        if clause is None:
            self.imports.append(f"{brought};")
            return
        clause = clause.strip()
        names = []
        if everything := re.search(r"\*\s*as\s+([\w$]+)", clause):
            self.imports.append(f"const {everything[1]} = {brought};")
            clause = clause[: everything.start()]
        if listed := re.search(r"\{([^}]*)\}", clause):
            names += [name if name == other else f"{name}: {other}" for name, other in _pairs(listed[1])]
            clause = clause[: listed.start()]
        if default := clause.strip(" ,\n\t\r"):
            names.append(f"default: {default}")
        if names:
            self.imports.append(f"const {{ {', '.join(names)} }} = {brought};")

    def _pass_on(self, clause: str, source: str) -> None:
        place = f"$from{len(self.imports)}"
        self.imports.append(f"const {place} = $links.bring({source});")
        if clause == "*":
            self.imports.append(f"$links.giveAll(exports, {place});")
        elif clause.startswith("*"):
            self.getters[clause.rsplit(maxsplit=1)[-1]] = place
        else:
            for name, other in _pairs(clause.strip("{}")):
                self.getters[other] = f"{place}.{name}"


def _pairs(names: str) -> Iterator[tuple[str, str]]:
    for one in re.sub(r"//[^\n]*|/\*.*?\*/", "", names, flags=re.DOTALL).split(","):
        words = one.split()
        if words:
            yield words[0], words[-1]


def _declared(source: str, start: int) -> list[str]:
    """The names after const, let or var, those within patterns too."""
    names: list[str] = []
    depth = 0
    expects = True
    for kind, at, text in _tokens(source, start):
        if kind == "space":
            if "\n" in text and depth == 0 and not expects and _ends_here(source, at + len(text)):
                break
            continue
        if expects and depth == 0 and text in "{[":
            end = _closing(source, at)
            pattern = re.sub(r"=[^,}\]]*", "", source[at:end])
            names += re.findall(r"([\w$]+)\s*(?=[,}\]])", pattern)
            expects, depth = False, depth + 1
            continue
        if expects and depth == 0 and kind == "word":
            names.append(text)
            expects = False
        if text in "([{" and kind == "mark":
            depth += 1
        elif text in ")]}" and kind == "mark":
            depth -= 1
            if depth < 0:
                break
        elif depth == 0 and text == ",":
            expects = True
        elif depth == 0 and text == ";":
            break
    return names


def _ends_here(source: str, at: int) -> bool:
    """Whether what follows begins a statement of its own, where a semicolon was left out."""
    return bool(
        re.match(r"(?:import|export|const|let|var|function|async|class|if|for|while|return)\b|$", source[at:])
    )


def _closing(source: str, start: int) -> int:
    depth = 0
    for kind, at, text in _tokens(source, start):
        if kind == "mark":
            depth += (text in "([{") - (text in ")]}")
            if depth == 0:
                return at + 1
    return len(source)


def _statements(source: str) -> Iterator[int]:
    """Where import and export stand as statements: outside of all brackets."""
    if not _STATEMENT.search(source):
        return
    depth = 0
    before = ";"
    for kind, at, text in _tokens(source, 0):
        if kind == "space":
            continue
        if kind == "mark":
            depth += (text in "([{") - (text in ")]}")
        elif kind == "word" and depth == 0 and text in ("import", "export") and before != ".":
            following = source[at + 6 : at + 60].lstrip()[:1]
            if following not in ("(", ".", ":", "=", ""):
                yield at
        before = text


def _dynamic(source: str) -> Iterator[tuple[int, int, str]]:
    before = ""
    for kind, at, text in _tokens(source, 0):
        if kind == "space":
            continue
        if kind == "word" and text == "import" and before != ".":
            if found := re.compile(r"import\s*\(").match(source, at):
                yield at, found.end(), "$links.dynamic("
            elif found := re.compile(r"import\s*\.\s*meta\b").match(source, at):
                yield at, found.end(), "$links.meta"
        before = text


def _tokens(source: str, start: int) -> Iterator[tuple[str, int, str]]:
    """(kind, place, text). What is within `${}` of a template is read like the rest."""
    at = start
    before = ""
    templates: list[int] = []  # for each template that is open around us, the brackets open within it
    while at < len(source):
        if source[at] == "`":
            at, opens = _template(source, at + 1)
            if opens:
                templates.append(0)
            before = "(" if opens else "`"
            continue
        if templates and source[at] == "}" and templates[-1] == 0:
            at, opens = _template(source, at + 1)
            if not opens:
                templates.pop()
            before = "(" if opens else "`"
            continue
        if (
            source[at] == "/"
            and (before in _BEFORE_REGEX or before == "")
            and (found := _REGEX.match(source, at))
        ):
            yield "text", at, found[0]
            at, before = found.end(), "/"
            continue
        found = _TOKEN.match(source, at)
        assert found is not None and found.lastgroup is not None
        if templates and found["mark"] in ("{", "}"):
            templates[-1] += 1 if found["mark"] == "{" else -1
        yield found.lastgroup, at, found[0]
        if found.lastgroup != "space":
            before = found[0]
        at = found.end()


def _template(source: str, at: int) -> tuple[int, bool]:
    """Past the next `${` or the end of a template; whether it was the former."""
    while at < len(source):
        if source[at] == "\\":
            at += 2
        elif source[at] == "`":
            return at + 1, False
        elif source.startswith("${", at):
            return at + 2, True
        else:
            at += 1
    return at, False
