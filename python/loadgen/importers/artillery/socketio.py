"""The Socket.IO engine: events sent, and what must come back for them. Requests of HTTP stand beside them.

Each virtual user has one connection, by WebSocket from the start, on which its namespaces live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loadgen._engine import monotonic_ns
from loadgen.errors import SocketClosed
from loadgen.importers.artillery import http
from loadgen.importers.artillery.captures import Message, compile_captures
from loadgen.importers.artillery.flow import Around, Engine, Step, nothing
from loadgen.importers.artillery.socketio_link import Link, address
from loadgen.importers.artillery.values import json_text, jsonable, text_of
from loadgen.importers.artillery.virtual_user import VirtualUser, VuFailed
from loadgen.importers.artillery.ws import failed_to_open, leave, patience_of, without_defaults

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler

LINK = "link"
ROOT = "/"
_KNOWN = frozenset({"query", "path", "extraHeaders", "transports", "auth", "timeout", "rejectUnauthorized"})

# The user's engine is where what was measured goes.
# ruff: noqa: SLF001


def _open(compiler: Compiler, scenario: Mapping[str, Any], place: str) -> Step:
    """Connects to the main namespace."""
    del place
    options = {**(compiler.config.get("socketio") or {}), **(scenario.get("socketio") or {})}
    for key in options:
        if key not in _KNOWN and not key.startswith("reconnection"):
            compiler.note(f"config.socketio: {key} has no counterpart here, and is without effect")
    if options.get("transports") != ["websocket"]:
        compiler.note("socketio: it connects by WebSocket at once, and never polls")
    if options.get("reconnection") is not False:
        compiler.note("socketio: a connection that is lost stays lost, and its virtual user fails")
    render = compiler.render({key: value for key, value in options.items() if key != "transports"})
    target = text_of(compiler.config.get("target") or "")
    patience_s = patience_of(compiler.config, "socketio")

    absent = without_defaults(compiler.config)

    async def connect(vu: VirtualUser) -> None:
        asked = render(vu) if callable(render) else render
        headers = absent | {
            str(name).lower(): text_of(value) for name, value in (asked.get("extraHeaders") or {}).items()
        }
        url = address(target, text_of(asked.get("path") or "/socket.io"), asked.get("query"))
        try:
            link = await Link.open(vu.user, url, headers, patience_s)
        except SocketClosed as error:
            raise VuFailed(failed_to_open(error).message, "websocket error") from None
        vu.state = {LINK: link, "auth": asked.get("auth")}
        await link.connect(_namespace(target, ""), asked.get("auth"), patience_s)

    return connect


def _close(compiler: Compiler, scenario: Mapping[str, Any], place: str) -> Step:
    del compiler, scenario, place

    async def close(vu: VirtualUser) -> None:
        link: Link | None = (vu.state or {}).get(LINK)
        if link is not None:
            try:
                await link.close()
            finally:
                leave(vu.user, link.socket)

    return close


def _namespace(target: str, name: str) -> str:
    """What follows the host in the target and the namespace of a step, put together."""
    path = f"{target}{name}".partition("://")[2].partition("/")[2].partition("?")[0]
    return f"/{path}" if path else ROOT


def _emit_step(compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around) -> Step:
    del around
    written = spec["emit"]
    if isinstance(written, Mapping) and "channel" in written:
        written = [written["channel"], written.get("data")]
    if not isinstance(written, list) or not written:
        compiler.wrong(f"{place}.emit", f"expected channel and data, or a list, got {written!r}")
        return nothing
    for key in spec:
        if key not in ("emit", "namespace", "response", "acknowledge", "name"):
            compiler.note(f"{place}.{key} stands beside emit, and is without effect")
    render_arguments = compiler.render(written)
    render_namespace = compiler.render(spec.get("namespace") or "")
    target = text_of(compiler.config.get("target") or "")
    patience_s = patience_of(compiler.config, "socketio")
    response, acknowledge = spec.get("response"), spec.get("acknowledge")
    channel = (response.get("channel") or response.get("on")) if isinstance(response, Mapping) else None
    render_channel = compiler.render(channel)
    expected = _Expected(response, f"{place}.response", compiler) if channel else None
    if expected is not None and acknowledge:
        compiler.note(
            f"{place}: acknowledge beside response is not looked at: Artillery does not ask for it, and fails"
            " where it expects something of it"
        )
    if channel and isinstance(response, Mapping) and not (response.get("data") or response.get("args")):
        compiler.note(
            f"{place}: response without data takes the first answer, where Artillery waits for its timeout"
        )
    acknowledged = (
        _Expected(acknowledge, f"{place}.acknowledge", compiler, default_path="$.0")
        if acknowledge and expected is None
        else None
    )
    label = f"emit {text_of(written[0])}"

    async def emit(vu: VirtualUser) -> None:
        assert vu.state is not None
        link: Link = vu.state[LINK]
        namespace = _namespace(target, text_of(_rendered(render_namespace, vu)))
        await link.connect(namespace, vu.state["auth"], patience_s)
        arguments = jsonable(_rendered(render_arguments, vu))
        vu.emit("counter", "socketio.emit")
        vu.emit("rate", "socketio.emit_rate")
        begun_ns = monotonic_ns()
        ended_ns: int | None = None
        ok, kind = False, None
        try:
            if expected is not None:
                name = text_of(_rendered(render_channel, vu))
                found, ended_ns = await _answer(vu, link, namespace, arguments, name, expected, patience_s)
                expected.take(vu, found)
            elif acknowledged is not None:
                found, ended_ns = await _answer(
                    vu, link, namespace, arguments, None, acknowledged, patience_s
                )
                acknowledged.take(vu, found)
            else:
                await link.emit(namespace, arguments)
            ok = True
        except VuFailed as error:
            kind = "timeout" if error.code == "response timeout" else None
            raise
        finally:
            vu.user._engine.operation(vu.user._place, label, begun_ns, False, ok, ended_ns, kind)
        vu.emit("histogram", "socketio.response_time", ((ended_ns or monotonic_ns()) - begun_ns) / 1e6)

    return emit


async def _answer(
    vu: VirtualUser,
    link: Link,
    namespace: str,
    arguments: list[Any],
    name: str | None,
    expected: _Expected,
    patience_s: float,
) -> tuple[list[Any], int]:
    """Sends an event and waits for what is expected; without a name, for its acknowledgement."""
    came: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    found: list[Any] = []

    def take(data: list[Any], at_ns: int) -> None:
        found.extend(data)
        if not came.done() and (name is None or expected.is_enough(vu, found)):
            came.set_result(at_ns)

    if name is not None:
        link.listen(namespace, name, take)
    number = await link.emit(namespace, arguments, None if name is not None else take)
    try:
        async with asyncio.timeout(patience_s):
            at_ns = await came
    except TimeoutError:
        if not found:
            raise VuFailed("response timeout") from None
        at_ns = monotonic_ns()  # it is looked at as it is, and found wanting
    finally:
        link.unlisten(namespace, name or "", number)
    return found, at_ns


class _Expected:
    """What must come back: data, matches and captures."""

    def __init__(self, spec: Any, place: str, compiler: Compiler, default_path: str | None = None) -> None:
        spec = spec if isinstance(spec, Mapping) else {}
        self._data = compiler.render(spec.get("data") or spec.get("args"))
        self._concat = (
            bool(spec.get("concat")) and default_path is None
        )  # of an acknowledgement it is not asked
        match, capture = spec.get("match"), spec.get("capture")
        if default_path is not None:
            match, capture = _with_path(match, default_path), _with_path(capture, default_path)
        self._match = compile_captures({"match": match}, place, compiler) if match else None
        # Here a capture that finds nothing fails nobody.
        listed = capture if isinstance(capture, list) else [capture] if capture else []
        lenient = [{**one, "strict": False} if isinstance(one, Mapping) else one for one in listed]
        self._capture = compile_captures({"capture": lenient}, place, compiler) if lenient else None

    def is_enough(self, vu: VirtualUser, found: list[Any]) -> bool:
        """Whether it need not wait for more."""
        wanted = _rendered(self._data, vu)
        return not wanted or _is_valid(found, wanted, concat=self._concat)

    def take(self, vu: VirtualUser, found: list[Any]) -> None:
        """Takes the captures; VuFailed where something is not as it must be."""
        wanted = _rendered(self._data, vu)
        if wanted and not _is_valid(found, wanted, concat=self._concat):
            raise VuFailed("data is not valid")
        message: Any = Message(found)
        if self._match is not None and not self._match(message, vu):
            raise VuFailed("Failed match")
        if self._capture is not None:
            self._capture(message, vu)
        if self._match is not None or self._capture is not None:
            vu.vars["$"] = json_text(found)


def _is_valid(found: list[Any], wanted: Any, *, concat: bool) -> bool:
    """A list must be all of it, an object the last; a text must be in the last."""
    if isinstance(wanted, list):
        return bool(jsonable(wanted) == found)
    last = found[-1] if found else None
    if isinstance(wanted, Mapping):
        return bool(jsonable(wanted) == last)
    if not isinstance(wanted, str):
        return False
    text = "".join(text_of(one) for one in found) if concat else last
    return wanted in text if isinstance(text, (str, list)) else False


def _with_path(spec: Any, path: str) -> Any:
    return {**spec, "json": path} if isinstance(spec, Mapping) and "json" not in spec else spec


def _rendered(value: Any, vu: VirtualUser) -> Any:
    return value(vu) if callable(value) else value


ENGINE = Engine(steps={"emit": _emit_step, **http.ENGINE.steps}, open=_open, close=_close)
