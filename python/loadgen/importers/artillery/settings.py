"""From the file and the flags to `config`: inputs joined, environment, overrides, templates filled in."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.beginning import surroundings_of
from loadgen.importers.artillery.document import Document, merged, overridden
from loadgen.importers.artillery.templates import render_with

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler, Function

_TOP = ("config", "scenarios", "before", "after")
_CONFIG = frozenset(
    {
        *("target", "phases", "environments", "processor", "variables", "payload", "tls", "http", "ws"),
        *("socketio", "engines", "plugins", "ensure", "apdex", "bundling", "includeFiles", "timeout", "mode"),
        *("statsInterval", "defaults", "engine"),
    }
)
_HTTP = frozenset(
    {
        *("timeout", "maxSockets", "pool", "extendedMetrics", "distributedTracing", "cookieJarOptions"),
        "defaults",
    }
)


def read_inputs(path: Path, options: Mapping[str, Any]) -> tuple[Document, dict[str, Any]]:
    """The script, with `--input` and `--config` joined to it; of places, the first file knows the lines."""
    document = Document(path)
    values: dict[str, Any] = document.values
    more = [*options.get("inputs", ()), *([options["config"]] if options.get("config") else [])]
    for name in more:
        values = merged(values, Document(Path(name)).values)
    return document, dict(values)


def read_config(
    values: Mapping[str, Any],
    path: Path,
    options: Mapping[str, Any],
    functions: Mapping[str, Function],
    compiler: Compiler,
) -> dict[str, Any]:
    """What the run goes by."""
    config: Any = values.get("config") or {}
    if not isinstance(config, Mapping):
        compiler.wrong("config", f"expected target, phases and so on, got {config!r}")
        return {}
    config = _in_environment(dict(config), options.get("environment"), compiler)
    if options.get("target"):
        config["target"] = options["target"]
    if options.get("insecure"):
        config["tls"] = {**(config.get("tls") or {}), "rejectUnauthorized": False}
    if options.get("overrides"):
        over = options["overrides"]
        config = overridden(config, over.get("config") or {})
    if options.get("variables"):
        config["variables"] = {**(config.get("variables") or {}), **options["variables"]}
    known = {**surroundings_of(path, options), **options.get("variables", {})}
    rendered: dict[str, Any] = render_with(config, known, functions)
    _tell_unknown(values, rendered, compiler)
    return rendered


def _in_environment(config: dict[str, Any], name: str | None, compiler: Compiler) -> dict[str, Any]:
    if name is None:
        return config
    environments = config.get("environments") or {}
    if name not in environments:
        compiler.note(f"--environment {name}: config.environments has no such name, so nothing changes")
        return config
    joined: dict[str, Any] = merged(config, environments[name])
    return joined


def _tell_unknown(values: Mapping[str, Any], config: Mapping[str, Any], compiler: Compiler) -> None:
    for key in values:
        if key not in _TOP and not key.startswith(("x-", "_", "$")):
            compiler.note(_unknown(key, key, _TOP))
    for key in config:
        if key not in _CONFIG:
            compiler.note(_unknown(f"config.{key}", key, _CONFIG))
    http = config.get("http")
    for key in http if isinstance(http, Mapping) else ():
        if key not in _HTTP:
            compiler.note(_unknown(f"config.http.{key}", key, _HTTP))
    if isinstance(http, Mapping) and "maxSockets" in http:
        compiler.note("config.http.maxSockets is without effect, as in Artillery; `pool` limits connections")
    if isinstance(http, Mapping) and "cookieJarOptions" in http:
        compiler.note("config.http.cookieJarOptions is without effect: cookies are kept as browsers do")


def _unknown(place: str, key: str, known: Any) -> str:
    near = get_close_matches(key, known, n=1)
    return f"{place} is not known, and without effect" + (f": did you mean {near[0]}?" if near else "")
