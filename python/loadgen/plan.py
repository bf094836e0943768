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
from loadgen.thresholds import Threshold, parse_threshold
from loadgen.units import parse_count, parse_duration_ns, quoted
from loadgen.url import Url, parse_url

T = TypeVar("T")

EMBEDDED = "embedded target"
DEFAULT_USERS = 10
DEFAULT_CONNECTIONS = 10_000  # in the open model; in the closed one each user has one
MAX_CONNECTIONS = 1_000_000
MAX_WORKERS = 1024
MAX_SEED = 2**64 - 1
DEFAULT_DURATION = "10s"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Plan(Struct, frozen=True, kw_only=True):
    """What a run should do. Made by the command line or a script; all mistakes are reported when it is made.

    `rate` asks for the open model, `users` for the closed one; with neither, ten users. `stages` shape either
    over time, or a `preset` does, scaled by `rate` or `users`.
    """

    url: str | None = None  # None: the embedded target; "/path": that path on it
    method: str | None = None  # default GET, or POST where there is a body
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    body: bytes | str | None = None

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
        # As text, because the command line's defaults are.
        return "default" if str(value) == str(default) or not (value or default) else "plan"

    def compile(self) -> EnginePlan:
        """The engine's plan, without addresses. Raises PlanError with every mistake."""
        check = _Checker(self)
        _check_types(self, check)
        if check.mistakes:  # nothing can be read into what is not even of the right kind
            raise PlanError(check.mistakes)
        url = check(
            "url", parse_url, f"http://localhost{self.url or '/'}" if self.needs_embedded_target else self.url
        )
        request = _request(self, url, check)
        label = label_of(request.method, request.url) if request else None
        load = _load(self, check)
        connections = check.optional("connections", _at_most(MAX_CONNECTIONS), self.connections)
        workers = check.optional("workers", _at_most(MAX_WORKERS), self.workers)
        if connections and workers and connections < workers:
            check.wrong(
                "workers",
                f"cannot be more than {check.named('connections')} ({connections}): each needs a connection",
            )
        compiled: dict[str, Any] = {
            "pacing": check("pacing", _one_of(get_args(Pacing)), self.pacing),
            "timeout_ns": check("timeout", shapes.check_duration, self.timeout),
            "drain_ns": check("drain", partial(shapes.check_duration, at_least_ns=0), self.drain),
            "reactor": check("reactor", _one_of(get_args(Reactor)), self.reactor),
            "thresholds": [
                threshold.expression
                for index, text in enumerate(self.thresholds)
                if (threshold := check(f"thresholds[{index}]", partial(_parse_threshold, label), text))
            ],
        }
        if check.mistakes or request is None or label is None or url is None or load is None:
            raise PlanError(check.mistakes)
        most_users = load.most_users if isinstance(load, ClosedLoad) else None
        return EnginePlan(
            name=self.name or f"{self.command} {EMBEDDED if self.needs_embedded_target else url.authority}",
            command=self.command,
            request=request,
            label=label,
            addresses=[],
            load=load,
            connections=connections or most_users or DEFAULT_CONNECTIONS,
            workers=workers or _default_workers(connections or most_users),
            origins=self._origins_of_values(),
            **compiled,
        )

    def _origins_of_values(self) -> dict[str, str]:
        """Where each value came from that is not a default."""
        fields = [field for field in Plan.__struct_fields__ if field not in ("command", "origins")]
        found = {field: origin for field in fields if (origin := self.origin(field)) != "default"}
        if "preset" in found:  # of which the engine's plan has only the stages
            found["preset"] += f" {self.preset}"
        return found


class _Checker:
    """Runs parsers and keeps their complaints, each with the place that the user knows it by."""

    def __init__(self, plan: Plan) -> None:
        self._origins = plan.origins
        self.mistakes: list[Mistake] = []

    def optional(self, place: str, parse: Callable[[Any], T], value: Any) -> T | None:
        return None if value is None else self(place, parse, value)

    def __call__(self, place: str, parse: Callable[[Any], T], value: Any) -> T | None:
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


def _check_types(plan: Plan, check: _Checker) -> None:
    """What a script got wrong by kind. Numbers and lengths of time are left to their parsers."""
    for field in ("url", "method", "preset", "name", "arrivals", "command"):
        value, required = getattr(plan, field), field in ("arrivals", "command")
        if not isinstance(value, str) and (required or value is not None):
            check.wrong(field, f"expected text, got {quoted(value)}")
    body: object = plan.body
    if not isinstance(body, (bytes, str, type(None))):
        check.wrong("body", f"expected bytes or text, got {quoted(body)}")
    lists: list[tuple[str, object, Callable[[object], bool], str]] = [
        ("headers", _pairs(plan.headers), _is_header, 'a header such as ("Accept", "text/html")'),
        ("stages", plan.stages, lambda item: isinstance(item, Stage), 'a stage such as Stage("30s", rate=5)'),
        ("thresholds", plan.thresholds, lambda item: isinstance(item, str), 'text such as "p99 < 250ms"'),
    ]
    for field, items, is_right, words in lists:
        if isinstance(items, (str, bytes)) or not isinstance(items, Sequence):
            check.wrong(field, f"expected a list, each {words}, got {quoted(items)}")
            continue
        for index, item in enumerate(items):
            if not is_right(item):
                check.wrong(f"{field}[{index}]", f"expected {words}, got {quoted(item)}")


def _pairs(headers: Any) -> Any:
    return list(headers.items()) if isinstance(headers, Mapping) else headers


def _is_header(item: object) -> bool:
    return isinstance(item, (tuple, list)) and len(item) == 2 and all(isinstance(part, str) for part in item)


def _request(plan: Plan, url: Url | None, check: _Checker) -> Request | None:
    method = plan.method or ("GET" if plan.body is None else "POST")
    if not _TOKEN.fullmatch(method):
        check.wrong("method", f'expected a method such as "POST", got {quoted(method)}')
    headers = []
    for index, (name, value) in enumerate(_pairs(plan.headers)):
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
    body = plan.body.encode(errors="surrogateescape") if isinstance(plan.body, str) else plan.body
    return Request(method=method, url=url.text, headers=headers, body=body)


def _load(plan: Plan, check: _Checker) -> OpenLoad | ClosedLoad | None:
    before = len(check.mistakes)
    _check_combination(plan, check)
    rate = check.optional("rate", shapes.check_rate, plan.rate)
    users = check.optional("users", shapes.check_users, plan.users)
    duration_ns = check.optional("duration", shapes.check_duration, plan.duration)
    stages = [
        checked
        for index, stage in enumerate(plan.stages)
        if (checked := check(f"stages[{index}]", shapes.check_stage, stage)) is not None
    ]
    seed = check("seed", _at_most(MAX_SEED, at_least=0), plan.seed)
    arrivals = check("arrivals", _parse_arrivals, plan.arrivals)
    drop_after_ns = check.optional("drop_late", shapes.check_duration, plan.drop_late)
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


def _parse_threshold(label: str | None, text: str) -> Threshold:
    """`label` is the one there is; None where it is not known."""
    threshold = parse_threshold(text)
    if threshold.label is not None and label is not None and threshold.label != label:
        raise ValueError(
            f"no request is counted as {quoted(threshold.label)}: the only label is {quoted(label)}"
        )
    return threshold


def _at_most(limit: int, *, at_least: int = 1) -> Callable[[str | int], int]:
    def parse(value: str | int) -> int:
        count = parse_count(value, at_least=at_least)
        if count > limit:
            raise ValueError(f"expected at most {limit:,}, got {quoted(value)}")
        return count

    return parse


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def choose(value: str) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {quoted(value)}")
        return value

    return choose


def _default_workers(at_most: int | None) -> int:
    """The cores that this process may use, less one where there are several; none without a connection."""
    workers = max(1, processors() - 1)
    return min(workers, at_most or workers)
