"""The plan as people write it: values with units, few required."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from loadgen.compiling import EMBEDDED, compile_plan
from loadgen.discreet import Discreet
from loadgen.engine_plan import MAX_REDIRECTS, AuthPlan, EnginePlan
from loadgen.loads import ScenarioWish
from loadgen.shapes import Stage
from loadgen.sockets import HOME, Sockets
from loadgen.targets import read_targets

if TYPE_CHECKING:
    from loadgen.auth import Bearer, DigestAuth
    from loadgen.circuit import Breaker
    from loadgen.retry import Retry


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
        compile_plan(self, whole=self.script is not None)

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
        return compile_plan(self, whole=True)


_DEFAULTS = dict(zip(Plan.__struct_fields__, Plan.__struct_defaults__, strict=True)) | {
    "arguments": {},
    "import_options": {},
}
