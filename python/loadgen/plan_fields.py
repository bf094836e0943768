"""Which fields of a plan belong to which kind of run, and which kind of value each takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loadgen import sockets
from loadgen.checking import Checker
from loadgen.shapes import Stage
from loadgen.units import is_utf8, quoted

if TYPE_CHECKING:
    from loadgen.plan import Plan

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


def check_kind(plan: Plan, check: Checker) -> None:
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


def check_values(plan: Plan, check: Checker) -> None:
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
    for field in (*texts, "script", "cacert", "cert", "key", "unix_socket", "proxy", "noproxy"):
        value, required = getattr(plan, field), field in ("arrivals", "command")
        if not isinstance(value, str) and (required or value is not None):
            check.wrong(field, f"expected text, got {quoted(value)}")
        elif isinstance(value, str) and not is_utf8(value):
            check.wrong(field, f"{quoted(value)} is not UTF-8")
    body: object = plan.body
    if not isinstance(body, (bytes, str, type(None))):
        check.wrong("body", f"expected bytes or text, got {quoted(body)}")
    if plan.sockets is not None:
        sockets.check_types(plan.sockets, check)
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
        ("headers", pairs(plan.headers), _is_header, 'a header such as ("Accept", "text/html")'),
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


def pairs(headers: Any) -> Any:
    return list(headers.items()) if isinstance(headers, Mapping) else headers


def _is_header(item: object) -> bool:
    return isinstance(item, (tuple, list)) and len(item) == 2 and all(isinstance(part, str) for part in item)
