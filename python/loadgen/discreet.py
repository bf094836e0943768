"""Structs that hold secrets and do not show them, neither to `repr` nor to rich."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import NODEFAULT, Struct

# Names, of headers and of what `--set` gives, whose values open doors: workers need them; the run folder, the
# reports and what is shown must not have them.
SECRET = re.compile(
    r"auth|cookie|token|secret|session|passw|credential|api[-_]?key|(?:\b|_)key$", re.IGNORECASE
)
REDACTED = "(redacted)"
# A parameter of a query or a form, a text in a JSON object: what is before the value, and the name in it.
_PARAMETER = re.compile(r'((?:^|[?&])([\w.%\[\]-]{1,64})=)[^&#\s"]+')
_MEMBER = re.compile(r'("([^"\\]{1,64})"\s{0,8}:\s{0,8})"(?:[^"\\]|\\.)*"')
# Of our own structs.
_SECRET_FIELDS = frozenset({"auth", "password", "secret", "token", "userinfo"})
_URL_FIELDS = frozenset({"base_url", "proxy", "url"})
_PAIR_FIELDS = frozenset({"arguments", "headers"})
_NESTED_FIELDS = frozenset({"import_options"})


class Discreet(Struct, frozen=True):
    """A struct that is shown without its secrets, and without what is as usual."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        names, defaults = self.__struct_fields__, self.__struct_defaults__
        usual = dict(zip(reversed(names), reversed(defaults), strict=False))
        values = ((name, getattr(self, name)) for name in names)
        return [
            (name, _shown(name, value))
            for name, value in values
            if not _is(usual.get(name, NODEFAULT), value)
        ]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


def without_secrets(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers, or other names and values."""
    return [(name, REDACTED if SECRET.search(name) else value) for name, value in pairs]


def without_secrets_within(value: Any, name: str = "") -> Any:
    """Lists and mappings, however deep: what stands there under a name that tells of a secret is left out."""
    if isinstance(value, Mapping):
        return {key: without_secrets_within(one, str(key)) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets_within(one, name) for one in value]
    if value is None or not SECRET.search(name):
        return without_secrets_in(value) if isinstance(value, str) else value
    return REDACTED


def without_secrets_in(text: str) -> str:
    """A URL, a form or JSON; anything else stays as it is."""

    def parameter(found: re.Match[str]) -> str:
        return found[1] + REDACTED if SECRET.search(found[2]) else found[0]

    def member(found: re.Match[str]) -> str:
        return f'{found[1]}"{REDACTED}"' if SECRET.search(found[2]) else found[0]

    return _MEMBER.sub(member, _PARAMETER.sub(parameter, text))


def without_userinfo(url: str) -> str:
    """A URL, with a scheme or without, as it may reach a screen."""
    return re.sub(r"^([^/?#]*//)?[^/?#]*@", r"\1", url)


def _is(default: Any, value: object) -> bool:
    """Whether a value is the default; one that can be changed is made anew for each struct."""
    return bool((default.factory() if hasattr(default, "factory") else default) == value)


def _shown(name: str, value: Any) -> Any:
    if name in _SECRET_FIELDS and value is not None and not isinstance(value, Discreet):
        return REDACTED
    if name in _URL_FIELDS and isinstance(value, str):
        return without_userinfo(value)
    if name in _PAIR_FIELDS:
        return without_secrets(list(value.items()) if isinstance(value, Mapping) else value)
    if name in _NESTED_FIELDS:
        return without_secrets_within(value)
    return value
