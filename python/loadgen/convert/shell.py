"""Command lines in words, as bash and cmd.exe split them, and as browsers write them. It runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from loadgen.errors import UsageError

_BASH = re.compile(
    r"""
    (?P<joined> \\\r?\n )
  | (?P<space> [ \t\r]+ )
  | (?P<comment> (?<![^\s;&|]) \# [^\n]* )
  | (?P<redirect> (?<![^\s;&|]) (?: \d* | & ) [<>]{1,2} [ \t]* (?: & \d | [^\s;&|]+ ) )
  | (?P<end> [\n;&|]+ )
  | (?P<ansi> \$' (?: [^'\\] | \\. )* ' )
  | (?P<single> '[^']*' )
  | (?P<double> " (?: [^"\\] | \\. )* " )
  | (?P<escaped> \\. )
  | (?P<bare> [^\s;&|'"\\$]+ | \$(?!') )
    """,
    re.VERBOSE | re.DOTALL,
)
# After its carets were taken away: what remains is split by the rules of C programs.
_CMD = re.compile(
    r"""
    (?P<space> [ \t]+ )
  | (?P<end> [\n&|]+ )
  | (?P<quoted> " (?: [^"\\] | \\. | "" )* " )
  | (?P<bare> [^\s&|"]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "E": "\x1b",
    "f": "\f",
    "v": "\v",
}
_VARIABLE = re.compile(r"(?<!\\)\$(?:\{(\w+)\}|([A-Za-z_]\w*))")
_LINE = "\0"  # a line's end inside a word, while cmd.exe's lines are taken apart


@dataclass
class Commands:
    """The commands of a text, each in its words, and the variables that only the shell knows."""

    words: list[list[str]] = field(default_factory=lambda: [[]])
    variables: dict[str, None] = field(default_factory=dict)


def split(text: str) -> Commands:
    """All commands, whoever wrote them."""
    text = text.replace("\r\n", "\n")
    is_cmd = re.search(r"\^[ \t]*$|\bcurl(\.exe)?\s+\^\"", text, re.MULTILINE) is not None
    found = Commands()
    pattern = _CMD if is_cmd else _BASH
    text = _without_carets(text) if is_cmd else text
    word: str | None = None
    at = 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            line = text.count("\n", 0, at) + 1
            raise UsageError(
                f"the command lines cannot be read: line {line} opens a quote that nothing closes"
            )
        at = match.end()
        kind = str(match.lastgroup)
        if kind == "joined":
            continue
        if kind in ("space", "end", "comment", "redirect"):
            if word is not None:
                found.words[-1].append(word.replace(_LINE, "\n"))
                word = None
            if kind == "end":
                found.words.append([])
            continue
        if kind in ("double", "bare") and not is_cmd:
            found.variables |= dict.fromkeys(
                one or other for one, other in _VARIABLE.findall(_whole(text, match))
            )
        word = (word or "") + _said(kind, match[0])
    if word is not None:
        found.words[-1].append(word.replace(_LINE, "\n"))
    return found


def _whole(text: str, match: re.Match[str]) -> str:
    """A `$` alone is followed by what it names."""
    if match[0] != "$":
        return match[0]
    named = re.compile(r"\$(?:\{\w+\}|\w*)").match(text, match.start())
    return named[0] if named else ""


def _said(kind: str, text: str) -> str:
    """What a part of a word means."""
    match kind:
        case "ansi":
            return _unescaped(text[2:-1])
        case "single":
            return text[1:-1]
        case "double":
            return re.sub(r'\\([$`"\\\n])', lambda found: found[1].strip("\n"), text[1:-1])
        case "quoted":
            return re.sub(r'\\(["\\])|""', lambda found: found[1] or '"', text[1:-1])
        case "escaped":
            return text[1:]
    return text


def _unescaped(text: str) -> str:
    """What bash reads in $'…'; its numbers are bytes."""

    def byte(found: re.Match[str]) -> str:
        said = found[1]
        if said[0] in "uU" and len(said) > 1:
            return chr(int(said[1:], 16)).encode("utf-8", "surrogatepass").decode("latin-1")
        if said[0] == "x" and len(said) > 1:
            return chr(int(said[1:], 16))
        return chr(int(said, 8) & 0xFF) if said[0].isdigit() else _ESCAPED.get(said, said)

    as_bytes = text.encode("utf-8", "surrogatepass").decode("latin-1")
    return _ESCAPE.sub(byte, as_bytes).encode("latin-1").decode("utf-8", "replace")


def _without_carets(text: str) -> str:
    """What cmd.exe hands on. A caret and two line ends are one; before one line end it joins lines."""

    def plain(found: re.Match[str]) -> str:
        said = found[0]
        if said.startswith('"'):
            return said
        if said == "^\n\n":
            return _LINE
        return " " if said[1] == "\n" else said[1]

    # In quotes that cmd.exe itself sees, a caret is one.
    return re.sub(r'\^\n\n|\^(?:.|\n)|"[^"\n]*"', plain, re.sub(r"\^[ \t]+\n", "^\n", text))
