"""What opens doors and must not stand in a script: how it is known, and what stands in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from loadgen.convert.draft import Draft
from loadgen.convert.source import Code, Invoke
from loadgen.discreet import SECRET

# In bodies and queries these are about something else, though they have such a word in them.
_HARMLESS = re.compile(r"author(?!i[sz])|^key$|^.*_type$|session_?name", re.IGNORECASE)
_TOLD_IN_TEXT = re.compile(r"passw|secret|token|api[-_]?key", re.IGNORECASE)


def is_secret(name: str, value: object) -> bool:
    """Whether a value must not be copied: a text that is written out, under such a name."""
    is_told = SECRET.search(_HARMLESS.sub("", name)) is not None
    return is_told and isinstance(value, str) and bool(value) and "{{" not in value


def without_secrets(draft: Draft, value: object, name: str = "") -> object:
    """Mappings, lists and pairs, however deep, with what the environment has in place of secrets."""
    if isinstance(value, Mapping):
        return {key: without_secrets(draft, one, str(key)) for key, one in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return (value[0], without_secrets(draft, value[1], value[0]))
    if isinstance(value, list):
        return [without_secrets(draft, one, name) for one in value]
    return draft.secret(name, value) if is_secret(name, value) else value


def stand_in(draft: Draft, name: str, value: str | None) -> Code:
    """What the script has in place of a secret: one that is a variable in its file has that one's name."""
    variable = re.fullmatch(r"\{\{\s*(\w+)\s*\}\}", value or "")
    return draft.secret(variable[1]) if variable else draft.secret(name, value)


def header(draft: Draft, name: str, value: str) -> object:
    """The value of a header, or what stands for it."""
    return stand_in(draft, name, value) if SECRET.search(name) else value


def bearer(draft: Draft, token: str | None = None) -> Code:
    """`auth=` of a request that shows a token."""
    draft.names.add("Bearer")
    return Code(f"Bearer({stand_in(draft, 'token', token).text})")


def digest(draft: Draft, user: object, password: str | None = None) -> object:
    """`auth=` of a request that answers a challenge."""
    draft.names.add("DigestAuth")
    return Invoke("DigestAuth", (user, stand_in(draft, "password", password)))


def basic(draft: Draft, user: object, password: str | None = None) -> object:
    """`auth=` of a request with a name and a password."""
    return (user, stand_in(draft, "password", password) if password != "" else "")


def without_userinfo(draft: Draft, url: str) -> tuple[str, object]:
    """A URL, and the `auth=` that it had in it."""
    parts = urlsplit(url)
    userinfo, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    bare = urlunsplit(parts._replace(netloc=place))
    return bare, basic(draft, unquote(user), unquote(password))


def warn_of_text(draft: Draft, text: str, place: str) -> None:
    """What is no JSON and no form stands as it was: a person must look."""
    if _TOLD_IN_TEXT.search(text):
        draft.note(f"the body of {place} was copied as it is, and may tell a secret")
