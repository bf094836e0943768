"""From `config` and its phases to the plan of a run."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.requests import TIMEOUT_S, timeout_s
from loadgen.importers.artillery.values import is_true, number_of
from loadgen.importers.artillery.virtual_user import UNDEFINED
from loadgen.plan import Plan

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler
    from loadgen.importers.artillery.phases import Arrivals

MOST_USERS = 100_000
# What clients of Artillery send besides what a step says; the client's own name is ours.
_HEADERS = (("accept", ""), ("accept-encoding", "gzip, deflate, br"), ("connection", "keep-alive"))
_TLS = {"cert": "cert", "key": "key", "ca": "cacert"}


def make_plan(
    config: Mapping[str, Any],
    arrivals: Arrivals,
    path: Path,
    options: Mapping[str, Any],
    compiler: Compiler,
) -> Plan:
    """Where the load goes, and when; what flags say comes over it."""
    http = config.get("http") or {}
    pool = http.get("pool")
    connections = None if pool is None else max(1, int(number_of(pool)) if number_of(pool) >= 1 else 1)
    caps = arrivals.caps
    fewest = min([one for _, one in caps if one] + ([connections] if connections else []), default=None)
    fields: dict[str, Any] = {
        "base_url": _target(config.get("target"), compiler),
        "stages": arrivals.stages,
        "arrivals": "poisson" if arrivals.is_poisson else "constant",
        "timeout": _timeout_s(config, compiler),
        "headers": _headers(config),
        "max_users": MOST_USERS,
        "own_connections": pool is None,
        "connections": connections,
        "caps": tuple(caps),
        "http": "1",
        # A new client has no session to resume.
        "tls_resumption": pool is not None or not str(config.get("target")).startswith("https"),
        "name": f"{path.stem} {options['environment']}" if options.get("environment") else None,
        **_tls(config.get("tls"), path, compiler),
    }
    if fewest is not None and fewest < (os.cpu_count() or 1):
        fields["workers"] = fewest  # each worker has a share of the cap, and one user at least
    return Plan(**{name: value for name, value in fields.items() if value is not None})


def _target(target: Any, compiler: Compiler) -> str | None:
    if target is None or target is UNDEFINED or target == "":
        compiler.note("config.target is missing, so the embedded target takes the load; -t URL names another")
        return None
    if not isinstance(target, str):
        compiler.wrong("config.target", f"expected a URL, got {target!r}")
        return None
    return re.sub("^ws", "http", target) if target.startswith(("ws://", "wss://")) else target


def _timeout_s(config: Mapping[str, Any], compiler: Compiler) -> float:
    found = timeout_s(config)
    if found > 0 and math.isfinite(found):
        return found
    compiler.wrong("config.http.timeout", "expected seconds")
    return TIMEOUT_S


def _headers(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    defaults = (config.get("http") or {}).get("defaults") or {}
    given = defaults.get("headers") or (config.get("defaults") or {}).get("headers") or {}
    found = dict(_HEADERS)
    found |= {
        str(name).lower(): str(value)
        for name, value in given.items()
        if value is not UNDEFINED and value is not None
    }
    return list(found.items())


def _tls(tls: Any, path: Path, compiler: Compiler) -> dict[str, Any]:
    if tls is None:
        return {}
    if not isinstance(tls, Mapping):
        compiler.wrong("config.tls", f"expected rejectUnauthorized and so on, got {tls!r}")
        return {}
    fields: dict[str, Any] = {}
    for key, value in tls.items():
        if key == "rejectUnauthorized":
            fields["insecure"] = not is_true(value) or value == "false"
        elif key in _TLS and isinstance(value, str) and "\n" not in value:
            fields[_TLS[key]] = str(path.parent / value)
        else:
            compiler.note(f"config.tls.{key} is not known here; loadgen has --cacert, --cert and --key")
    return fields
