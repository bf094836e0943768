"""Artillery's Socket.IO engine through the front door, against a server by another hand."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.support.books import label
from tests.support.socket_scripts import counter
from tests.support.socketio_server import SocketIoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Target
    from tests.support.artillery import Artillery


@pytest.fixture
def server() -> Iterator[SocketIoServer]:
    with SocketIoServer() as found:
        yield found


def script(server: SocketIoServer, flow: str, config: str = "{}") -> str:
    indented = textwrap.indent(textwrap.dedent(flow), " " * 6)
    return (
        f"config:\n  target: {server.url}\n  timeout: 2\n  variables: {{word: blue, n: 4}}\n"
        f"  phases: [{{duration: 1, arrivalCount: 2}}]\n"
        f"scenarios:\n  - name: talk\n    engine: socketio\n    socketio: {config}\n    flow:\n{indented}"
    )


def test_events_go_out_and_answers_are_taken(artillery: Artillery, server: SocketIoServer) -> None:
    told = artillery(
        script(
            server,
            """\
            - emit: {channel: note, data: "say {{ word }}"}
            - emit: {channel: echo, data: {id: "{{ n }}"}}
              response: {channel: echoed, data: {id: 4}, capture: {json: "$.0.id", as: seen}}
            - emit: [echo, "{{ seen }}", {deep: [1]}]
              response: {on: echoed, args: ["{{ seen }}", {deep: [1]}]}
            - emit: [twice, 1]
              response: {on: echoed, args: [1, 1]}
            - emit: [add, 2, 3]
              acknowledge: {match: {json: "$.0", value: 5}, capture: {json: "$.1.of", as: count}}
            - think: 0.5s
            - emit: [bytes]
              response: {on: echoed, capture: {json: "$.0.raw.data.1", as: byte}}
            - emit: [done, "{{ seen }}", "{{ count }}", "{{ byte }}"]
            - get: {url: /page, expect: {statusCode: 200}}
            """,
            config='{query: {token: "{{ word }}"}, extraHeaders: {x-who: us}, transports: [websocket], '
            "reconnection: false}",
        )
    )
    assert told.exit_code == 0, told.result
    assert "socketio: " not in told.text
    told.assert_says("flow[6]: response without data takes the first answer")
    assert [one["namespace"] for one in server.connects] == ["/", "/"]
    assert server.connects[0]["query"] == {"token": "blue", "EIO": "4", "transport": "websocket"}
    assert server.connects[0]["headers"]["x-who"] == "us"
    events = [(name, arguments) for _, name, arguments in server.events]
    expected = [
        ("note", ("say blue",)),
        ("echo", ({"id": 4},)),
        ("echo", (4, {"deep": [1]})),
        ("twice", (1,)),
        ("add", (2, 3)),
        ("bytes", ()),
        ("done", (4, 2, 2)),
    ]
    assert sorted(map(str, events)) == sorted(map(str, expected * 2))
    assert counter(told, "socketio.emit") == counter(told, "rates.socketio.emit_rate") == 14
    assert told.summary["metrics"]["socketio.response_time"]["count"] == 14
    assert label(told.summary, "emit add")["requests"]["ok"] == 2
    assert label(told.summary, "GET /page")["requests"]["ok"] == 2
    assert server.disconnects == 2


def test_namespaces_share_the_connection(artillery: Artillery, server: SocketIoServer) -> None:
    told = artillery(
        script(
            server,
            """\
            - loop:
                - emit: [echo, "n{{ $loopCount }}"]
                  namespace: "/news"
                  response: {on: echoed, data: "n{{ $loopCount }}"}
              count: 2
            - emit: [echo, here]
              response: {on: echoed, data: her}
            """,
            config="{auth: {token: t}, transports: [polling]}",
        )
    )
    assert told.exit_code == 0, told.result
    assert sorted(one["namespace"] for one in server.connects) == ["/", "/", "/news", "/news"]
    assert {one["auth"]["token"] for one in server.connects} == {"t"}
    assert {one["query"]["transport"] for one in server.connects} == {"websocket"}
    assert sorted(namespace for namespace, *_ in server.events) == ["/", "/", *["/news"] * 4]
    told.assert_says(
        "it connects by WebSocket at once, and never polls", "a connection that is lost stays lost"
    )


@pytest.mark.parametrize(
    ("flow", "code"),
    [
        ("- emit: [silent]\n  response: {on: echoed, data: x}\n", "response timeout"),
        ("- emit: [silent, 1]\n  acknowledge: {data: x}\n", "data is not valid"),
        ("- emit: [echo, other]\n  response: {on: echoed, data: x}\n", "data is not valid"),
        (
            "- emit: [add, 1]\n  acknowledge: {match: {json: '$.0', value: 2}}\n",
            "Failed match",
        ),
        ("- emit: [echo, 1]\n  namespace: /closed\n", "members only"),
    ],
)
def test_what_does_not_come_back_as_it_must_fails(
    artillery: Artillery, server: SocketIoServer, flow: str, code: str
) -> None:
    told = artillery(script(server, f"{flow}- emit: [never]\n"))
    assert told.summary["arrivals"]["failed"] == 2, told.result
    assert counter(told, f"errors.{code}") == 2
    assert "never" not in {name for _, name, _ in server.events}
    assert server.disconnects == 2


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ('{big: true, list: [1, 2], text: "a b"}', {"big": "true", "list": "1,2", "text": "a b"}),
        ('"plus=1+1&of=a%20b&empty="', {"plus": "1+1", "of": "a b", "empty": ""}),
    ],
)
def test_a_query_is_written_as_nodes_client_writes_it(
    artillery: Artillery, server: SocketIoServer, query: str, asked: dict[str, str]
) -> None:
    told = artillery(script(server, "- emit: [note]\n", config=f"{{query: {query}}}"))
    assert told.exit_code == 0, told.result
    assert server.connects[0]["query"] == asked | {"EIO": "4", "transport": "websocket"}


def test_a_server_without_socket_io_fails_them_all(artillery: Artillery, target: Target) -> None:
    told = artillery(
        f"config: {{target: '{target.url}'}}\nscenarios: [{{engine: socketio, flow: [{{emit: [a]}}]}}]\n"
    )
    assert counter(told, "errors.websocket error") == 1, told.result
