"""Failed requests of a worker, by name and error: for the table of failures. It counts nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

# Longest text of an error that is told, and kinds that are told apart.
TEXT = 500
KINDS = 1000
# Of an object, which would make a kind of its own of each.
_ADDRESS = re.compile(r"object at 0x[0-9a-fA-F]+")
REST = "further errors, of more kinds than are listed"


class Failures:
    """Told once a second, each kind with how often it was seen since, first and last."""

    def __init__(self) -> None:
        self.totals: dict[tuple[str, str, str], int] = {}
        self._seen: dict[tuple[str, str, str], list[float]] = {}

    def add(self, method: str, name: str, error: BaseException | str) -> None:
        """One more."""
        key = (method, name, describe(error))
        if key not in self.totals and len(self.totals) >= KINDS:
            key = ("", "", REST)
        self.totals[key] = self.totals.get(key, 0) + 1
        now = time.time()
        seen = self._seen.setdefault(key, [0, now, now])
        seen[0] += 1
        seen[2] = now

    def take(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What has come since the last call."""
        seen, self._seen = self._seen, {}
        for (method, name, error), (count, first, last) in seen.items():
            found = {"method": method, "name": name, "error": error}
            yield "failure", {**found, "count": int(count), "first": first, "last": last}


def describe(error: BaseException | str) -> str:
    """As Locust's tables have it."""
    text = error if isinstance(error, str) else repr(error)
    return " ".join(_ADDRESS.sub("object at 0x....", text).split())[:TEXT]


# Those of this worker.
FAILURES = Failures()
