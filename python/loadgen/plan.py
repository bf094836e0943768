"""The plan as people write it: values with units, few required. Checks everything, touches no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct

from loadgen import shapes
from loadgen.engine_plan import (
    ClosedLoad,
    EnginePlan,
    OnOff,
    OpenLoad,
    Pacing,
    Reactor,
    Request,
    basic_authorization,
    label_of,
)
from loadgen.errors import Mistake, PlanError
from loadgen.health import processors
from loadgen.shapes import Stage
from loadgen.thresholds import parse_threshold
from loadgen.units import parse_count, parse_duration_ns, quoted
from loadgen.url import Url, parse_url

T = TypeVar("T")

EMBEDDED = "embedded target"
DEFAULT_USERS = 10
MAX_WORKERS = 1024
DEFAULT_DURATION = "10s"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Which of our fields settle which of the engine's: that is how origins are carried over.
_ENGINE_FIELDS = {
    "request": ("url", "method", "headers", "body"),
    "load": ("rate", "users", "stages", "preset", "duration", "arrivals", "seed", "drop_late"),
    "name": ("name",),
    "connections": ("connections",),
    "workers": ("workers",),
    "pacing": ("pacing",),
    "timeout_ns": ("timeout",),
    "drain_ns": ("drain",),
    "reactor": ("reactor",),
    "thresholds": ("thresholds",),
}


class Plan(Struct, frozen=True, kw_only=True):
    """What a run should do. Made by the command line or a script; all mistakes are reported when it is made.

    `rate` asks for the open model, `users` for the closed one; with neither, ten users. `stages` shape either
    over time, or a `preset` does, scaled by `rate` or `users`.
    """

    url: str | None = None  # None: the embedded target; "/path": that path on it
    method: str | None = None  # default GET, or POST where there is a body
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None

    rate: str | float | None = None
    users: str | int | None = None
    duration: str | float | None = None
    stages: Sequence[Stage] = ()
    preset: str | None = None
    arrivals: str = "constant"  # constant, poisson, onoff:ON/OFF
    seed: str | int = 1
    drop_late: str | float | None = None

    connections: str | int | None = None
    workers: str | int | None = None
    pacing: str = "hybrid"
    timeout: str | float = "30s"
    drain: str | float = "30s"
    reactor: str = "auto"
    thresholds: Sequence[str] = ()
    name: str | None = None
    command: str = "blast"
    # Field to where its value came from (`--tps`, `LOADGEN_TPS`); fields not named were set in a script or
    # not at all.
    origins: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        self.compile()

    @property
    def needs_embedded_target(self) -> bool:
        """Whether the run brings its own target."""
        return self.url is None or self.url.startswith("/")

    def at(self, base: str) -> Plan:
        """The same plan against the embedded target, which listens at `base`."""
        # The port is another in every run; the name says what was run, so that runs can be found together.
        name = self.name or f"{self.command} {EMBEDDED}"
        origins = {"url": self.origin("url"), "name": self.origin("name")} | dict(self.origins)
        return msgspec.structs.replace(self, url=base + (self.url or "/"), name=name, origins=origins)

    def origin(self, field: str) -> str:
        """Where a field's value came from."""
        if field in self.origins:
            return self.origins[field]
        default = next(spec.default for spec in msgspec.structs.fields(Plan) if spec.name == field)
        value = getattr(self, field)
        return "default" if value == default or not (value or default) else "plan"

    def compile(self) -> EnginePlan:
        """The engine's plan, without addresses. Raises PlanError with every mistake."""
        check = _Checker(self)
        url = check(
            "url", parse_url, f"http://localhost{self.url or '/'}" if self.needs_embedded_target else self.url
        )
        request = _request(self, url, check)
        load = _load(self, check)
        compiled: dict[str, Any] = {
            "load": load,
            "connections": check("connections", parse_count, self.connections),
            "workers": check("workers", _parse_workers, self.workers) or _default_workers(load),
            "pacing": check("pacing", _one_of(get_args(Pacing)), self.pacing),
            "timeout_ns": check("timeout", shapes.check_duration, self.timeout),
            "drain_ns": check("drain", partial(shapes.check_duration, at_least_ns=0), self.drain),
            "reactor": check("reactor", _one_of(get_args(Reactor)), self.reactor),
            "thresholds": [
                threshold.expression
                for index, text in enumerate(self.thresholds)
                if (threshold := check(f"thresholds[{index}]", parse_threshold, text))
            ],
        }
        if check.mistakes or request is None or url is None or load is None:
            raise PlanError(check.mistakes)
        return EnginePlan(
            name=self.name or f"{self.command} {EMBEDDED if self.needs_embedded_target else url.authority}",
            command=self.command,
            request=request,
            label=label_of(request.method, request.url),
            addresses=[],
            origins={engine: self._first_origin(ours) for engine, ours in _ENGINE_FIELDS.items()},
            **compiled,
        )

    def _first_origin(self, fields: Sequence[str]) -> str:
        """The origin of the first field that was given at all."""
        return next((origin for field in fields if (origin := self.origin(field)) != "default"), "default")


class _Checker:
    """Runs parsers and keeps their complaints, each with the place that the user knows it by."""

    def __init__(self, plan: Plan) -> None:
        self._origins = plan.origins
        self.mistakes: list[Mistake] = []

    def __call__(self, place: str, parse: Callable[[Any], T], value: Any) -> T | None:
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.wrong(place, str(error))
            return None

    def wrong(self, place: str, text: str) -> None:
        field = re.split(r"[.\[]", place, maxsplit=1)[0]
        self.mistakes.append(Mistake(self.named(field) if field in self._origins else place, text))

    def named(self, field: str) -> str:
        return self._origins.get(field, field)


def _request(plan: Plan, url: Url | None, check: _Checker) -> Request | None:
    method = plan.method or ("GET" if plan.body is None else "POST")
    if not _TOKEN.fullmatch(method):
        check.wrong("method", f'expected a method such as "POST", got {quoted(method)}')
    headers = []
    for index, (name, value) in enumerate(plan.headers):
        if not _TOKEN.fullmatch(name):
            check.wrong(f"headers[{index}]", f"expected a header name, got {quoted(name)}")
        elif re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            check.wrong(f"headers[{index}]", f"the value of {name} has control characters")
        else:
            headers.append((name, value.strip()))
    if url is None:
        return None
    named = {name.lower() for name, _ in headers}
    if url.userinfo is not None and "authorization" not in named:
        headers.append(("Authorization", basic_authorization(url.userinfo)))
    return Request(method=method, url=url.text, headers=headers, body=plan.body)


def _load(plan: Plan, check: _Checker) -> OpenLoad | ClosedLoad | None:
    before = len(check.mistakes)
    _check_combination(plan, check)
    rate = check("rate", shapes.check_rate, plan.rate)
    users = check("users", shapes.check_users, plan.users)
    duration_ns = check("duration", shapes.check_duration, plan.duration)
    stages = [
        checked
        for index, stage in enumerate(plan.stages)
        if (checked := check(f"stages[{index}]", shapes.check_stage, stage)) is not None
    ]
    seed = check("seed", lambda value: parse_count(value, at_least=0), plan.seed)
    arrivals = check("arrivals", _parse_arrivals, plan.arrivals)
    drop_after_ns = check("drop_late", shapes.check_duration, plan.drop_late)
    if len(check.mistakes) > before:
        return None
    closed = (rate is None and not plan.stages) or shapes.is_closed(plan.stages)
    level = rate if rate is not None else users or DEFAULT_USERS
    if plan.stages:
        stretches = shapes.ramps(stages)
    elif plan.preset is not None:
        default = parse_duration_ns(shapes.PRESETS[plan.preset].duration)
        stretches = shapes.preset(plan.preset, duration_ns or default, level)
    else:
        stretches = shapes.flat(duration_ns or parse_duration_ns(DEFAULT_DURATION), level)
    if not any(start or end for _, start, end in stretches):
        check.wrong("stages", "these stages hold no load: give one a length and a rate above 0")
        return None
    if closed:
        return ClosedLoad(stages=shapes.closed_stages(stretches))
    assert seed is not None and arrivals is not None
    return OpenLoad(
        stages=shapes.open_stages(stretches), arrivals=arrivals, seed=seed, drop_after_ns=drop_after_ns
    )


def _check_combination(plan: Plan, check: _Checker) -> None:
    if plan.rate is not None and plan.users is not None:
        check.wrong(
            "users",
            f"cannot be used with {check.named('rate')}: a rate is the open model, users are the closed one",
        )
    if plan.preset is not None and plan.preset not in shapes.PRESETS:
        check.wrong("preset", f"expected one of {', '.join(shapes.PRESETS)}, got {quoted(plan.preset)}")
    if plan.stages:
        for field in ("rate", "users", "duration", "preset"):
            if getattr(plan, field) is not None:
                check.wrong(
                    field, f"cannot be used with {check.named('stages')}: stages say how much and how long"
                )
        if not shapes.is_closed(plan.stages) and any(stage.users is not None for stage in plan.stages):
            check.wrong("stages", "expected all stages in rates or all in users")
    elif plan.rate is None:
        for field in ("arrivals", "drop_late"):
            # What the environment says for all runs is no mistake in this one.
            if plan.origin(field) != "default" and not plan.origin(field).startswith("LOADGEN_"):
                check.wrong(
                    field, "needs a rate (--tps): in the closed model each user sends when the last has ended"
                )


def _parse_arrivals(text: str) -> Any:
    if text in ("constant", "poisson"):
        return text
    kind, _, cycle = text.partition(":")
    on, slash, off = cycle.partition("/")
    if kind != "onoff" or not slash:
        raise ValueError(
            f'expected constant, poisson or onoff:ON/OFF such as "onoff:200ms/800ms", got {quoted(text)}'
        )
    return OnOff(shapes.check_duration(on), shapes.check_duration(off))


def _parse_workers(value: str | int) -> int:
    workers = parse_count(value)
    if workers > MAX_WORKERS:
        raise ValueError(f"expected at most {MAX_WORKERS} processes, got {quoted(value)}")
    return workers


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def choose(value: str) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {quoted(value)}")
        return value

    return choose


def _default_workers(load: OpenLoad | ClosedLoad | None) -> int:
    """The cores that this process may use, less one where there are several; never more than users."""
    workers = max(1, processors() - 1)
    if isinstance(load, ClosedLoad):
        workers = min(workers, max(max(stage.from_users, stage.to_users) for stage in load.stages))
    return workers
