"""Virtual users without an engine, and what compiles for them. No test lives here."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from loadgen.importers.artillery.flow import Compiler, Notes
from loadgen.importers.artillery.functions import FUNCTIONS
from loadgen.importers.artillery.virtual_user import VirtualUser

if TYPE_CHECKING:
    from loadgen.user import User


class Nobody:
    """Stands for a user: what it counts and checks is kept."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.counts: dict[str, float] = {}
        self.checks: list[tuple[str, bool]] = []

    def counter(self, name: str, amount: float = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def expect(self, ok: object, name: str) -> bool:
        self.checks.append((name, bool(ok)))
        return bool(ok)


def vu(variables: dict[str, Any] | None = None, seed: int = 1) -> VirtualUser:
    return VirtualUser(cast("User", Nobody(seed)), dict(variables or {}), "main")


def compiler(config: dict[str, Any] | None = None, path: Path = Path("/t/test.yml")) -> Compiler:
    return Compiler(path=path, config=config or {}, functions=dict(FUNCTIONS), processor=None, notes=Notes())


class Reply:
    """Stands for the engine's response."""

    def __init__(
        self, body: bytes = b"", *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        from loadgen.headers import Headers

        self.status = status
        self.content = body
        self.text = body.decode()
        self.headers = Headers(list((headers or {}).items()))
        self.url = "http://host/path"
        self.method = "GET"
        self.elapsed = 0.25
