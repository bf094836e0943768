"""Templates: `{{ name }}` and `{{ $function(1, 2) }}` in texts, lists and objects, compiled once.

A text that is nothing but one variable keeps the kind of its value; a function's value is always text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.values import follow, get_path, parse_path, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler, Function, Render

_CALL = re.compile(r"{{\s*(\$[A-Za-z0-9_]+)\s*\(\s*([A-Za-z0-9_,\s]*?)\s*\)\s*}}")
_VARIABLE = re.compile(r"{{{?([\s$\w.\[\]'\"-]+)}}}?", re.ASCII)
_BRACES = str.maketrans("", "", "{}")
# Values may bring templates of their own; one that brings itself would never end.
_MOST_ROUNDS = 20


def compile_template(value: Any, compiler: Compiler) -> Render | Any:
    """What a value becomes for one virtual user, as a function; or itself, where it never varies."""
    if isinstance(value, str):
        return _compile_text(value, compiler) if "{{" in value else value
    if isinstance(value, Mapping):
        return _compile_object(value, compiler)
    if isinstance(value, list):
        parts = [compile_template(one, compiler) for one in value]
        if not any(callable(part) for part in parts):
            return value
        return lambda vu: [part(vu) if callable(part) else part for part in parts]
    return value


def _compile_object(value: Mapping[str, Any], compiler: Compiler) -> Render | Any:
    parts = [
        (compile_template(name, compiler), compile_template(one, compiler)) for name, one in value.items()
    ]
    if not any(callable(part) for pair in parts for part in pair):
        return value
    if not any(callable(name) for name, _ in parts):
        names = list(value)
        fixed = {name: part for name, (_, part) in zip(names, parts, strict=True) if not callable(part)}
        made = [(name, part) for name, (_, part) in zip(names, parts, strict=True) if callable(part)]

        def render(vu: VirtualUser) -> dict[str, Any]:
            found = dict.fromkeys(names)
            found.update(fixed)
            for name, part in made:
                found[name] = part(vu)
            return found

        return render
    return lambda vu: {
        text_of(name(vu)) if callable(name) else name: part(vu) if callable(part) else part
        for name, part in parts
    }


def _compile_text(text: str, compiler: Compiler) -> Render | str:
    pieces = _pieces(text, compiler)
    if isinstance(pieces, str):
        return pieces
    only = _VARIABLE.fullmatch(text)
    if only is not None and len(_VARIABLE.findall(text)) == 1:
        return _variable(only[0].translate(_BRACES).strip())
    if any(piece is UNDEFINED for piece in pieces):
        return lambda _vu: UNDEFINED

    functions = compiler.functions

    def render(vu: VirtualUser) -> str:
        found = "".join([piece if isinstance(piece, str) else text_of(piece(vu)) for piece in pieces])
        return _again(found, vu, functions) if "{{" in found else found

    return render


def _pieces(text: str, compiler: Compiler) -> str | list[Any]:
    """Texts, and what makes them; `UNDEFINED` where a function is none, which takes the rest with it."""
    pieces: list[Any] = []
    done = 0
    for match in re.finditer(f"{_CALL.pattern}|{_VARIABLE.pattern}", text, re.ASCII):
        if match.start() > done:
            pieces.append(text[done : match.start()])
        done = match.end()
        if match[1] is None:
            pieces.append(_variable(match[0].translate(_BRACES).strip()))
            continue
        function = compiler.functions.get(match[1])
        if function is None:
            compiler.note(f"{match[0]}: there is no function {match[1]}, so what has it in it is undefined")
            return [UNDEFINED]
        pieces.append(_call(function, _arguments(match[2])))
    if not pieces:
        return text
    if done < len(text):
        pieces.append(text[done:])
    return pieces


def _variable(path: str) -> Render:
    """The value of a variable. `$uuid` is made when somebody asks."""
    if path == "$uuid":
        return lambda vu: vu.vars[path] if path in vu.vars else vu.uid  # noqa: SIM401 - it is made when asked
    names = parse_path(path)
    if len(names) == 1 and names[0] == path:
        return lambda vu: vu.vars.get(path, UNDEFINED)

    def render(vu: VirtualUser) -> Any:
        return vu.vars[path] if path in vu.vars else follow(vu.vars, names)

    return render


def _call(function: Function, arguments: tuple[Any, ...]) -> Callable[[VirtualUser], Any]:
    return lambda vu: function(vu, *arguments)


def _arguments(text: str) -> tuple[Any, ...]:
    """Whole numbers, true and false; of a bare word JavaScript's parser has no value."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    known = {"true": True, "false": False, "null": None}
    return tuple(int(word) if word.isdecimal() else known.get(word, UNDEFINED) for word in words)


def _again(text: str, vu: VirtualUser, functions: Mapping[str, Function]) -> str:
    """What values have brought with them is rendered too."""
    for _ in range(_MOST_ROUNDS):
        match = _CALL.search(text)
        if match is not None:
            function = functions.get(match[1])
            made = "undefined" if function is None else text_of(function(vu, *_arguments(match[2])))
        else:
            match = _VARIABLE.search(text)
            if match is None:
                break
            made = text_of(_looked_up(match[0].translate(_BRACES).strip(), vu))
        text = text[: match.start()] + made + text[match.end() :]
    return text


def _looked_up(path: str, vu: VirtualUser) -> Any:
    if path == "$uuid" and path not in vu.vars:
        return vu.uid
    return get_path(vu.vars, path)


def render_with(value: Any, variables: Mapping[str, Any], functions: Mapping[str, Function]) -> Any:
    """Renders outside of a run, as `config` is: with these variables, before there is any virtual user."""
    from loadgen.importers.artillery.functions import Nobody

    nobody: Any = Nobody(dict(variables))
    return _render_deep(value, nobody, functions)


def _render_deep(value: Any, nobody: VirtualUser, functions: Mapping[str, Function]) -> Any:
    if isinstance(value, str):
        if "{{" not in value:
            return value
        only = _VARIABLE.fullmatch(value)
        if only is not None and len(_VARIABLE.findall(value)) == 1:
            return _looked_up(only[0].translate(_BRACES).strip(), nobody)
        return _again(value, nobody, functions)
    if isinstance(value, Mapping):
        return {
            text_of(_render_deep(name, nobody, functions)): _render_deep(one, nobody, functions)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_render_deep(one, nobody, functions) for one in value]
    return value


def render_for(value: Any, vu: VirtualUser, functions: Mapping[str, Function]) -> Any:
    """Renders what is known only when it is needed, as what a hook has put into a request."""
    return _render_deep(value, vu, functions)
