"""Artillery's WebSocket engine through the front door: what is sent, what is listened for, what fails."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import label
from tests.support.node_sockets import LIBRARY, NodeSockets
from tests.support.socket_scripts import counter
from tests.support.socket_server import SocketServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection

    from tests.support.artillery import Artillery


def script(target: str, flow: str, config: str = "{}", processor: str = "") -> str:
    indented = textwrap.indent(textwrap.dedent(flow), " " * 6)
    return (
        f"config:\n  target: {target}\n  timeout: 2\n  variables: {{word: blue, n: 4}}\n  ws: {config}\n"
        f"  phases: [{{duration: 1, arrivalCount: 2}}]\n{processor}"
        f"scenarios:\n  - name: talk\n    engine: ws\n    flow:\n{indented}"
    )


class Heard:
    """A server that keeps what it is asked: `reply ` is answered as JSON, `later` after the next message."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.asked: list[tuple[str, str | None, Any]] = []  # path, subprotocol, headers

    def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.asked.append((connection.request.path, connection.subprotocol, connection.request.headers))
        for message in connection:
            assert isinstance(message, str)
            self.messages.append(message)
            if message.startswith("reply "):
                connection.send(json.dumps({"said": message[6:], "list": [1, 2]}))
            elif message == "unasked":
                connection.send("stale")
            elif message == "go":
                connection.send("gone")
            elif message == "empty":
                connection.send("")


def test_messages_are_sent_and_answers_are_taken(artillery: Artillery) -> None:
    heard = Heard()
    with SocketServer(heard, subprotocols=["json"]) as server:
        told = artillery(
            script(
                server.url,
                """\
                - connect:
                    target: "{{ target }}/feed?w={{ word }}&f={x}"
                    headers: {x-who: us}
                - send: "hello {{ word }}"
                - send: {id: "{{ n }}", text: "{{ word }}"}
                - send: {payload: "reply {{ word }}", capture: {json: $.said, as: said}}
                - send: "{{ absent }}"
                - send: unasked
                - think: 0.3s
                - send: {payload: go, match: {regexp: "^gone$", value: gone}}
                - loop:
                    - send: "round {{ $loopCount }} {{ said }}"
                  count: 2
                - send: "reply last"
                - wait: {capture: [{json: "$.list.length", as: size}, {regexp: "la.t", as: found}]}
                - send: "{{ size }}{{ found }}"
                """,
                config="{subprotocols: [json], headers: {x-no: more}, origin: 'http://lost'}",
            )
        )
    assert told.exit_code == 0, told.result
    expected = [
        *("hello blue", '{"id":4,"text":"blue"}', "reply blue", "", "unasked", "go"),
        *("round 0 blue", "round 1 blue", "reply last", "2last"),
    ]
    assert sorted(heard.messages) == sorted(expected * 2)
    assert [(path, protocol) for path, protocol, _ in heard.asked] == [("/feed?w=blue&f={x}", "json")] * 2
    assert heard.asked[0][2]["x-who"] == "us"
    # What `connect` says stands in place of all options; these two it leaves where it names none.
    assert "x-no" not in heard.asked[0][2] and "origin" not in heard.asked[0][2]
    assert counter(told, "websocket.messages_sent") == counter(told, "rates.websocket.send_rate") == 20
    assert counter(told, "websocket.messages_received") == 6
    assert label(told.summary, "WS /feed request")["requests"]["ok"] == 4
    assert {code for code, _ in server.closes} == {1000}


def test_a_greeting_is_heard_by_the_first_step(artillery: Artillery) -> None:
    def greet(connection: ServerConnection) -> None:
        connection.send('{"hello": "you"}')
        for message in connection:
            connection.send(message)

    with SocketServer(greet) as server:
        told = artillery(
            script(
                server.url,
                """\
                - wait: {capture: {json: $.hello, as: who}}
                - send: {payload: "{{ who }}", match: {regexp: .*, value: you}}
                """,
            )
        )
    assert told.exit_code == 0, told.result
    assert told.summary["arrivals"]["completed"] == 2


def test_a_function_says_where_to_connect(artillery: Artillery) -> None:
    artillery.file(
        "hooks.js",
        """\
        module.exports.never = (context, ee, next) => { ee.emit('counter', 'called'); next(); };
        module.exports.where = async (wsArgs, context, next) => {
          wsArgs.target = `${wsArgs.target}/made/${context.vars.word}`;
          wsArgs.subprotocols = ['json'];
          wsArgs.options.headers = { 'x-made': 'yes' };
          next();
        };
        """,
    )
    heard = Heard()
    with SocketServer(heard, subprotocols=["json"]) as server:
        told = artillery(
            script(
                server.url,
                """\
                - connect: {function: where}
                - send: hello
                """,
                processor="  processor: ./hooks.js\n",
            ).replace("engine: ws\n", "engine: ws\n    beforeScenario: never\n")
        )
    assert told.exit_code == 0, told.result
    assert "called" not in told.summary["metrics"]
    told.assert_says("scenarios[0].beforeScenario is without effect, as in Artillery")
    assert [(path, protocol) for path, protocol, _ in heard.asked] == [("/made/blue", "json")] * 2
    assert heard.asked[0][2]["x-made"] == "yes"


@pytest.mark.parametrize(
    ("flow", "code"),
    [
        ("- send: {payload: silence, capture: {json: $.x, as: x}}\n", "response timeout"),
        ("- send: {payload: reply x, match: {json: $.said, value: y}}\n", "Failed capture or match"),
        ("- send: {payload: empty, capture: {regexp: ., as: x}}\n", "Empty response from WS server"),
    ],
)
def test_what_does_not_come_back_as_it_must_fails(artillery: Artillery, flow: str, code: str) -> None:
    heard = Heard()
    with SocketServer(heard) as server:
        told = artillery(script(server.url, f"{flow}- send: never\n"))
    assert told.summary["arrivals"]["failed"] == 2, told.result
    assert counter(told, f"errors.{code}") == 2
    assert "never" not in heard.messages


def test_a_refusal_is_counted_by_nodes_words(artillery: Artillery) -> None:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(403, "not you")

    with SocketServer(Heard(), process_request=refuse) as server:
        told = artillery(script(server.url, "- send: a\n"))
    assert counter(told, "errors.Unexpected server response: 403") == 2, told.result


def test_nodes_own_sockets_agree(
    artillery: Artillery, counterpart: Callable[[str], Path], tmp_path: Path
) -> None:
    counterpart(str(LIBRARY))
    with NodeSockets(counterpart("node"), tmp_path / "node", deflate=True) as server:
        told = artillery(
            script(
                f"{server.url}/bus",
                """\
                - send: {payload: {op: subscribe, id: 1, channel: c}, match: {json: $.op, value: done}}
                """,
            )
        )
        assert told.exit_code == 0, told.result
        counts = server.counts()
    assert counts["connections"] == counts["subscriptions"] == counts["compressed"] == 2
