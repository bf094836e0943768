"""The options that commands share, and where each value came from. Values stay text: the plan reads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from loadgen.bodies import FORM_TYPE, form_body, multipart_body
from loadgen.cli import OUTPUTS
from loadgen.engine_plan import MAX_REDIRECTS, basic_authorization
from loadgen.errors import UsageError
from loadgen.live.access import DEFAULT
from loadgen.outputs.kinds import KINDS
from loadgen.shapes import PRESETS, Stage
from loadgen.templates import around_values, has_values
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen.auth import DigestAuth

F = TypeVar("F", bound=Callable[..., Any])

LOAD_OPTIONS = ("tps", "users", "stage", "preset")


class _Lines(click.types.StringParamType):
    """Text that may be given several times; in the environment, one a line: values have spaces in them."""

    envvar_list_splitter = "\n"


class Parsed(click.ParamType[Any]):
    """A value that is refused in the words of its parser, which raises ValueError."""

    def __init__(self, parse: Callable[[str], object], metavar: str = "N") -> None:
        self.name = metavar
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """What click asks for."""
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """A click option that also reads LOADGEN_<OPTION>."""
    long = next(name for name in names if name.startswith("--"))
    if settings.get("multiple"):
        settings["type"] = _Lines()
    settings.setdefault("envvar", f"LOADGEN_{long[2:].upper().replace('-', '_')}")
    return click.option(*names, **settings)


def _keep_outputs(ctx: click.Context, _parameter: click.Parameter, value: Sequence[str]) -> Sequence[str]:
    ctx.meta[OUTPUTS] = value
    return value


PRESET_HELP = "\b\nPresets:\n" + "\n".join(
    f"  {name:<8}{preset.duration:<5}{preset.purpose}" for name, preset in PRESETS.items()
)

_SEED = option("--seed", metavar="N", default="1", show_default=True, help="Makes what is drawn repeatable.")
_HOW_MUCH: list[Callable[[Any], Any]] = [
    option(
        "-r", "--tps", metavar="RATE", help='Open model: arrivals per second, such as 5000, "300/m", 0.5/s.'
    ),
    option(
        "-u", "--users", metavar="N", help="Closed model: users, each sending when answered. Default: 10."
    ),
    option("-d", "--duration", metavar="T", help="How long: 30s, 5m, 1h30m. Default: 10s."),
    option(
        "--stage",
        multiple=True,
        metavar="T:RATE",
        help="Ramp to RATE (or to Nusers) in T, from where the last stage ended, the first from 0. "
        "Repeatable; 0s:RATE jumps.",
    ),
    option(
        "--preset",
        metavar="NAME",
        help="A named shape (see below), scaled by --tps or --users; -d stretches it.",
    ),
    option(
        "--arrivals",
        metavar="KIND",
        default="constant",
        show_default=True,
        help="How arrivals are spread: constant, poisson, or bursts: onoff:ON/OFF, with RATE as their mean.",
    ),
    _SEED,
    option("--drop-late", metavar="T", help="Give up arrivals that are later than T; they are counted."),
]
_SCRIPT: list[Callable[[Any], Any]] = [
    option(
        "--url", "--host", metavar="BASE", help="What paths in the script are put behind, over its base_url."
    ),
    option(
        "--scenario",
        multiple=True,
        metavar="NAME",
        help="Run this one of the script's scenarios. Repeatable.",
    ),
    option("--set", "set_", multiple=True, metavar="NAME=VALUE", help="For user.arguments. Repeatable."),
]
_ITERATIONS: list[Callable[[Any], Any]] = [
    option("--iterations", metavar="N", help="End when all users together have done so many."),
    option("--iterations-per-user", metavar="N", help="Each user ends when it has done so many."),
]
_MAX_USERS = option(
    "--max-users", metavar="N", help="Open model: the largest pool of users. Default: 10,000."
)
_MAX_ERRORS = option(
    "--max-errors", metavar="N", help="Stop when so many iterations have failed: 100, or 5%."
)
_USERS: list[Callable[[Any], Any]] = [
    _MAX_USERS,
    _MAX_ERRORS,
    option("--dead-after", metavar="T", help="Stop when no request has been answered for so long."),
]
_WORKERS = option(
    "-w", "--workers", metavar="N", help="Worker processes. Default: the cores, less one of several."
)
_PACING = option(
    "--pacing",
    metavar="HOW",
    default="hybrid",
    show_default=True,
    help="How hard to work for precision: eco, hybrid or spin.",
)
_DRAIN = option(
    "--drain",
    metavar="T",
    default="30s",
    show_default=True,
    help="How long to wait for what is in flight at the end.",
)
_HOW: list[Callable[[Any], Any]] = [
    option(
        "-c",
        "--connections",
        metavar="N",
        help="Cap on connections. Default: as many as needed, up to 10,000; with --users, one for each.",
    ),
    _WORKERS,
    _PACING,
    option(
        "--reactor",
        metavar="KIND",
        default="auto",
        show_default=True,
        help="System interface: auto, epoll or uring.",
    ),
    _DRAIN,
]
_TLS: list[Callable[[Any], Any]] = [
    option("--cacert", metavar="FILE", help="Trust these certificates instead of the system's."),
    option("--cert", metavar="FILE", help="The client's own certificate, in PEM form."),
    option("--key", metavar="FILE", help="Its key, where it is not in the same file."),
    option("-k", "--insecure", is_flag=True, help="Trust whoever answers, whatever the certificate says."),
    option("--tls-min", metavar="1.2|1.3", default="1.2", show_default=True, help="Refuse older TLS."),
    option("--no-tls-resumption", is_flag=True, help="Make every TLS handshake a full one."),
]
_HTTP: list[Callable[[Any], Any]] = [
    option("--http1", is_flag=True, help="Speak HTTP/1.1, whatever the server offers."),
    option("--http2", is_flag=True, help="Speak HTTP/2; without TLS the server must know beforehand."),
    option("--http3", is_flag=True, help="Speak HTTP/3, and nothing else; young."),
    option("--streams", metavar="N", help="HTTP/2 and 3: requests at once on a connection. Default: 100."),
    option("--no-keepalive", is_flag=True, help="Make a new connection for every request."),
    option("--max-idle", metavar="T", help="Do not use a connection again that was idle for longer."),
    option("--max-lifetime", metavar="T", help="Do not use a connection again that is older."),
]
_ROUTES: list[Callable[[Any], Any]] = [
    option("--bind", metavar="ADDRESSES", help="Connect from these in turns: 127.0.0.2-127.0.0.9,127.0.1.1."),
    option("--unix-socket", metavar="PATH", help="Connect to this socket; the URL says only what to ask."),
    option("-x", "--proxy", metavar="URL", help="http://, socks5:// or socks5h://HOST:PORT."),
    option("--noproxy", metavar="HOSTS", help="Hosts to reach without the proxy, separated by commas."),
    option(
        "--resolve",
        multiple=True,
        metavar="HOST:PORT:ADDRESS",
        help="The address of a host, instead of what the resolver says. Repeatable.",
    ),
]
_WIRE = [*_TLS, *_HTTP, *_ROUTES]
# Those that have the plan's names and values.
WIRE_FIELDS = (
    *("cacert", "cert", "key", "insecure", "tls_min", "streams", "max_idle", "max_lifetime"),
    *("bind", "unix_socket", "proxy", "noproxy", "resolve"),
)
# Flags that set a field of another name.
WIRE_FLAGS: dict[str, tuple[str, Any]] = {
    "http1": ("http", "1"),
    "http2": ("http", "2"),
    "http3": ("http", "3"),
    "no_keepalive": ("keepalive", False),
    "no_tls_resumption": ("tls_resumption", False),
}
_METHOD = option(
    "-X", "--request", "method", metavar="METHOD", help="Default: GET, or POST where there is a body."
)
_HEADER = option(
    "-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header. Repeatable."
)
_COMPRESSED = option("--compressed", is_flag=True, help="Offer gzip, deflate, br and zstd.")
_BODY: list[Callable[[Any], Any]] = [
    option("--body", metavar="TEXT", help="The body."),
    option("--body-file", metavar="FILE", help="The body from a file; - is stdin."),
    option("--expect-continue", is_flag=True, help="Ask whether the body is wanted before sending it."),
    option("--json", "json_text", metavar="JSON", help="A JSON body, with its Content-Type and Accept."),
    option("--form", multiple=True, metavar="NAME=VALUE", help="A field of a form. Repeatable."),
    option(
        "-F",
        "--multipart",
        multiple=True,
        metavar="NAME=VALUE",
        help="A part of a form, or NAME=@FILE to upload a file. Repeatable.",
    ),
]
_AUTHORIZATION: list[Callable[[Any], Any]] = [
    option("--auth", metavar="USER:PASSWORD", help="Basic authorization; it is stored nowhere."),
    option("--bearer", metavar="TOKEN", help="A bearer token; it is stored nowhere."),
]
_DIGEST = option("--digest", is_flag=True, help="Prove --auth by answers to the server's challenges instead.")
_REDIRECTS: list[Callable[[Any], Any]] = [
    option("-L", "--location", is_flag=True, help="Follow redirects; each hop is a request of its own."),
    option("--max-redirs", metavar="N", help=f"Hops of a request, at most. Default: {MAX_REDIRECTS}."),
]
_MANY: list[Callable[[Any], Any]] = [
    option(
        "--targets", metavar="FILE", help="Many requests, one a line: [WEIGHT] [METHOD] URL; or vegeta's."
    ),
    option("--data", metavar="FILE", help="Rows (CSV, JSON Lines) for {{name}} in URL, headers and body."),
]
_TIMEOUT = option(
    "--timeout", metavar="T", default="30s", show_default=True, help="For a response to be complete."
)
TOLERANCE = option(
    "--tolerance",
    metavar="SHARE",
    default="3%",
    show_default=True,
    help="Than --baseline a figure may be worse by so much.",
)
_WHERE: list[Callable[[Any], Any]] = [
    option("--name", metavar="TEXT", help="What to call the run."),
    option("--out", metavar="DIR", help="The run folder. Default: runs/<time>-<name>."),
    option("--summary-json", metavar="PATH", help="The summary also here; - is stdout."),
]
_QUIET = option("-q", "--quiet", is_flag=True, help="Nothing but the closing table.")
_OUTPUT = option(
    "--output",
    "outputs",
    multiple=True,
    metavar="KIND[=ARG]",
    callback=_keep_outputs,
    help=f"Who else receives the results, such as prometheus, influx=URL, junit=FILE. Repeatable. Kinds: "
    f"{', '.join(KINDS)}.",
)
_WHAT_OF_IT: list[Callable[[Any], Any]] = [
    option(
        "--threshold",
        "thresholds",
        multiple=True,
        metavar="EXPR",
        help='A condition, such as "p99 < 250ms" or "errors < 1%". Repeatable; one that fails: exit code 1. '
        'After it "over 30s" asks it of every 30 s of the run, "after 10s" leaves out the first 10 s, '
        '"abort" stops the run once it fails. "burn(99.9%) < 10 over 1m" is of the error budget.',
    ),
    *_WHERE,
    _OUTPUT,
    option("--baseline", metavar="RUN", help="Compare with this run folder at the end; see loadgen compare."),
    TOLERANCE,
    option(
        "--page",
        metavar="[HOST:PORT]",
        is_flag=False,
        flag_value=DEFAULT,
        help="Serve the live page there, to watch the run and to change its load. Default: a free port on "
        "loopback; elsewhere it has a token.",
    ),
    _QUIET,
    option("--no-live", is_flag=True, help="Plain lines instead of the live view and its keys."),
]


def blast_options(command: F) -> F:
    """All options of a blast, in the order of the help."""
    what = [_METHOD, _HEADER, _COMPRESSED, *_AUTHORIZATION, _DIGEST, *_REDIRECTS, *_BODY, *_MANY]
    return _add([*_HOW_MUCH, *_HOW, *_WIRE, *what, _TIMEOUT, *_WHAT_OF_IT], command)


def script_options(command: F) -> F:
    """Those that a script leaves open: what is sent, it says itself."""
    what = [_HEADER, _COMPRESSED, *_REDIRECTS, _TIMEOUT]
    how_much = [*_SCRIPT, *_HOW_MUCH, *_ITERATIONS, *_USERS]
    return _add([*how_much, *_HOW, *_WIRE, *what, *_WHAT_OF_IT], command)


def search_options(what: list[Callable[[Any], Any]]) -> Callable[[F], F]:
    """Those of a blast and of a script without their load, after what only a search has."""
    sent = [_METHOD, _HEADER, _COMPRESSED, *_AUTHORIZATION, _DIGEST, *_REDIRECTS, *_BODY, *_MANY]
    common = [_SEED, *_HOW, *_WIRE, *sent, _TIMEOUT, *_WHERE, _QUIET]
    return partial(_add, [*what, *_SCRIPT, *_USERS, *common])


def socket_options(what: list[Callable[[Any], Any]]) -> Callable[[F], F]:
    """Those that sockets have in common with requests, after what only they have."""
    common = [_HEADER, *_AUTHORIZATION, *_TLS, *_ROUTES, _WORKERS, _PACING, _DRAIN, _SEED, *_WHAT_OF_IT]
    return partial(_add, [*what, *common])


def imported_options(command: F) -> F:
    """Those for what comes of a run, for files of another tool, whose own flags say what is sent."""
    what_of_it = [one for one in _WHAT_OF_IT if one is not _OUTPUT]
    return _add([_WORKERS, _PACING, _DRAIN, _SEED, _MAX_USERS, _MAX_ERRORS, *what_of_it], command)


def _add(options: list[Callable[[Any], Any]], command: F) -> F:
    for add in reversed(options):
        command = add(command)
    return command


def origins(ctx: click.Context) -> dict[str, str]:
    """Option name to where its value came from: the flag, the variable, or default."""
    found = {}
    for parameter in ctx.command.params:
        if not isinstance(parameter, click.Option) or parameter.name is None:
            continue
        source = ctx.get_parameter_source(parameter.name)
        long = next((name for name in parameter.opts if name.startswith("--")), parameter.opts[0])
        if source is ParameterSource.COMMANDLINE:
            found[parameter.name] = long
        elif source is ParameterSource.ENVIRONMENT:
            found[parameter.name] = str(parameter.envvar)
        else:
            found[parameter.name] = "default"
    return found


def prefer_flags(values: dict[str, Any], found: dict[str, str]) -> None:
    """A load on the command line stands for itself: what the environment says of another is set aside."""
    if any(found[name].startswith("--") for name in LOAD_OPTIONS):
        for name in LOAD_OPTIONS:
            if found[name].startswith("LOADGEN_"):
                values[name] = () if name == "stage" else None
                found[name] = "default"
    if found["stage"].startswith("--") and found["duration"].startswith("LOADGEN_"):
        values["duration"], found["duration"] = None, "default"


def read_wire_options(values: dict[str, Any], found: dict[str, str]) -> dict[str, Any]:
    """The plan's fields that options ask for which have names of their own; their origins are `found` too."""
    versions = [name for name in ("http1", "http2", "http3") if values.get(name)]
    if len(versions) > 1:
        raise UsageError(f"{found[versions[1]]}: cannot be used with {found[versions[0]]}")
    fields = {name: values[name] for name in WIRE_FIELDS if found.get(name, "default") != "default"}
    for flag, (name, value) in WIRE_FLAGS.items():
        if values.get(flag):
            fields[name], found[name] = value, found[flag]
    return fields


def read_stages(texts: tuple[str, ...], place: str) -> list[Stage]:
    """`T:RATE` each."""
    try:
        return [Stage.parse(text) for text in texts]
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None


def read_headers(texts: tuple[str, ...], place: str) -> list[tuple[str, str]]:
    """`Name: value` each, as curl has it."""
    headers = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise UsageError(f'{place}: expected NAME:VALUE such as "Accept: text/html", got {quoted(text)}')
        headers.append((name.strip(), value.strip()))
    return headers


def add_authorization(
    values: dict[str, Any], found: dict[str, str], headers: list[tuple[str, str]]
) -> DigestAuth | None:
    """The header that --auth or --bearer stands for; or, with --digest, what challenges are answered with."""
    given = [name for name in ("auth", "bearer") if values[name] is not None]
    if values.get("digest") and given != ["auth"]:
        raise UsageError(f"{found['digest']}: needs --auth USER:PASSWORD, and nothing else")
    if not given:
        return None
    place = found[given[0]]
    if len(given) > 1:
        raise UsageError(f"{found[given[1]]}: cannot be used with {place}")
    if any(name.lower() == "authorization" for name, _ in headers):
        raise UsageError(f"{place}: cannot be used with a header Authorization")
    text: str = values[given[0]]
    if given[0] == "bearer":
        if not text.strip():
            raise UsageError(f"{place}: expected a token")
        headers.append(("Authorization", f"Bearer {text.strip()}"))
        return None
    if ":" not in text:
        raise UsageError(f"{place}: expected USER:PASSWORD")
    if has_values(text):
        raise UsageError(
            f"{place}: cannot have a {{{{name}}}} in it, because it is encoded as a whole",
            hint='put the encoded text into the rows: -H "Authorization: Basic {{basic}}"',
        )
    if values.get("digest"):
        from loadgen.auth import DigestAuth  # few runs need it

        user, _, password = text.partition(":")
        try:
            return DigestAuth(user, password)
        except ValueError as error:
            raise UsageError(f"{place}: {error}") from None
    headers.append(("Authorization", basic_authorization(text)))
    return None


_BODIES = ("body", "body_file", "json_text", "form", "multipart")


# A file up to this size is held in memory, and may have values in it.
HELD_BYTES = 1_000_000


def take_large_body(url: str | None, values: dict[str, Any]) -> str | None:
    """The file of the body, if it is to be read while it is sent; it is a body to be read here no more."""
    name: str | None = values["body_file"]
    others = [values[other] for other in ("data", "targets", *_BODIES) if other != "body_file"]
    others += [text for text in (url or "", *values["headers"]) if has_values(text)]
    try:
        large = name not in (None, "-") and Path(str(name)).stat().st_size > HELD_BYTES
    except OSError:
        return None  # reading it will say why
    # io_uring sends a request as a whole.
    if not large or any(others) or values["reactor"] == "uring":
        return None
    values["body_file"] = None
    return name


def read_body(values: dict[str, Any], found: dict[str, str], headers: list[tuple[str, str]]) -> bytes | None:
    """The one body that was asked for; JSON brings its headers along, where they are not given."""
    body: str | None = values["body"]
    body_file: str | None = values["body_file"]
    json_text: str | None = values["json_text"]
    given = [found[name] for name in _BODIES if values.get(name) not in (None, ())]
    if len(given) > 1:
        raise UsageError(f"{given[1]}: cannot be used with {given[0]}")
    if body_file is not None:
        try:
            return sys.stdin.buffer.read() if body_file == "-" else Path(body_file).read_bytes()
        except OSError as error:
            raise UsageError(f"{given[0]}: {body_file} cannot be read: {error.strerror or error}") from None
    if json_text is not None:
        try:
            json.loads(around_values(json_text, str, instead="0"))
        except ValueError as error:
            raise UsageError(
                f"{given[0]}: expected a JSON document, got {quoted(json_text)}: {error}"
            ) from None
        _bring(headers, [(name, "application/json") for name in ("Content-Type", "Accept")])
        return json_text.encode()
    try:
        if values.get("form"):
            _bring(headers, [("Content-Type", FORM_TYPE)])
            return form_body(values["form"])
        if values.get("multipart"):
            parts, content_type = multipart_body(values["multipart"])
            if any(name.lower() == "content-type" for name, _ in headers):
                raise ValueError("its Content-Type cannot be given: it names the boundary of the parts")
            headers.append(("Content-Type", content_type))
            return parts
    except ValueError as error:
        raise UsageError(f"{given[0]}: {error}") from None
    return None if body is None else body.encode(errors="surrogateescape")


def _bring(headers: list[tuple[str, str]], brought: list[tuple[str, str]]) -> None:
    """Headers that an option brings along, where they are not given."""
    named = {name.lower() for name, _ in headers}
    headers += [header for header in brought if header[0].lower() not in named]


def read_arguments(texts: tuple[str, ...], place: str) -> dict[str, str]:
    """`NAME=VALUE` each; the last of a name counts."""
    arguments = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f'{place}: expected NAME=VALUE such as "size=10", got {quoted(text)}')
        arguments[name.strip()] = value
    return arguments
