"""A response as hooks, captures and expectations see it: nothing of it is decoded before it is asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from loadgen.importers.artillery.virtual_user import UNDEFINED

if TYPE_CHECKING:
    from loadgen.user import Response

_JSON_TYPES = ("application/json", "application/problem+json", "application/ld+json")


class Answer:
    """One response. Names of headers are in small letters; of several of a name, the values are joined."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.status: int = response.status

    @cached_property
    def headers(self) -> dict[str, str]:
        """By name in small letters. Of Set-Cookie, JavaScript has a list: see `set_cookies`."""
        found: dict[str, str] = {}
        for written, value in self.response.headers.pairs():
            name = written.lower()
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    @cached_property
    def set_cookies(self) -> list[str]:
        """The lines of Set-Cookie."""
        return [value for name, value in self.response.headers.pairs() if name.lower() == "set-cookie"]

    @cached_property
    def body(self) -> str:
        """As text, whatever it is."""
        return self.response.text

    @cached_property
    def json(self) -> Any:
        """The body read as JSON; `UNDEFINED` where it is none."""
        try:
            return msgspec.json.decode(self.response.content)
        except ValueError:
            return UNDEFINED

    @property
    def says_json(self) -> bool:
        """Whether its type says that the body is JSON."""
        kind = self.response.headers.get("content-type", "")
        return any(one in kind for one in _JSON_TYPES)

    @property
    def first_byte_ms(self) -> float:
        """What Artillery calls the response time."""
        return self.response.timings["first_byte"] * 1e3

    @property
    def total_ms(self) -> float:
        """To the last byte."""
        return self.response.elapsed * 1e3
