"""What a file of requests comes to before it is written as a script. Every reader makes one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadgen.convert.source import Code, quoted


@dataclass
class Call:
    """One request, with what `user.request` takes. A pause is before it."""

    method: str
    url: str  # a path below the base, or a whole URL
    options: dict[str, object] = field(default_factory=dict)
    status: int | None = None  # what is expected
    pause_s: float = 0.0
    comment: str | None = None
    code: Code | None = None  # in place of the URL, where it is made
    is_used: bool = False  # what follows looks at the response


@dataclass
class Line:
    """A statement as it is: an expression, and what stands before it."""

    before: str
    node: object
    calls: list[Call] = field(default_factory=list)  # that are in it
    sets: str | None = None  # the variable, where it goes if nobody reads it


@dataclass
class Block:
    """Statements below a head, such as `for` or `if`."""

    head: str
    body: Sequence[Call | Line | Block]
    calls: list[Call] = field(default_factory=list)  # that are in its head


@dataclass
class Part:
    """One scenario, or what is done once before all."""

    name: str
    calls: Sequence[Call | Line | Block]
    about: str | None = None
    decorator: str = "@scenario"


@dataclass
class Draft:
    """A script that is not written yet."""

    about: str
    parts: list[Part]
    base_url: str | None = None
    arguments: dict[str, str] = field(default_factory=dict)  # for --set
    constants: dict[str, object] = field(default_factory=dict)  # of the module
    modules: set[str] = field(default_factory=set)  # that it imports
    names: set[str] = field(default_factory=set)  # of loadgen's, besides the usual ones
    plan: dict[str, object] = field(default_factory=dict)  # other fields of Plan
    notes: list[str] = field(default_factory=list)  # what could not be kept
    unsaid: set[str] = field(default_factory=set)  # headers that only a browser says
    script: str | None = None  # of a file that is rewritten as a whole
    said: str | None = None  # what that has
    _secrets: dict[tuple[str, object], Code] = field(default_factory=dict)

    def calls(self) -> list[Call]:
        """Of all scenarios."""
        return [call for part in self.parts for call in calls_in(part.calls)]

    def note(self, text: str) -> None:
        """Each once."""
        if text not in self.notes:
            self.notes.append(text)

    def constant(self, name: str, node: object) -> Code:
        """A constant of the module, by a name that is free: the same one for the same value."""
        free, number = constant_name(name), 2
        while self.constants.get(free, node) != node:
            free, number = f"{constant_name(name)}_{number}", number + 1
        self.constants[free] = node
        return Code(free)

    def secret(self, name: str, value: object = None) -> Code:
        """In place of a value that opens doors: the environment has it, and no file."""
        known = (constant_name(name), value)
        if value is None:  # one that is only asked for is the one that is there
            known = next((one for one in self._secrets if one[0] == known[0]), known)
        if known not in self._secrets:
            free, number = constant_name(name), 2
            while free in self.constants:
                free, number = f"{constant_name(name)}_{number}", number + 1
            self.modules.add("os")
            self.constants[free] = Code(f'os.environ.get("{free}", "")')
            self._secrets[known] = Code(free)
            why = "is not in the file" if value is None else "was not copied"
            self.note(f"the value of {name} {why}: set the environment variable {free}")
        return self._secrets[known]

    def file(self, path: str) -> Code:
        """A file's content, read when the script is loaded."""
        self.modules.add("pathlib")
        is_absolute = path.startswith("/") or path[1:2] == ":"
        seen = "" if is_absolute else ", seen from the script's own folder"
        self.note(f"the file {path} is expected there{seen}")
        place = "pathlib.Path(" if is_absolute else "(pathlib.Path(__file__).parent / "
        content = Code(f"{place}{quoted(path)}).read_bytes()")
        return self.constant(re.split(r"[/\\]", path)[-1] or "content", content)


def constant_name(text: str) -> str:
    """As constants are written: `x-api-key` is X_API_KEY."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    name = re.sub(r"\W+", "_", words, flags=re.ASCII).strip("_").upper()
    return name if name.isidentifier() else f"VALUE_{name}".rstrip("_")


def calls_in(statements: Sequence[Call | Line | Block]) -> list[Call]:
    """The requests among statements."""
    found: list[Call] = []
    for one in statements:
        if isinstance(one, Call):
            found.append(one)
        else:
            found += one.calls if isinstance(one, Line) else [*one.calls, *calls_in(one.body)]
    return found
