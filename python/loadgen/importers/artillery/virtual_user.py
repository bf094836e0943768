"""A virtual user as Artillery means it: one arrival, its variables, and the user that acts for it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from loadgen.errors import IterationFailed

if TYPE_CHECKING:
    from asyncio import Lock

    from loadgen.importers.artillery.javascript.processor import Mirror
    from loadgen.user import User


class Undefined:
    """What JavaScript has where there is nothing; `null` is None. There is one, and it is false."""

    _only: ClassVar[Any] = None

    def __new__(cls) -> Self:
        if cls._only is None:
            cls._only = super().__new__(cls)
        only: Self = cls._only
        return only

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()
# A rate is counted under its name with this before it, and divided by the time when it is shown.
RATES: Final = "rates."


class VuFailed(IterationFailed):
    """What ends one virtual user. It is counted as `errors.<code>`, and fails an iteration, never a run."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, kind="script_error")
        self.message = message
        self.code = code or message


class VirtualUser:
    """What goes through a flow. `state` is for engines: a socket, say; `lock` guards its one connection."""

    __slots__ = ("_uid", "lock", "mirror", "scenario", "state", "user", "vars")

    def __init__(self, user: User, variables: dict[str, Any], scenario: str) -> None:
        self.user = user
        self.vars = variables
        self.scenario = scenario
        self.state: dict[str, Any] | None = None
        self.lock: Lock | None = None
        self.mirror: Mirror | None = None  # what JavaScript knows of it
        self._uid: str | None = None

    @property
    def uid(self) -> str:
        """What `$uuid` says: made when it is first asked for, because most flows never do."""
        if self._uid is None:
            digits = f"{self.rng.getrandbits(128):032x}"
            variant = "89ab"[int(digits[16], 16) & 3]
            self._uid = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        return self._uid

    @property
    def rng(self) -> Random:
        """Random numbers that come again with the seed."""
        return self.user.rng

    def emit(self, kind: str, name: str, value: float = 1) -> None:
        """What `ee.emit` means: `counter`, `histogram` or `summary`, `rate`, `error` by its code."""
        if kind == "counter":
            self.user.counter(name, value)
        elif kind in ("histogram", "summary"):
            self.user.trend(name, value)
        elif kind == "rate":
            self.user.counter(f"{RATES}{name}", 1)
        elif kind == "error":
            self.user.counter(f"errors.{name}", 1)
        else:
            raise ValueError(f"{kind} is not known: there are counter, histogram, summary, rate and error")
