"""From the plan as people write it to the engine's: everything is checked, and no network is touched."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlsplit

from loadgen import shapes
from loadgen.checking import Checker, at_most, one_of
from loadgen.engine_plan import (
    ITERATION,
    Credentials,
    EnginePlan,
    Mix,
    Pacing,
    Reactor,
    Request,
    ScriptPlan,
    label_of,
)
from loadgen.errors import PlanError
from loadgen.health import processors
from loadgen.plan_fields import check_kind, check_values
from loadgen.plan_load import load_of, most_users
from loadgen.plan_request import (
    parse_base,
    read_auth,
    read_headers,
    read_mix,
    read_request,
    read_sockets,
    read_url,
    text_of_base,
    wire_of,
)
from loadgen.plan_script import script_fields
from loadgen.targets import WantedRequest, read_targets
from loadgen.threshold_grammar import parse_threshold
from loadgen.thresholds import Threshold
from loadgen.units import counted, quoted
from loadgen.url import Url, parse_url
from loadgen.wiring import parse_resolutions

if TYPE_CHECKING:
    from loadgen.plan import Plan

EMBEDDED = "embedded target"
DEFAULT_CONNECTIONS = 10_000  # in the open model; in the closed one each user has one
MAX_CONNECTIONS = 1_000_000
MAX_WORKERS = 1024
MAX_HOPS = 100


def compile_plan(plan: Plan, *, whole: bool) -> EnginePlan:
    """What the plan says, or all of its mistakes. One that is not whole may yet be joined by scenarios."""
    check = Checker(plan.origins)
    check_values(plan, check)
    if check.mistakes:  # nothing can be read into what is not even of the right kind
        raise PlanError(check.mistakes)
    wanted: list[WantedRequest] = []
    if plan.targets is not None and plan.script is None:
        wanted = read_targets(plan.targets, check.named("targets"))
    if whole:
        check_kind(plan, check)
    headers = read_headers(plan, check)
    url = read_url(plan, check)
    if plan.script is None:
        check.optional("base_url", parse_base, plan.base_url)
    auth = check("auth", partial(read_auth, plan), url)
    hops = check("max_redirects", at_most(MAX_HOPS, at_least=0), plan.max_redirects)
    request = read_request(plan, url, headers, auth, check)
    sockets = read_sockets(plan, url, request, check)
    has_requests = plan.script is None and plan.sockets is None
    mix = read_mix(plan, wanted, request, url, check) if request and url and has_requests else None
    # In a script any label may come up.
    labels = _labels(mix, request) if has_requests else sockets.plan.labels if sockets else None
    # A plan without a URL that no command line made may be one that stands in a script.
    scripted = not has_requests or not (whole or plan.url is not None or plan.origins)
    known_labels = labels if whole or plan.url is not None else None
    of_blast: dict[str, Any] = {}
    if plan.script is None and plan.follow_redirects:
        of_blast["max_redirects"], known_labels = hops, None  # and each hop brings its own
    if plan.script is None and auth is not None and auth.kind == "digest":
        if plan.sockets is not None:
            check.wrong("auth", "a digest answers challenges to requests, and says nothing about sockets")
        of_blast["digest"] = Credentials(auth.username, auth.secret)
        known_labels = known_labels and [*known_labels, ITERATION]
    of_script = script_fields(plan, auth, hops, check)
    load, scenarios = load_of(plan, check, whole=whole) or (None, [])
    connections = check.optional("connections", at_most(MAX_CONNECTIONS), plan.connections)
    if sockets is not None:
        connections, load = sockets.connections, sockets.load
    workers = check.optional("workers", at_most(MAX_WORKERS), plan.workers)
    if connections and workers and connections < workers:
        cap = check.named("connections" if sockets is None else "sockets.connections")
        check.wrong("workers", f"cannot be more than {cap} ({connections}): each needs a connection")
    compiled: dict[str, Any] = {
        "pacing": check("pacing", one_of(get_args(Pacing)), plan.pacing),
        "timeout_ns": check("timeout", shapes.check_duration, plan.timeout),
        "drain_ns": check("drain", partial(shapes.check_duration, at_least_ns=0), plan.drain),
        "reactor": check("reactor", one_of(get_args(Reactor)), plan.reactor),
        "wire": wire_of(plan, url, check, scripted=scripted),
        "resolve": check("resolve", parse_resolutions, plan.resolve) or {},
        "thresholds": [
            threshold.expression
            for index, text in enumerate(plan.thresholds)
            if (
                threshold := check(
                    f"thresholds[{index}]",
                    partial(_parse_threshold, known_labels, scripted),
                    text,
                )
            )
        ],
    }
    if check.mistakes or request is None or url is None or load is None:
        raise PlanError(check.mistakes)
    script = None
    if plan.script is not None:
        script = ScriptPlan(
            path=plan.script,
            base_url=text_of_base(url),
            headers=request.headers,
            scenarios=scenarios,
            arguments=dict(plan.arguments),
            import_options=dict(plan.import_options),
            notes=tuple(plan.notes),
            seed=int(plan.seed),
            **of_script,
        )
    users = most_users(load, scenarios)
    # A user has one request at a time. But one of a script, or who is sent on, may ask several hosts.
    wanders = script is not None or plan.follow_redirects
    enough = max(users or 0, DEFAULT_CONNECTIONS) if wanders else users
    limits = [connections, users, *([script.iterations, script.max_users] if script else [])]
    busy_workers = [limit for limit in limits if limit]
    return EnginePlan(
        name=plan.name_at(EMBEDDED if plan.needs_embedded_target else _where_to(mix, url)),
        command=plan.kind,
        request=request if has_requests and mix is None else None,
        label=_name_of(labels) if sockets is None else urlsplit(url.target).path,
        addresses=[],
        load=load,
        connections=connections or enough or DEFAULT_CONNECTIONS,
        workers=workers or _default_workers(min(busy_workers, default=None)),
        origins=_origins_of_values(plan),
        script=script,
        mix=mix,
        sockets=sockets.plan if sockets else None,
        **of_blast,
        **compiled,
    )


def _origins_of_values(plan: Plan) -> dict[str, str]:
    """Where each value came from that is not a default."""
    unspoken = ("command", "script", "scenarios", "import_options", "notes", "origins")
    fields = [field for field in plan.__struct_fields__ if field not in unspoken]
    found = {field: origin for field in fields if (origin := plan.origin(field)) != "default"}
    if plan.sockets is not None:
        found |= {field: origin for field, origin in plan.origins.items() if field.startswith("sockets.")}
    if "preset" in found:  # of which the engine's plan has only the stages
        found["preset"] += f" {plan.preset}"
    return found


def _labels(mix: Mix | None, request: Request | None) -> list[str] | None:
    if mix is not None:
        return list(dict.fromkeys(target.label for target in mix.targets))
    return [label_of(request.method, request.url)] if request else None


def _name_of(labels: list[str] | None) -> str:
    """What a run is about, in a few words."""
    if not labels:
        return ""
    return labels[0] if len(labels) == 1 else f"{labels[0]} and {counted(len(labels) - 1, 'other label')}"


def _where_to(mix: Mix | None, url: Url) -> str:
    if mix is None:
        return url.authority
    first = parse_url(mix.hosts[0].url).authority
    return first if len(mix.hosts) == 1 else f"{first} and {len(mix.hosts) - 1} more"


def _parse_threshold(labels: list[str] | None, scripted: bool, text: str) -> Threshold:
    """`labels` are those there are; None where there may be others."""
    threshold = parse_threshold(text, scripted=scripted)
    own = threshold.own_metric is not None  # which may have any name
    if threshold.label is not None and labels is not None and threshold.label not in labels and not own:
        known = ", ".join(map(quoted, labels[:10]))
        raise ValueError(
            f"no request is counted as {quoted(threshold.label)}: "
            + (f"the only label is {known}" if len(labels) == 1 else f"there are {known}")
        )
    return threshold


def _default_workers(at_most: int | None) -> int:
    """The cores that this process may use, less one where there are several; none without a connection."""
    workers = max(1, processors() - 1)
    return min(workers, at_most or workers)
