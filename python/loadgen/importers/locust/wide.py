"""What files ask of single requests and loadgen decides for the whole run: found in source and classes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_VERBS = frozenset({"get", "options", "head", "post", "put", "patch", "delete", "request", "rest", "rest_"})
_NOTES = {
    "digest": "HTTPDigestAuth is not there for Locust files, and raises when it is used",
    "stream": "stream=True: such a request takes until its body was read or let go, not until its head came",
}
# What is said where a value is made while the file runs, or is another one elsewhere in it.
_REMEDIES = {
    "verify": "--cacert FILE or --insecure",
    "cert": "--cert FILE and --key FILE",
    "proxies": "--proxy URL",
}
_UNHEARD = {
    "max_retries": "what fails is not tried again",
    "ssl_context_factory": "--cacert, --cert and --insecure say it for the whole run",
    "connection_timeout": "network_timeout is for all of a request",
}


class Wide(NamedTuple):
    """What holds for the whole run."""

    fields: Mapping[str, Any]  # of the plan
    notes: tuple[str, ...]


class _Unknown:
    """A value that is made while the file runs."""


def find_wide(paths: Iterable[Path], classes: Sequence[Any]) -> Wide:
    """Of these files, and of the user classes that they define."""
    said = [one for path in paths for one in _settings(path)]
    fields: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in [*said, *_of_classes(classes)]:
        if name in _NOTES:
            notes.append(_NOTES[name])
            continue
        found = _fields_of(name, value)
        if found is None or any(fields.get(field, one) != one for field, one in found.items()):
            notes.append(f"{name}= is not heard everywhere: {_REMEDIES[name]} is for the whole run")
            continue
        fields |= found
        if found:
            notes.append(f"{name}={value!r} holds for the whole run")
    careless = [one for one in classes if getattr(one, "insecure", False)]
    if careless:
        fields["insecure"] = True
        if len(careless) < len(classes):
            notes.append(f"{careless[0].__name__} checks no certificate, so none is checked in the whole run")
    return Wide(fields, tuple(dict.fromkeys([*notes, *_unheard(classes)])))


def _fields_of(name: str, value: Any) -> dict[str, Any] | None:
    """Of the plan; None where it cannot be said for the whole run."""
    if value is None or value is True:
        return {}
    if name == "verify" and value is False:
        return {"insecure": True}
    if name == "verify" and isinstance(value, str):
        return {"cacert": value}
    if name == "cert" and isinstance(value, str):
        return {"cert": value}
    if name == "cert" and isinstance(value, tuple):
        return dict(zip(("cert", "key"), value, strict=False))
    if name == "proxies" and isinstance(value, dict):
        place, *others = {place for place in value.values() if place} or {None}
        return None if others else {"proxy": place} if place else {}
    return None


def _of_classes(classes: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for one in classes:
        host, port = getattr(one, "proxy_host", None), getattr(one, "proxy_port", None)
        if host:
            yield "proxies", {"http": f"http://{host}:{port or 80}"}


def _unheard(classes: Sequence[Any]) -> Iterator[str]:
    """Settings of a FastHttpUser that change nothing."""
    from loadgen.importers.locust.users import (
        FastHttpUser,
    )  # when they are looked at: it knows more of the rest

    for one in classes:
        if issubclass(one, FastHttpUser):
            for name, why in _UNHEARD.items():
                if getattr(one, name) != getattr(FastHttpUser, name):
                    yield f"{one.__name__}.{name} is not heard: {why}"


def _settings(path: Path) -> Iterator[tuple[str, Any]]:
    """Names, with what they are given."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Assign):
            names = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
            yield from ((name, _value(node.value)) for name in names if name in _REMEDIES)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name == "HTTPDigestAuth":
                yield "digest", True


def _of_call(call: ast.Call) -> Iterator[tuple[str, Any]]:
    is_request = isinstance(call.func, ast.Attribute) and call.func.attr in _VERBS
    for word in call.keywords:
        if is_request and word.arg == "stream" and _value(word.value) not in (False, None):
            yield "stream", True
        if word.arg in _REMEDIES:
            value = _value(word.value)
            # A function of the file's own may hand it on; others have a `cert` that is something else.
            if is_request or (word.arg == "verify" and value is False):
                yield word.arg, value


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _Unknown
