"""The plan as the engine, its workers and plan.json know it: nanoseconds, addresses, nothing left to decide.

These structs are the JSON document `loadgen/plan/1`, field for field; the engine refuses unknown ones.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from loadgen.discreet import (
    REDACTED,
    SECRET,
    Discreet,
    without_secrets,
    without_secrets_in,
    without_secrets_within,
)
from loadgen.errors import UsageError
from loadgen.units import counted, format_duration, format_rate, quoted
from loadgen.wire import USUAL, Wire, secretless

Pacing = Literal["eco", "hybrid", "spin"]
Reactor = Literal["auto", "epoll", "uring"]
Encoding = Literal["raw", "percent", "json"]  # how a value is written into the text around it

MAX_REDIRECTS = 10  # unless a plan says otherwise
ITERATION = "blast"  # the label of arrivals, in a blast whose arrivals may take several requests


def _words(start: str, end: str, duration_ns: int) -> str:
    level = start if start == end else f"{start} to {end}"
    return f"{level} for {format_duration(duration_ns)}"


class Request(Discreet, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The one request of a blast."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes | None  # base64 in JSON
    body_file: str | None = None  # absolute: read while it is sent, instead
    expect_continue: bool = False  # the body is sent when the peer wants it


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """One of many requests. Its URL, headers and body may have values in them: {{0}} is the first column."""

    request: Request
    encoding: Encoding  # of values in the body
    label: str
    host: int  # its place among the hosts
    weight: float | None  # all have one, or none has: then they come in turn


class Host(Struct, frozen=True, forbid_unknown_fields=True):
    """A place that requests go to."""

    url: str
    addresses: list[str]  # resolved before the run; empty until then


class Mix(Struct, frozen=True, forbid_unknown_fields=True):
    """Many requests of a blast, and the rows whose values they take."""

    targets: list[Target]
    target_count: int  # also where the copy that is stored has fewer
    hosts: list[Host]
    columns: list[str]  # those that are used, in the order of the values
    rows: list[list[str]]  # arrival k takes row k mod row_count; the copy that is stored has none
    row_count: int
    seed: int


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


class ScenarioPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """One scenario of a script, by the name of its iterations."""

    name: str
    weight: float  # its share of the common load; 0 where it has a load of its own
    load: OpenLoad | ClosedLoad | None  # its own


class MaxErrors(Struct, frozen=True, forbid_unknown_fields=True):
    """When failed iterations stop the run: that many, or that share of them. One of the two is there."""

    count: int | None
    share: float | None


class Cap(Struct, frozen=True, forbid_unknown_fields=True):
    """How many users may be at it at a time, from an instant on: what is due beyond that is dropped."""

    from_ns: int
    users: int | None  # None: any number


class AuthPlan(Discreet, frozen=True, forbid_unknown_fields=True):
    """Who requests to the base are from. Workers need it; nothing else may have it."""

    kind: Literal["basic", "bearer", "digest"]
    username: str
    secret: str


class Credentials(Discreet, frozen=True, forbid_unknown_fields=True):
    """A user and password for servers that challenge a blast. Workers need it; nothing else may have it."""

    username: str
    password: str


class ScriptPlan(Discreet, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What only a scripted run has."""

    path: str  # absolute
    base_url: str  # without a slash at its end: what a path in the script is put behind
    headers: list[tuple[str, str]]  # of every request that does not say otherwise
    scenarios: list[ScenarioPlan]  # those that run, in the order of the file
    iterations: int | None  # over all users and workers; the run ends when they are done
    iterations_per_user: int | None
    max_users: int  # open model: the largest pool of users, over all workers
    retry: dict[str, Any] | None  # policy.RetryPlan; a dict, because what shows plans needs no policies
    breaker: dict[str, Any] | None  # policy.BreakerPlan
    max_errors: MaxErrors | None
    dead_after_ns: (
        int | None
    )  # no answer for so long, though some was asked for: the target is dead, the run ends
    arguments: dict[str, str]  # --set NAME=VALUE
    seed: int  # of what the script draws, and of the scenarios that users take
    own_connections: bool = False  # each iteration is carried by connections of its own
    caps: tuple[Cap, ...] = ()  # in the order of time
    cookies: bool = True  # users keep what responses set
    auth: AuthPlan | None = None  # for the base alone
    follow_redirects: bool = False
    max_redirects: int = MAX_REDIRECTS
    import_options: Mapping[str, Any] = {}  # of a file of another tool: what that tool's flags said
    notes: tuple[str, ...] = ()  # and what of it cannot be kept


class Message(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a socket sends. Its text may have values in it, as a target's may."""

    text: str  # base64 where it is binary
    label: str
    binary: bool = False
    encoding: Encoding = "json"  # of values in it


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """What a reply looks like: it has a value at `path`, and which, as JSON has it. No path: any."""

    path: str | None
    value: str | None


class Correlation(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the text stands that a message and its reply have in common."""

    request: str
    reply: str


class Stamp(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a message says when it was sent, and on which clock."""

    path: str
    unit_ns: int
    clock: Literal["monotonic", "wall"]


class Backoff(Struct, frozen=True, forbid_unknown_fields=True):
    """How long to wait before a lost socket is opened again: at most so long at first, then twice that."""

    first_ns: int
    most_ns: int


class SocketPlan(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What only a run of sockets has. Each arrival of the plan's load opens one."""

    url: str  # ws:// or wss://
    headers: list[tuple[str, str]]
    subprotocols: list[str]
    deflate: bool
    subscribe: list[Message]  # every socket sends all of them, when it is open
    subscriptions: list[Message]  # socket k sends number k mod their number
    listing: list[Message]  # every socket sends all of them, when it has subscribed
    unsubscribe: list[Message]  # and all of these, before it is closed
    leave_ns: int  # in which they begin with that, one after the other, up to the end of the load
    reply: list[str]  # what the two two refer to in the acknowledgements of subscriptions, by its number
    messages: list[Message]  # message j of `sends` is number j mod their number
    sends: OpenLoad | None
    ping_every_ns: int | None
    expect: list[Expected]
    correlate: Correlation | None
    stamp: Stamp | None
    sequence: str | None
    channel: str | None
    reconnect: Backoff | None
    columns: list[str]  # those that are used, in the order of the values
    rows: list[list[str]]  # message j and socket k take row j, k mod row_count; the stored copy has none
    row_count: int
    seed: int

    @property
    def arrival_labels(self) -> list[str]:
        """What the schedule knows of; subscriptions and reconnects are requests beyond it."""
        return list(dict.fromkeys([CONNECT, *(message.label for message in self.messages)]))

    @property
    def labels(self) -> list[str]:
        """All that are counted."""
        stages = (*self.subscribe, *self.subscriptions, *self.listing, *self.unsubscribe)
        told = [message.label for message in (*stages, *self.messages)]
        return list(dict.fromkeys([*OWN_LABELS, *told]))

    def describe(self, connects: OpenLoad, connections: int) -> str:
        """In words: `100 sockets at 50/s, held for 10s, messages at 100/s`."""
        first, *rest = connects.stages
        held_ns = sum(stage.duration_ns for stage in rest) - self.leave_ns
        words = f"{counted(connections, 'socket')} at {format_rate(first.to_rate)}"
        words += f", held for {format_duration(held_ns)}"
        if self.sends is not None:
            words += f", messages at {format_rate(self.sends.stages[-1].to_rate)}"
        return words


# What every run of sockets counts: from due to open, the same of lost ones, how long each was open,
# round trips, how long messages took.
CONNECT = "connect"
OWN_LABELS = (CONNECT, "reconnect", "session", "ping", "delivery")

# Targets, and messages of sockets, in the copy of a plan that is stored.
MOST_STORED_TARGETS = 100


# The schema is a tag and not a field because it is written though it never varies; `script`, which blast has
# not, is left out there.
class EnginePlan(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="schema",
    tag="loadgen/plan/1",
):
    """Everything that a run needs."""

    name: str
    command: str
    request: Request | None  # None in a scripted run, and where there is a mix
    label: str  # of the one request, or what a mix is called; "" in a scripted run
    addresses: list[str]  # resolved before the run; empty until then
    # Common to all scenarios that have none of their own; where each has its own, the first one's.
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
    script: ScriptPlan | None = None
    wire: Wire = USUAL
    dns_ns: list[int] = []  # how long it took to find the addresses, of each name that was looked up
    resolve: dict[str, str] = {}  # "host:port" to the address that the user says it has
    mix: Mix | None = None
    # Of a blast. Where there is one of the two, an arrival may take several requests.
    max_redirects: int | None = None  # None: none is followed
    digest: Credentials | None = None
    sockets: SocketPlan | None = None

    def encode(self) -> bytes:
        """One line of JSON."""
        try:
            return msgspec.json.encode(self)
        except UnicodeEncodeError as error:  # bytes that are no text came from a shell
            raise UsageError(
                f"{quoted(error.object)} is not UTF-8",
                hint="Where it is in your terminal, choose a locale with UTF-8, such as LC_ALL=C.UTF-8.",
            ) from None

    @property
    def target_url(self) -> str:
        """Where the load goes, or most of it."""
        if self.script is not None:
            return self.script.base_url
        if self.mix is not None:
            return self.mix.hosts[0].url
        if self.sockets is not None:
            return self.sockets.url.replace("ws", "http", 1)
        assert self.request is not None
        return self.request.url

    @property
    def counts_iterations(self) -> bool:
        """Whether an arrival is an iteration, of any number of requests: the two count apart then."""
        return self.script is not None or self.max_redirects is not None or self.digest is not None

    @property
    def loads(self) -> list[OpenLoad | ClosedLoad]:
        """What really runs, each once: the common load first, then those of single scenarios."""
        if self.sockets is not None and self.sockets.sends is not None:
            return [self.load, self.sockets.sends]
        if self.script is None:
            return [self.load]
        own = [scenario.load for scenario in self.script.scenarios]
        return ([self.load] if None in own else []) + [load for load in own if load is not None]

    @property
    def has_metrics(self) -> bool:
        """Whether there are metrics by any name, which thresholds may ask about."""
        return self.script is not None or self.sockets is not None

    @property
    def is_open(self) -> bool:
        """Whether arrivals come at a rate: all of them, or those of some scenarios."""
        return any(isinstance(load, OpenLoad) for load in self.loads)

    @property
    def duration_ns(self) -> int:
        """From the start to the end of the last stage, when the gate shuts. Iterations may end it sooner."""
        return max(length_ns(load) for load in self.loads)

    def describe_load(self) -> str:
        """In words: `5,000/s for 10s`, `up to 300 users for 5m`, `5/s and 20 users for 1m`."""
        if self.sockets is not None and isinstance(self.load, OpenLoad):
            return self.sockets.describe(self.load, self.connections)
        limit = _describe_iterations(self.script) if self.script else ""
        loads = self.loads
        if len(loads) == 1 and len(loads[0].stages) == 1 and not limit:
            return str(loads[0].stages[0])
        parts = []
        for kind, words in ((OpenLoad, format_rate), (ClosedLoad, lambda users: counted(users, "user"))):
            if same := [load for load in loads if isinstance(load, kind)]:
                parts.append(words(peak(same)))
        flat = all(len(set(_levels(load))) == 1 for load in loads)
        top = f"{'' if flat else 'up to '}{' and '.join(parts)}"
        duration = format_duration(self.duration_ns)
        return f"{top} for {limit}, at most {duration}" if limit else f"{top} for {duration}"

    def redacted(self) -> EnginePlan:
        """The same plan without secrets: the copy that is stored and shown."""
        request, script, mix = self.request, self.script, self.mix
        if request is not None:
            request = _without_secrets_of_request(request)
        if script is not None:
            arguments = {
                name: REDACTED if SECRET.search(name) else value for name, value in script.arguments.items()
            }
            script = msgspec.structs.replace(
                script,
                headers=without_secrets(script.headers),
                arguments=arguments,
                import_options=without_secrets_within(script.import_options),
                auth=script.auth and AuthPlan(script.auth.kind, REDACTED, REDACTED),
            )
        if mix is not None:
            mix = _without_secrets_of(mix)
        return msgspec.structs.replace(
            self,
            request=request,
            script=script,
            mix=mix,
            sockets=self.sockets and _stored(self.sockets),
            wire=secretless(self.wire),
            digest=self.digest and Credentials(REDACTED, REDACTED),
        )


def length_ns(load: OpenLoad | ClosedLoad) -> int:
    """From its start to its end."""
    stages: Sequence[OpenStage | ClosedStage] = load.stages
    return sum(stage.duration_ns for stage in stages)


def _ends(stage: OpenStage | ClosedStage) -> tuple[float, float]:
    if isinstance(stage, OpenStage):
        return stage.from_rate, stage.to_rate
    return stage.from_users, stage.to_users


def _levels(load: OpenLoad | ClosedLoad) -> list[float]:
    """At the corners."""
    return [level for stage in load.stages for level in _ends(stage)]


def level_at(load: OpenLoad | ClosedLoad, ns: int) -> float:
    """Planned rate or users at `ns` since the start; 0 after the end."""
    for stage in load.stages:
        if ns < stage.duration_ns:
            start, end = _ends(stage)
            return start + (end - start) * ns / stage.duration_ns
        ns -= stage.duration_ns
    return 0


def users_at(loads: Sequence[OpenLoad | ClosedLoad], ns: int) -> int:
    """Planned users of the closed loads at `ns` since the start; 0 after the end."""
    return sum(round(level_at(load, ns)) for load in loads if isinstance(load, ClosedLoad))


def peak(loads: Sequence[OpenLoad | ClosedLoad]) -> float:
    """The most that loads of one kind ask for together; it lies at a corner of one, or just before."""
    if len(loads) == 1:  # exactly: just before its end a ramp is not quite there
        return max(_levels(loads[0]))
    corners = {0}
    for load in loads:
        corners.update(accumulate(stage.duration_ns for stage in load.stages))
    return max(
        sum(level_at(load, ns) for load in loads) for corner in corners for ns in (max(corner - 1, 0), corner)
    )


def _describe_iterations(script: ScriptPlan) -> str:
    parts = []
    if script.iterations is not None:
        parts.append(counted(script.iterations, "iteration"))
    if script.iterations_per_user is not None:
        parts.append(f"{counted(script.iterations_per_user, 'iteration')} each")
    return ", ".join(parts)


def _without_secrets_of_request(request: Request) -> Request:
    body = request.body
    return msgspec.structs.replace(
        request,
        url=without_secrets_in(request.url),
        headers=without_secrets(request.headers),
        body=body and without_secrets_in(body.decode("latin-1")).encode("latin-1"),
    )


def _without_secrets_of(mix: Mix) -> Mix:
    """Rows may hold anything, so none is kept."""
    targets = [
        msgspec.structs.replace(target, request=_without_secrets_of_request(target.request))
        for target in mix.targets[:MOST_STORED_TARGETS]
    ]
    return msgspec.structs.replace(mix, targets=targets, rows=[])


def _stored(sockets: SocketPlan) -> SocketPlan:
    """Without what opens doors and without rows, and of very many messages the first."""
    some = {
        name: [
            _without_secrets_of_message(message) for message in getattr(sockets, name)[:MOST_STORED_TARGETS]
        ]
        for name in ("subscribe", "subscriptions", "listing", "unsubscribe", "messages")
    }
    url, headers = without_secrets_in(sockets.url), without_secrets(sockets.headers)
    return msgspec.structs.replace(sockets, url=url, headers=headers, rows=[], **some)


def _without_secrets_of_message(message: Message) -> Message:
    if message.binary:
        return message
    return msgspec.structs.replace(message, text=without_secrets_in(message.text))


def basic_authorization(userinfo: str) -> str:
    """The header value for `user:password` found in a URL."""
    return "Basic " + b64encode(userinfo.encode()).decode("ascii")


def label_of(method: str, url: str) -> str:
    """The name under which a request is counted: method and path, without the query."""
    return f"{method} {urlsplit(url).path or '/'}"
