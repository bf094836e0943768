"""The plan as people write it: values with units, few required. Checks everything, touches no network."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlsplit

import msgspec

from loadgen import shapes
from loadgen.checking import Checker, at_most, one_of
from loadgen.discreet import Discreet, without_userinfo
from loadgen.engine_plan import (
    ITERATION,
    MAX_REDIRECTS,
    AuthPlan,
    Cap,
    ClosedLoad,
    Credentials,
    EnginePlan,
    MaxErrors,
    Mix,
    OpenLoad,
    Pacing,
    Reactor,
    Request,
    ScenarioPlan,
    ScriptPlan,
    label_of,
)
from loadgen.errors import PlanError
from loadgen.health import processors
from loadgen.loads import (
    DEFAULT_DURATION_NS,
    LONGEST_BY_ITERATIONS_NS,
    MAX_SEED,
    LoadWish,
    ScenarioWish,
    play_all,
    read_load,
)
from loadgen.mix import is_mix, make_mix, requests_of
from loadgen.shapes import Stage
from loadgen.sockets import HOME, Crowd, Sockets, check_types, compile_sockets, parse_socket_url
from loadgen.targets import WantedRequest, read_targets
from loadgen.templates import parse_url_template
from loadgen.thresholds import Threshold, parse_threshold
from loadgen.units import counted, quoted
from loadgen.url import Url, parse_url
from loadgen.wire import Wire
from loadgen.wiring import parse_resolutions, read_wire

if TYPE_CHECKING:
    from loadgen.auth import Bearer, DigestAuth
    from loadgen.policy import Breaker, Retry

EMBEDDED = "embedded target"
DEFAULT_CONNECTIONS = 10_000  # in the open model; in the closed one each user has one
DEFAULT_POOL = 10_000
MAX_CONNECTIONS = 1_000_000
MAX_WORKERS = 1024
MAX_ITERATIONS = 10**12
MAX_HOPS = 100
ENCODINGS = "gzip, deflate, br, zstd"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Fields that only blast has, and those that only a script has.
_OF_BLAST = ("url", "method", "body", "body_file", "expect_continue", "targets", "data", "sockets")
_OF_SCRIPTS = (
    *("base_url", "iterations", "iterations_per_user", "max_users", "max_errors", "dead_after"),
    *("retry", "breaker", "arguments", "own_connections", "caps"),
    "cookies",
)

# Fields that say nothing about sockets.
_OF_REQUESTS = (
    *("method", "body", "body_file", "expect_continue", "targets", "compression"),
    *("rate", "users", "duration", "stages", "preset", "arrivals", "drop_late", "connections"),
    *("http", "streams", "keepalive", "max_idle", "max_lifetime", "reactor"),
    *("follow_redirects", "max_redirects"),
)
# Those of blast that need one request, the same every time.
_OF_ONE = ("body_file", "expect_continue")


class Plan(Discreet, frozen=True, kw_only=True):
    """What a run should do. Made by the command line or a script; all mistakes are reported when it is made.

    `rate` asks for the open model, `users` for the closed one; with neither, ten users. `stages` shape either
    over time, or a `preset` does, scaled by `rate` or `users`.
    """

    # Of blast: the one request.
    url: str | None = None  # None: the embedded target; "/path": that path on it
    method: str | None = None  # default GET, or POST where there is a body
    body: bytes | str | None = None
    body_file: str | None = None  # read while it is sent, however large; nothing in it is a {{name}}
    expect_continue: bool = False  # ask whether the body is wanted, before it is sent
    targets: str | None = None  # a file of requests, with weights; see loadgen.targets
    data: str | None = None  # a file of rows for {{name}} in URL, headers and body

    # Sockets, in place of requests.
    sockets: Sockets | None = None

    # Of a script.
    base_url: str | None = None  # None: the embedded target; "/path": below that path on it
    iterations: str | int | None = None  # the run ends when all users together have done so many
    iterations_per_user: str | int | None = None
    max_users: str | int | None = None  # open model: the largest pool of users; default 10,000
    max_errors: str | int | None = None  # failed iterations that stop the run: 100, or "5%"
    dead_after: str | float | None = None  # the run stops when no request has been answered for so long
    retry: Retry | None = None
    breaker: Breaker | None = None
    own_connections: bool = False  # each iteration makes its own, over HTTP/1.1, and closes them
    # (from when on, how many users may be at it): what is due beyond that is dropped. None: any number.
    caps: Sequence[tuple[str | float, int | None]] = ()
    arguments: Mapping[str, str] = {}  # what --set may change, with its defaults
    cookies: bool = True  # each user keeps what responses set

    # Sent to a script's base, or to the places that a blast names; a redirect elsewhere leaves it behind.
    auth: tuple[str, str] | Bearer | DigestAuth | AuthPlan | None = None
    follow_redirects: bool = False
    max_redirects: str | int = MAX_REDIRECTS
    # In a script, the headers of every request that does not say otherwise.
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    compression: bool = False  # offer gzip, deflate, br and zstd

    rate: str | float | None = None
    users: str | int | None = None
    duration: str | float | None = None
    stages: Sequence[Stage] = ()
    preset: str | None = None
    arrivals: str = "constant"  # constant, poisson, onoff:ON/OFF
    seed: str | int = 1
    drop_late: str | float | None = None

    # How connections are made.
    cacert: str | None = None  # a file of certificates to trust instead of the system's
    cert: str | None = None  # the client's own certificate, and its key where that is in another file
    key: str | None = None
    insecure: bool = False
    tls_min: str = "1.2"
    tls_resumption: bool = True
    http: str = "auto"  # auto, 1, 2 or 3
    streams: str | int | None = None  # HTTP/2 and 3: requests at once on a connection
    keepalive: bool = True
    max_idle: str | float | None = None
    max_lifetime: str | float | None = None
    bind: str | Sequence[str] = ()  # addresses of this machine, in turns
    unix_socket: str | None = None
    proxy: str | None = None  # default: what http_proxy, https_proxy and all_proxy say
    noproxy: str | None = None  # default: what no_proxy says
    resolve: Mapping[str, str] | Sequence[str] = ()  # HOST:PORT:ADDRESS

    connections: str | int | None = None
    workers: str | int | None = None
    pacing: str = "hybrid"
    timeout: str | float = "30s"
    drain: str | float = "30s"
    reactor: str = "auto"
    thresholds: Sequence[str] = ()
    name: str | None = None
    command: str = "blast"
    # Set by Script.plan_with: the file, and what of it runs.
    script: str | None = None
    scenarios: Sequence[ScenarioWish] = ()
    import_options: Mapping[str, Any] = {}  # of a file of another tool: what its flags said
    notes: Sequence[str] = ()  # and what of it cannot be kept
    # Field to where its value came from (`--tps`, `LOADGEN_TPS`); fields not named were set in a script or
    # not at all.
    origins: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        # A plan in a script is not whole until the scenarios have joined it.
        _compile(self, whole=self.script is not None)

    @property
    def needs_embedded_target(self) -> bool:
        """Whether the run brings its own target."""
        where = self._where
        if self.script is None and self.targets is not None and where is None:
            return any(target.url.startswith("/") for target in read_targets(self.targets))
        return where is None or where.startswith("/")

    @property
    def _where(self) -> str | None:
        return self.url if self.script is None else self.base_url

    def at(self, base: str) -> Plan:
        """The same plan against the embedded target, which listens at `base`."""
        # The port is another in every run; the name says what was run, so that runs can be found together.
        field, name = "url" if self.script is None else "base_url", self.name_at(EMBEDDED)
        origins = {field: self.origin(field), "name": self.origin("name")} | dict(self.origins)
        where = self._where or ("/" if self.sockets is None else HOME)
        changes: dict[str, Any] = {field: base + where, "name": name, "origins": origins}
        if self.proxy is None:  # what the environment says of proxies does not lead to what we bring along
            origins["noproxy"], changes["noproxy"] = "default", "*"
        return msgspec.structs.replace(self, **changes)

    def name_at(self, where: str) -> str:
        """The run's name, which says where the load goes unless one was given."""
        what = self.kind if self.script is None else Path(self.script).stem
        return self.name or f"{what} {where}"

    @property
    def kind(self) -> str:
        """The command that would do the same."""
        return self.command if self.sockets is None else "ws"

    def origin(self, field: str) -> str:
        """Where a field's value came from."""
        if field in self.origins:
            return self.origins[field]
        default, value = _DEFAULTS[field], getattr(self, field)
        # As text, because the command line's defaults are.
        return "default" if str(value) == str(default) or not (value or default) else "plan"

    def compile(self) -> EnginePlan:
        """The engine's plan, without addresses. Raises PlanError with every mistake."""
        return _compile(self, whole=True)


_DEFAULTS = dict(zip(Plan.__struct_fields__, Plan.__struct_defaults__, strict=True)) | {
    "arguments": {},
    "import_options": {},
}


def _compile(plan: Plan, *, whole: bool) -> EnginePlan:
    """What the plan says, or all of its mistakes. One that is not whole may yet be joined by scenarios."""
    check = Checker(plan.origins)
    _check_types(plan, check)
    if check.mistakes:  # nothing can be read into what is not even of the right kind
        raise PlanError(check.mistakes)
    wanted = [] if plan.targets is None or plan.script is not None else read_targets(plan.targets)
    if whole:
        _check_kind(plan, check)
    headers = _headers(plan, check)
    url = _url(plan, check)
    if plan.script is None:
        check.optional("base_url", _parse_base, plan.base_url)
    auth = check("auth", partial(_auth, plan), url)
    hops = check("max_redirects", at_most(MAX_HOPS, at_least=0), plan.max_redirects)
    request = _request(plan, url, headers, auth, check)
    sockets = _sockets(plan, url, request, check)
    has_requests = plan.script is None and plan.sockets is None
    mix = _mix(plan, wanted, request, url, check) if request and url and has_requests else None
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
    script_fields = _script_fields(plan, auth, hops, check)
    load, scenarios = _load(plan, check, whole=whole) or (None, [])
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
        "wire": _wire(plan, url, check, scripted=scripted),
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
            base_url=_text_of_base(url),
            headers=request.headers,
            scenarios=scenarios,
            arguments=dict(plan.arguments),
            import_options=dict(plan.import_options),
            notes=tuple(plan.notes),
            seed=int(plan.seed),
            **script_fields,
        )
    users = _most_users(load, scenarios)
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
    fields = [field for field in Plan.__struct_fields__ if field not in unspoken]
    found = {field: origin for field in fields if (origin := plan.origin(field)) != "default"}
    if plan.sockets is not None:
        found |= {field: origin for field, origin in plan.origins.items() if field.startswith("sockets.")}
    if "preset" in found:  # of which the engine's plan has only the stages
        found["preset"] += f" {plan.preset}"
    return found


def _check_kind(plan: Plan, check: Checker) -> None:
    """A blast has one request; a script has a base and limits of its own."""
    for field in _OF_REQUESTS if plan.script is None and plan.sockets is not None else ():
        if plan.origin(field) != "default":
            check.wrong(field, "is for requests, and says nothing about sockets")
    for field in _OF_SCRIPTS if plan.script is None else _OF_BLAST:
        if plan.origin(field) == "default":
            continue
        if plan.script is None:
            check.wrong(
                field, "is for scripts: put the plan beside the scenarios and use `loadgen run FILE.py`"
            )
        elif field == "url":
            check.wrong(field, "is for blast: a script's plan has base_url")
        else:
            check.wrong(field, "is for blast: the scenarios say what is sent")


def _check_types(plan: Plan, check: Checker) -> None:
    """What a script got wrong by kind. Numbers and lengths of time are left to their parsers."""
    texts = (
        "url",
        "method",
        "body_file",
        "base_url",
        "targets",
        "data",
        "preset",
        "name",
        "arrivals",
        "command",
    )
    for field in (*texts, "cacert", "cert", "key", "unix_socket", "proxy", "noproxy"):
        value, required = getattr(plan, field), field in ("arrivals", "command")
        if not isinstance(value, str) and (required or value is not None):
            check.wrong(field, f"expected text, got {quoted(value)}")
    body: object = plan.body
    if not isinstance(body, (bytes, str, type(None))):
        check.wrong("body", f"expected bytes or text, got {quoted(body)}")
    if plan.sockets is not None:
        check_types(plan.sockets, check)
    arguments: object = plan.arguments
    if not isinstance(arguments, Mapping):
        check.wrong(
            "arguments", f'expected names and values such as {{"size": "10"}}, got {quoted(arguments)}'
        )
    else:
        for name, text in arguments.items():
            if not isinstance(name, str) or not isinstance(text, str):
                check.wrong(f"arguments[{name!r}]", f"expected text, as --set gives it, got {quoted(text)}")
    for field in ("cookies", "follow_redirects", "compression", "expect_continue"):
        if not isinstance(switch := getattr(plan, field), bool):
            check.wrong(field, f"expected True or False, got {quoted(switch)}")
    if plan.own_connections and plan.http not in ("auto", "1"):
        check.wrong("own_connections", "needs HTTP/1.1: later versions carry many requests on a connection")
    for field in ("retry", "breaker"):
        policy = getattr(plan, field)
        if policy is not None and (isinstance(policy, type) or not hasattr(policy, "compile")):
            check.wrong(field, f"expected {field.capitalize()}(...), got {quoted(policy)}")
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


def _headers(plan: Plan, check: Checker) -> list[tuple[str, str]]:
    headers = []
    for index, (name, value) in enumerate(_pairs(plan.headers)):
        if not _TOKEN.fullmatch(name):
            check.wrong(f"headers[{index}]", f"expected a header name, got {quoted(name)}")
        elif re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            check.wrong(f"headers[{index}]", f"the value of {name} has control characters")
        else:
            headers.append((name, value.strip()))
    return headers


def _url(plan: Plan, check: Checker) -> Url | None:
    """Of the one request, or of the base."""
    field, where = ("url", plan.url) if plan.script is None else ("base_url", plan.base_url)
    if plan.needs_embedded_target:
        where = f"http://localhost{where or ('/' if plan.sockets is None else HOME)}"
    if plan.script is None and plan.sockets is not None:
        return check(field, parse_socket_url, where)
    if plan.script is None and plan.targets is None:
        return check(field, parse_url_template, where)
    if plan.targets is not None and where is None:
        where = "http://localhost/"  # where no path stands in the file
    return check(field, _parse_base, where)


def _parse_base(text: str) -> Url:
    url = parse_url(f"http://localhost{text}" if text.startswith("/") else text)
    if "?" in url.target:
        raise ValueError(f"expected a base for paths, without a query, got {quoted(without_userinfo(text))}")
    return url


def _text_of_base(url: Url) -> str:
    """Without a slash at its end, because the paths bring one."""
    return url.text.rstrip("/")


def _request(
    plan: Plan, url: Url | None, headers: list[tuple[str, str]], auth: AuthPlan | None, check: Checker
) -> Request | None:
    """The one request; of a script, what all requests have in common."""
    has_body = plan.body is not None or plan.body_file is not None
    method = plan.method or ("POST" if has_body else "GET")
    if not _TOKEN.fullmatch(method):
        check.wrong("method", f'expected a method such as "POST", got {quoted(method)}')
    if url is None:
        return None
    # A script sends it to the base alone.
    if plan.script is None and auth is not None:
        headers = _saying(auth, headers, check if plan.auth is not None else None)
    body = plan.body.encode(errors="surrogateescape") if isinstance(plan.body, str) else plan.body
    if body is not None and plan.body_file is not None:
        check.wrong("body_file", f"cannot be used with {check.named('body')}")
    if plan.expect_continue and not has_body:
        check.wrong("expect_continue", "there is no body to ask about: give --body or --body-file")
    return Request(
        method=method,
        url=url.text,
        headers=_offering(plan, headers),
        body=body,
        body_file=check.optional("body_file", _readable, plan.body_file),
        expect_continue=plan.expect_continue,
    )


def _saying(auth: AuthPlan, headers: list[tuple[str, str]], check: Checker | None) -> list[tuple[str, str]]:
    """The headers of a blast with the one that says who it is from. What a URL says gives way to a header."""
    from loadgen.auth import authorization_of

    if any(name.lower() == "authorization" for name, _ in headers):
        if check is not None:
            check.wrong("auth", "cannot be used with a header Authorization")
        return headers
    said = authorization_of(auth)
    return headers if said is None else [*headers, ("Authorization", said)]


def _readable(name: str) -> str:
    """A file that can be read now, by its absolute name."""
    path = Path(name).expanduser().absolute()
    try:
        with path.open("rb") as file:
            regular = S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from None
    if not regular:
        raise ValueError(f"{name} is no regular file")
    return str(path)


def _mix(plan: Plan, wanted: list[WantedRequest], request: Request, url: Url, check: Checker) -> Mix | None:
    """What is sent, where it is more than one request or has values in it."""
    # The engine's reader says what is wrong with a seed; what is drawn is nothing then.
    seed = int(str(plan.seed)) if str(plan.seed).isdecimal() else 0
    if plan.targets is None:
        if plan.data is None and not is_mix(request):
            return None
        for field in _OF_ONE:
            if getattr(plan, field):
                check.wrong(field, "is for one request, the same every time: without --data and {{name}}")
        return make_mix([("url", request)], [None], plan.data, seed, check)
    for field in ("method", "body", *_OF_ONE):
        if plan.origin(field) != "default":
            check.wrong(field, f"cannot be used with {check.named('targets')}: the file says what is sent")
    paths = any(one.url.startswith("/") for one in wanted)
    if plan.url is not None and not paths:
        check.wrong("url", f"no path in {plan.targets} goes there: each request has a host of its own")
    requests = requests_of(wanted, _text_of_base(url), request.headers, check)
    if check.mistakes:
        return None
    return make_mix(requests, [one.weight for one in wanted], plan.data, seed, check)


def _wire(plan: Plan, url: Url | None, check: Checker, *, scripted: bool) -> Wire:
    wire = read_wire(plan, url, check, scripted=scripted)
    # Sockets begin as HTTP/1.1; over TLS a server would choose HTTP/2 if it were offered.
    secure = plan.sockets is not None and url is not None and url.scheme == "https"
    return msgspec.structs.replace(wire, http="1") if secure else wire


def _sockets(plan: Plan, url: Url | None, request: Request | None, check: Checker) -> Crowd | None:
    if plan.sockets is None or plan.script is not None or url is None or request is None:
        return None
    seed = int(str(plan.seed)) if str(plan.seed).isdecimal() else 0
    return compile_sockets(plan.sockets, url, request.headers, plan.data, seed, check)


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


def _offering(plan: Plan, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if not plan.compression or any(name.lower() == "accept-encoding" for name, _ in headers):
        return headers
    return [*headers, ("Accept-Encoding", ENCODINGS)]


def _auth(plan: Plan, url: Url | None) -> AuthPlan | None:
    if plan.auth is None:
        if url is None or url.userinfo is None:
            return None
        user, _, password = url.userinfo.partition(":")
        return AuthPlan("basic", user, password)
    from loadgen.auth import compile_auth

    return compile_auth(plan.auth)


def _script_fields(plan: Plan, auth: AuthPlan | None, hops: int | None, check: Checker) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "iterations": check.optional("iterations", at_most(MAX_ITERATIONS), plan.iterations),
        "iterations_per_user": check.optional(
            "iterations_per_user", at_most(MAX_ITERATIONS), plan.iterations_per_user
        ),
        "max_users": check.optional("max_users", shapes.check_users, plan.max_users) or DEFAULT_POOL,
        "max_errors": check.optional("max_errors", _parse_max_errors, plan.max_errors),
        "dead_after_ns": check.optional("dead_after", shapes.check_duration, plan.dead_after),
        "own_connections": plan.own_connections,
        "caps": check("caps", _parse_caps, plan.caps) or (),
        "cookies": plan.cookies,
        "auth": auth,
        "follow_redirects": plan.follow_redirects,
        "max_redirects": hops,
    }
    for field in ("retry", "breaker"):
        policy = getattr(plan, field)
        fields[field] = None if policy is None else msgspec.to_builtins(policy.compile())
    return fields


def _parse_caps(caps: object) -> tuple[Cap, ...]:
    found = []
    for cap in caps if isinstance(caps, (list, tuple)) else [caps]:
        if not isinstance(cap, (list, tuple)) or len(cap) != 2:
            raise ValueError(f'expected pairs such as ("30s", 100), from when on how many, got {quoted(cap)}')
        begins, users = cap
        most = None if users is None else shapes.check_users(users)
        found.append(Cap(from_ns=shapes.check_duration(begins, at_least_ns=0), users=most))
    if any(later.from_ns < one.from_ns for one, later in pairwise(found)):
        raise ValueError("expected them in the order of time")
    return tuple(found)


def _parse_max_errors(value: str | int) -> MaxErrors:
    text = str(value).strip()
    share = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text, re.ASCII)
    if share and 0 < float(share[1]) <= 100:
        return MaxErrors(count=None, share=float(share[1]) / 100)
    if isinstance(value, bool) or not re.fullmatch(r"\d+", text, re.ASCII) or int(text) == 0:
        raise ValueError(
            f'expected a number of iterations such as 100, or a share such as "5%", got {quoted(value)}'
        )
    return MaxErrors(count=int(text), share=None)


def _load(
    plan: Plan, check: Checker, *, whole: bool
) -> tuple[OpenLoad | ClosedLoad, list[ScenarioPlan]] | None:
    before = len(check.mistakes)
    wish = LoadWish(
        rate=plan.rate,
        users=plan.users,
        duration=plan.duration,
        stages=plan.stages,
        preset=plan.preset,
        arrivals=plan.arrivals,
    )
    own = [scenario.load for scenario in plan.scenarios if scenario.load is not None]
    is_open = wish.may_be_open or any(load.may_be_open for load in own)
    if not is_open and (whole or plan.users is not None or plan.stages):
        _check_no_arrivals(plan, check)
    if plan.iterations_per_user is not None and whole and _all_open(wish, plan.scenarios):
        check.wrong("iterations_per_user", "needs users: at a rate, an arrival takes any user that is free")
    reading = read_load(wish, check)
    seed = check("seed", at_most(MAX_SEED, at_least=0), plan.seed)
    drop_after_ns = check.optional("drop_late", shapes.check_duration, plan.drop_late)
    if len(check.mistakes) > before or reading is None or seed is None:
        return None
    by_iterations = plan.iterations is not None or plan.iterations_per_user is not None
    played = play_all(
        reading,
        plan.scenarios,
        check,
        default_ns=LONGEST_BY_ITERATIONS_NS if by_iterations else DEFAULT_DURATION_NS,
        seed=seed,
        drop_after_ns=drop_after_ns,
    )
    return None if len(check.mistakes) > before else played


def _check_no_arrivals(plan: Plan, check: Checker) -> None:
    for field in ("arrivals", "drop_late"):
        # What the environment says for all runs is no mistake in this one.
        if plan.origin(field) != "default" and not plan.origin(field).startswith("LOADGEN_"):
            what = "sends when the last has ended" if plan.script is None else "goes on when it has ended"
            check.wrong(field, f"needs a rate (--tps): in the closed model each user {what}")


def _all_open(common: LoadWish, scenarios: Sequence[ScenarioWish]) -> bool:
    wishes = [common if scenario.load is None else scenario.load for scenario in scenarios]
    return bool(wishes) and all(wish.may_be_open for wish in wishes)


def _most_users(load: OpenLoad | ClosedLoad, scenarios: Sequence[ScenarioPlan]) -> int | None:
    """Of a run of users only; None where arrivals come at a rate."""
    own = [scenario.load for scenario in scenarios if scenario.load is not None]
    loads = [load, *own] if len(own) < len(scenarios) or not own else own
    users = 0
    for one in loads:
        if isinstance(one, OpenLoad):
            return None
        users += one.most_users
    return users


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
