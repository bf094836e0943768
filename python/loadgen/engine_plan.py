"""The plan as the engine, its workers and plan.json know it: nanoseconds, addresses, nothing left to decide.

These structs are the JSON document `loadgen/plan/1`, field for field; the engine refuses unknown ones.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from loadgen.units import counted, format_duration, format_rate

Pacing = Literal["eco", "hybrid", "spin"]
Reactor = Literal["auto", "epoll", "uring"]

# Headers whose values open doors: workers need them, the run folder and the reports must not have them.
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})
REDACTED = "(redacted)"


def _words(start: str, end: str, duration_ns: int) -> str:
    level = start if start == end else f"{start} to {end}"
    return f"{level} for {format_duration(duration_ns)}"


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """The one request of a blast."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes | None  # base64 in JSON


class OpenStage(Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of time in which the rate goes linearly from one value to another."""

    duration_ns: int
    from_rate: float
    to_rate: float

    def __str__(self) -> str:
        return _words(format_rate(self.from_rate), format_rate(self.to_rate), self.duration_ns)


class ClosedStage(Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of time in which the number of users goes linearly from one value to another."""

    duration_ns: int
    from_users: int
    to_users: int

    def __str__(self) -> str:
        return _words(counted(self.from_users, "user"), counted(self.to_users, "user"), self.duration_ns)


class OnOff(Struct, frozen=True, forbid_unknown_fields=True):
    """Bursts: arrivals for `on_ns`, none for `off_ns`, and again."""

    on_ns: int
    off_ns: int


class OpenLoad(Struct, frozen=True, forbid_unknown_fields=True, tag_field="model", tag="open"):
    """Arrivals at a rate, whatever the target does."""

    stages: list[OpenStage]
    arrivals: Literal["constant", "poisson"] | OnOff
    seed: int
    drop_after_ns: int | None

    def describe_arrivals(self) -> str:
        """In a word or two."""
        if isinstance(self.arrivals, OnOff):
            return f"on/off ({format_duration(self.arrivals.on_ns)}/{format_duration(self.arrivals.off_ns)})"
        return self.arrivals


class ClosedLoad(Struct, frozen=True, forbid_unknown_fields=True, tag_field="model", tag="closed"):
    """Users who start their next request when the last has ended."""

    stages: list[ClosedStage]

    @property
    def most_users(self) -> int:
        """At any time."""
        return max(max(stage.from_users, stage.to_users) for stage in self.stages)


class EnginePlan(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that a run needs."""

    schema: Literal["loadgen/plan/1"] = "loadgen/plan/1"
    name: str
    command: str
    request: Request
    label: str
    addresses: list[str]  # resolved before the run; empty until then
    load: OpenLoad | ClosedLoad
    connections: int  # the cap, over all workers
    workers: int
    pacing: Pacing
    timeout_ns: int
    drain_ns: int
    reactor: Reactor
    thresholds: list[str]
    # Where each value came from that is not a default, by the names of Plan: {"rate": "--tps", "timeout":
    # "LOADGEN_TIMEOUT", "preset": "--preset spike"}; "plan" is a script.
    origins: dict[str, str]

    def encode(self) -> bytes:
        """One line of JSON."""
        return msgspec.json.encode(self)

    @property
    def is_open(self) -> bool:
        """Whether arrivals come at a rate (or else from users)."""
        return isinstance(self.load, OpenLoad)

    @property
    def duration_ns(self) -> int:
        """From the start to the end of the last stage, when the gate shuts."""
        stages: Sequence[OpenStage | ClosedStage] = self.load.stages
        return sum(stage.duration_ns for stage in stages)

    def describe_load(self) -> str:
        """In words: `5,000/s for 10s`, `up to 300 users for 5m`."""
        if len(self.load.stages) == 1:
            return str(self.load.stages[0])
        if isinstance(self.load, OpenLoad):
            top = format_rate(max(max(stage.from_rate, stage.to_rate) for stage in self.load.stages))
        else:
            top = counted(self.load.most_users, "user")
        return f"up to {top} for {format_duration(self.duration_ns)}"

    def redacted(self) -> EnginePlan:
        """The same plan without secrets: the copy that is stored and shown."""
        headers = [
            (name, REDACTED if name.lower() in _SECRET_HEADERS else value)
            for name, value in self.request.headers
        ]
        return msgspec.structs.replace(self, request=msgspec.structs.replace(self.request, headers=headers))

    def users_at(self, ns: int) -> int:
        """Planned users at `ns` since the start; 0 in the open model and after the end."""
        if isinstance(self.load, OpenLoad):
            return 0
        for stage in self.load.stages:
            if ns < stage.duration_ns:
                share = ns / stage.duration_ns
                return round(stage.from_users + (stage.to_users - stage.from_users) * share)
            ns -= stage.duration_ns
        return 0


def basic_authorization(userinfo: str) -> str:
    """The header value for `user:password` found in a URL."""
    return "Basic " + b64encode(userinfo.encode()).decode("ascii")


def label_of(method: str, url: str) -> str:
    """The name under which a request is counted: method and path, without the query."""
    return f"{method} {urlsplit(url).path or '/'}"
