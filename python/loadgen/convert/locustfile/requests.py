"""A request of a Locust user in loadgen's words: what its arguments are called, and which it has not."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from loadgen.convert.locustfile.classes import name_of
from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.scope import VERBS, Piece, Script

# By place, after the URL.
_GIVEN = {
    "post": ("data", "json"),
    "put": ("data",),
    "patch": ("data",),
    "request": ("name", "catch_response"),
}
_LEFT = {
    "context": "context= goes to listeners",
    "hooks": "hooks= has no place here",
    "proxies": "proxies= was left out: Plan(proxy=…) or --proxy says it for all requests",
    "cert": "cert= was left out: Plan(cert=…) or --cert says it for all requests",
}


@dataclass
class Asked:
    """What stands between the parentheses."""

    method: str
    parts: list[str]
    changed: bool


def request_parts(script: Script, piece: Piece, call: ast.Call, text: Text, name: str | None) -> Asked:
    """Of a call whose arguments were rewritten already. `name` is what rename_request says."""
    assert isinstance(call.func, ast.Attribute)
    method, given = call.func.attr, list(call.args)
    is_rest = method in ("rest", "rest_")
    changed, parts = False, []
    if is_rest:
        method, changed = "request", True
    by_place = _GIVEN.get(method, ())
    if method == "request":
        first = given[0] if given else None
        verb = (
            first.value.lower() if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        )
        if verb == "":
            script.note(f"line {call.lineno}: a request without a method: GET was taken")
            verb, changed = "get", True
        if verb in VERBS and (is_rest or changed):
            method, given = verb, given[1:]
            parts, given = [text.now(one) for one in given[:1]], given[1:]
        else:
            parts, given = [text.now(one) for one in given[:2]], given[2:]
    else:
        parts, given = [text.now(one) for one in given[:1]], given[1:]
    named: dict[str | None, ast.expr] = dict(zip(by_place, given, strict=False))
    changed = changed or bool(named)
    named |= {word.arg: word.value for word in call.keywords if word.arg is not None}
    options: dict[str, str] = {}
    for option, value in named.items():
        now = text.now(value)
        if option == "catch_response" or (option == "stream" and _is(value, False)):
            changed = True
        elif option == "verify":
            changed = True
            if _is(value, False):
                script.plan["insecure"] = "True"
            elif not _is(value, True):
                script.note(f"line {call.lineno}: verify= was left out: Plan(cacert=…) names what is trusted")
        elif option == "allow_redirects":
            changed = True
            if not _is(value, True):
                options["follow_redirects"] = now
        elif option == "data" and _is_content(value, piece.node, script):
            changed = True
            options["content"] = now
            if "headers" not in named and not script.session_headers and not script.headers:
                script.note("a body of text goes out as text/plain where no header says what it is")
        elif option == "data" and not _is_form(value, piece.node, script):
            options["data"] = now
            script.note(f"line {call.lineno}: data= is for forms here: text and bytes go into content=")
        elif option == "timeout" and isinstance(value, ast.Tuple) and value.elts:
            changed = True
            options["timeout"] = text.now(value.elts[-1])
        elif option == "stream":
            changed = True
            script.note(
                f"line {call.lineno}: stream= was left out: the answer is read whole; see user.stream"
            )
        elif option in _LEFT:
            changed = True
            script.note(_LEFT[option])
        elif option is not None:
            options[option] = now
    if name is not None and "name" not in options:
        options["name"], changed = name, True
    if is_rest:
        own = options.get("headers")
        said = '{"Content-Type": "application/json", "Accept": "application/json"}'
        if "json" in options:
            said = '{"Accept": "application/json"}'
        options["headers"] = said if own is None else f"{said} | {own}"
    if script.session_headers:
        every = f'{script.user}.data["headers"]'
        options["headers"] = f"{every} | {options['headers']}" if "headers" in options else every
        changed = True
    if script.session_auth and "auth" not in options:
        options["auth"], changed = f'{script.user}.data.get("auth")', True
    parts += [f"{option}={now}" for option, now in options.items()]
    parts += [f"**{text.now(word.value)}" for word in call.keywords if word.arg is None]
    if any(word.arg is None for word in call.keywords):
        script.note(f"line {call.lineno}: what ** brings is passed on as it is")
    if "name" not in options and isinstance(call.args[-1] if call.args else None, ast.JoinedStr):
        script.note("URLs made of values are labels of their own: name= or path={…} brings them together")
    return Asked(method, parts, changed)


def _is(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_content(node: ast.expr, function: ast.AST, script: Script) -> bool:
    """Whether a body is text or bytes and no form."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (str, bytes))
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp):
        return _is_content(node.left, function, script) or _is_content(node.right, function, script)
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in script.encoders or name_of(node.func) in (
            *(
                "str",
                "bytes",
                "open",
                "encode",
                "format",
                "dumps",
                "read",
                "join",
                "replace",
                "tostring",
                "strip",
                "text",
            ),
        )
    if isinstance(node, (ast.Name, ast.Attribute)):
        values = _assigned(node, function, script)
        return bool(values) and all(
            value is not node and _is_content(value, function, script) for value in values[:1]
        )
    return False


def _is_form(node: ast.expr, function: ast.AST, script: Script) -> bool:
    """Whether a body is a mapping or a list of pairs."""
    if isinstance(node, ast.Call):
        return name_of(node.func) == "dict"
    if isinstance(node, ast.Name):
        values = _assigned(node, function, script)
        return bool(values) and all(
            value is not node and _is_form(value, function, script) for value in values[:1]
        )
    is_none = isinstance(node, ast.Constant) and node.value is None
    return is_none or isinstance(node, (ast.Dict, ast.List, ast.Tuple, ast.DictComp, ast.ListComp))


def _assigned(node: ast.expr, function: ast.AST, script: Script) -> list[ast.expr]:
    """What a name is given in its function, or in the module."""
    wanted = ast.unparse(node)
    return [
        one.value
        for one in [*ast.walk(function), *script.tree.body]
        if isinstance(one, ast.Assign) and any(ast.unparse(target) == wanted for target in one.targets)
    ]
