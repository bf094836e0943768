"""The WebSocket engine: one socket per virtual user, messages sent, and messages that are waited for.

Only a step that captures or matches listens, as in Artillery: what came before it began is nobody's. What is
sent and answered within one step is measured, from the sending to the answer.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from loadgen.errors import NoReply, SocketClosed
from loadgen.importers.artillery.captures import FAILED, Message, compile_captures
from loadgen.importers.artillery.codes import node_code
from loadgen.importers.artillery.flow import Around, Engine, Step, nothing
from loadgen.importers.artillery.urls import as_node_writes, sendable
from loadgen.importers.artillery.values import json_text, number_of, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser, VuFailed
from loadgen.socket import NORMAL, Socket

if TYPE_CHECKING:
    from loadgen.importers.artillery.captures import Captures
    from loadgen.importers.artillery.flow import Compiler

PATIENCE_S = 10.0
SOCKET = "socket"
# Options of npm's `ws` that have a meaning here; others are told.
_KNOWN = frozenset(
    {"subprotocols", "headers", "timeout", "perMessageDeflate", "handshakeTimeout", "origin", "proxy"}
)
_TLS = frozenset({"rejectUnauthorized"})

# What has come and was not taken is the socket's own.
# ruff: noqa: SLF001


def patience_of(config: Mapping[str, Any], engine: str) -> float:
    """How long to wait for a message: `config.timeout`, then the engine's own."""
    for given in (config.get("timeout"), (config.get(engine) or {}).get("timeout")):
        if given and number_of(given) > 0:
            return number_of(given)
    return PATIENCE_S


def failed_to_open(error: SocketClosed) -> VuFailed:
    """A socket that could not be opened, under the code that Node has for it."""
    if error.status:
        return VuFailed(str(error), f"Unexpected server response: {error.status}")
    return VuFailed(str(error), node_code(error.kind))


def _open(compiler: Compiler, scenario: Mapping[str, Any], place: str) -> Step:
    """Opens the socket that the first step describes."""
    config = compiler.config
    flow = scenario.get("flow") or [{}]
    connect = flow[0].get("connect") if isinstance(flow[0], Mapping) else None
    given = dict(config.get("ws") or {})
    target = config.get("target") or "/"
    hook = None
    if isinstance(connect, Mapping):
        name = connect.get("function")
        if name and compiler.processor is not None and compiler.processor.has(str(name)):
            hook = compiler.processor.connect(str(name))
        else:
            if name:
                compiler.note(f"{place}.flow[0].connect: there is no function {name} in the processor")
            # An object stands in place of all other options.
            given = {key: given[key] for key in ("headers", "subprotocols") if key in given}
            given |= {key: value for key, value in connect.items() if key not in ("target", "function")}
            target = connect.get("target", target)
    elif connect:
        target = connect
    for key in given:
        if key not in _KNOWN | _TLS:
            compiler.note(f"config.ws: {key} has no counterpart here, and is without effect")
    if given.get("proxy"):
        compiler.note("config.ws.proxy: the proxy is the run's: give it as --proxy")
    render_target = compiler.render(target)
    arguments = {
        "options": {key: value for key, value in given.items() if key != "subprotocols"},
        "subprotocols": _subprotocols(given),
    }

    absent = without_defaults(config)

    async def connect_to(vu: VirtualUser) -> None:
        url = text_of(render_target(vu) if callable(render_target) else render_target)
        asked: dict[str, Any] = {**arguments, "target": re.sub("^http", "ws", url)}
        if hook is not None:
            asked = msgspec.json.decode(msgspec.json.encode(asked))
            await hook(vu, asked)
        options = asked.get("options") or {}
        headers = absent | {
            str(key).lower(): text_of(value) for key, value in (options.get("headers") or {}).items()
        }
        if options.get("origin"):
            headers["origin"] = text_of(options["origin"])
        more: dict[str, Any] = {}
        if options.get("handshakeTimeout"):
            more["timeout"] = number_of(options["handshakeTimeout"]) / 1e3
        address = as_node_writes(text_of(asked["target"]))
        opening = vu.user.ws(
            address,
            name=f"WS {urlsplit(address).path or '/'}",  # what is asked behind it makes no other endpoint
            subprotocols=[text_of(one) for one in asked.get("subprotocols") or ()],
            deflate=options.get("perMessageDeflate", True) is not False,  # as npm's client
            headers={key: value for key, value in headers.items() if key != "sec-websocket-protocol"},
            **sendable(address, more),
        )
        try:
            socket = await opening.open()
        except SocketClosed as error:
            raise failed_to_open(error) from None
        vu.state = {SOCKET: socket, "is fresh": True}

    return connect_to


def _subprotocols(options: Mapping[str, Any]) -> list[str]:
    """Those that are listed, then those of a header."""
    listed = options.get("subprotocols") or []
    found = [str(one) for one in ([listed] if isinstance(listed, str) else listed)]
    for name, value in (options.get("headers") or {}).items():
        if name.lower() == "sec-websocket-protocol":
            found += [one.strip() for one in str(value).split(",")]
    return found


def _close(compiler: Compiler, scenario: Mapping[str, Any], place: str) -> Step:
    """Says goodbye. The virtual user does not wait for the answer."""
    del compiler, scenario, place

    async def close(vu: VirtualUser) -> None:
        leave(vu.user, (vu.state or {}).get(SOCKET))

    return close


def without_defaults(config: Mapping[str, Any]) -> dict[str, str]:
    """Headers that take those of the run's requests away: a handshake has none of them."""
    http = (config.get("http") or {}).get("defaults") or {}
    given = http.get("headers") or (config.get("defaults") or {}).get("headers") or {}
    return dict.fromkeys(
        ("accept", "accept-encoding", "connection", *(str(name).lower() for name in given)), ""
    )


def leave(user: Any, socket: Socket | None) -> None:
    """Closes a socket, whose answer comes while others go on."""
    if socket is not None:
        socket._leave(NORMAL, "")
        user._sockets.discard(socket)


def _connect_step(compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around) -> Step:
    del spec, around
    if not place.endswith(".flow[0]"):
        compiler.note(f"{place}.connect is without effect: the first step alone says where to connect")
    return nothing


def _send_step(compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around) -> Step:
    del around
    written = spec["send"]
    listens = isinstance(written, Mapping) and ("capture" in written or "match" in written)
    take = compile_captures(written, f"{place}.send", compiler) if listens else None
    if listens and "payload" not in written:
        return _listen(compiler, take)
    render = compiler.render(written["payload"] if listens else written)
    patience_s = patience_of(compiler.config, "ws")

    async def send(vu: VirtualUser) -> None:
        socket = _socket(vu)
        value = render(vu) if callable(render) else render
        if value is UNDEFINED:
            value = ""
        text = json_text(value) if isinstance(value, (dict, list)) else text_of(value)
        vu.emit("counter", "websocket.messages_sent")
        vu.emit("rate", "websocket.send_rate")
        try:
            if take is None:
                await socket.send(text)
                return
            message = await socket.request(text, timeout=patience_s)
        except NoReply:
            raise VuFailed("response timeout") from None
        except SocketClosed as error:
            raise _lost(error, listens=listens) from None
        _look(vu, message, take)

    return send


def _wait_step(compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around) -> Step:
    del around
    written = spec["wait"]
    if not isinstance(written, Mapping) or not ("capture" in written or "match" in written):
        compiler.wrong(f"{place}.wait", f"expected capture or match, got {written!r}")
        return nothing
    return _listen(compiler, compile_captures(written, f"{place}.wait", compiler))


def _listen(compiler: Compiler, take: Captures | None) -> Step:
    patience_s = patience_of(compiler.config, "ws")

    async def wait(vu: VirtualUser) -> None:
        socket = _socket(vu)
        try:
            message = await socket.recv(patience_s)
        except TimeoutError:
            raise VuFailed("response timeout") from None
        except SocketClosed as error:
            raise _lost(error, listens=True) from None
        _look(vu, message, take)

    return wait


def _socket(vu: VirtualUser) -> Socket:
    """The user's socket, with nothing left of what came while nobody listened.

    A greeting may come with the answer to the handshake itself: the first step still hears it.
    """
    assert vu.state is not None
    socket: Socket = vu.state[SOCKET]
    if vu.state["is fresh"]:
        vu.state["is fresh"] = False
    else:
        socket._pull()
        socket._taken.clear()
    return socket


def _look(vu: VirtualUser, message: str | bytes, take: Captures | None) -> None:
    vu.emit("counter", "websocket.messages_received")
    vu.emit("rate", "websocket.receive_rate")
    if not message:
        raise VuFailed("Empty response from WS server")
    value: Any = message.decode(errors="replace") if isinstance(message, bytes) else message
    with contextlib.suppress(ValueError):
        value = msgspec.json.decode(value)
    heard: Any = Message(value)
    if take is not None and not take(heard, vu):
        raise VuFailed(FAILED)


def _lost(error: SocketClosed, *, listens: bool) -> VuFailed:
    """A socket that was lost: who listens would wait in vain, who sends is told by Node's `ws`."""
    code = "response timeout" if listens else "WebSocket is not open: readyState 3 (CLOSED)"
    return VuFailed(str(error), code)


ENGINE = Engine(
    steps={"connect": _connect_step, "send": _send_step, "wait": _wait_step}, open=_open, close=_close
)
