"""Sockets as people write them: what the engine reads of it; all mistakes at once, each with its place."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen import DigestAuth, Plan, PlanError, Sockets
from loadgen.engine_plan import Backoff, EnginePlan, Expected, Message, OpenLoad, OpenStage
from loadgen.load import _named_loads
from loadgen.schedule import make_schedule
from tests.unit.scripts import SECOND
from tests.unit.sockets import URL, socket_plan, sockets_of

NOTHING_TO_REFER_TO = (
    "{{reply.…}} is of what acknowledges --subscribe: give that, and --expect or --correlate"
)
KNOWN = '"connect", "reconnect", "session", "ping", "delivery"'


def mistakes(url: str | None = URL, sockets: Any = None, **fields: Any) -> list[str]:
    own = Sockets.__struct_fields__ if sockets is None else ()
    plan = {name: fields.pop(name) for name in tuple(fields) if name not in own}
    with pytest.raises(PlanError) as caught:
        Plan(url=url, sockets=sockets or Sockets(**fields), **plan).compile()
    return [str(mistake) for mistake in caught.value.mistakes]


def messages(*send: str | bytes, **wishes: Any) -> list[Message]:
    return sockets_of(socket_plan(send=send, **wishes)).messages


def due(plan: EnginePlan) -> tuple[list[int], list[int]]:
    """Of connects, and of messages."""
    found = []
    for load in plan.loads:
        schedule = make_schedule(msgspec.structs.replace(plan, load=load, sockets=None))
        assert schedule is not None
        found.append([due_ns for _, due_ns in schedule.arrivals()])
    return found[0], found[1]


def test_connects_come_first_and_messages_while_the_sockets_are_held() -> None:
    plan = socket_plan(connections=4, connect_rate="2/s", hold="1s", send_rate="3/s")
    connects, sends = due(plan)
    assert connects == [0, SECOND // 2, SECOND, 3 * SECOND // 2]
    assert sends == [2 * SECOND, 2 * SECOND + SECOND // 3, 2 * SECOND + 2 * SECOND // 3]
    assert plan.duration_ns == 3 * SECOND
    assert plan.describe_load() == "4 sockets at 2/s, held for 1s, messages at 3/s"
    whole = make_schedule(plan)
    assert whole is not None and whole.total == 7


@given(st.integers(1, 2_000_000 // 7), st.one_of(st.integers(1, 10**6), st.floats(0.01, 10**6)))
def test_exactly_so_many_connects_are_due(connections: int, rate: float) -> None:
    wishes = {"connections": connections, "connect_rate": rate, "send": ()}
    try:
        plan = socket_plan(**wishes, send_rate=None, subscribe=(), expect=None)
    except PlanError as error:
        assert "more than 30 days" in str(error)  # noqa: PT017 - which of the two it is depends on the draw
        return
    schedule = make_schedule(plan)
    assert schedule is not None
    assert schedule.total == connections
    assert isinstance(plan.load, OpenLoad)
    assert schedule.count_before(plan.load.stages[0].duration_ns) == connections


def test_each_socket_sends_one_a_second_where_no_rate_is_given() -> None:
    plan = socket_plan(connections=50, send_rate=None)
    sends = sockets_of(plan).sends
    assert sends is not None
    assert sends.stages == [OpenStage(SECOND // 2, 0.0, 0.0), OpenStage(9 * SECOND, 50.0, 50.0)]
    each = sockets_of(socket_plan(connections=50, send_rate=None, send_rate_each="6/m")).sends
    assert each is not None and each.stages[-1].to_rate == 5.0


def test_nothing_to_send_is_no_load_of_messages() -> None:
    plan = socket_plan(send=(), send_rate=None)
    assert sockets_of(plan).sends is None
    assert plan.loads == [plan.load]
    assert plan.describe_load() == "100 sockets at 100/s, held for 9s"


@pytest.mark.parametrize(
    ("url", "reached", "target"),
    [
        ("ws://127.0.0.1:9000/feed?x=1", "ws://127.0.0.1:9000/feed?x=1", "http://127.0.0.1:9000/feed?x=1"),
        ("wss://host", "wss://host/", "https://host/"),
        ("http://host:80/a#b", "ws://host/a", "http://host/a"),
        ("HTTPS://host:443/a b", "wss://host/a%20b", "https://host/a%20b"),
        ("host:81/a", "ws://host:81/a", "http://host:81/a"),
        (None, "ws://localhost/ws/echo", "http://localhost/ws/echo"),
        ("/ws/feed", "ws://localhost/ws/feed", "http://localhost/ws/feed"),
    ],
)
def test_urls(url: str | None, reached: str, target: str) -> None:
    plan = socket_plan(url=url)
    assert (sockets_of(plan).url, plan.target_url) == (reached, target)
    assert plan.wire.http == ("1" if reached.startswith("wss") else "auto")


def test_the_embedded_target_takes_what_has_no_host() -> None:
    plan = Plan(sockets=Sockets())
    assert plan.needs_embedded_target
    there = plan.at("http://127.0.0.1:1234").compile()
    assert (sockets_of(there).url, there.name) == ("ws://127.0.0.1:1234/ws/echo", "ws embedded target")
    assert there.command == "ws"


def test_who_stands_in_the_url_is_a_header_that_no_record_has() -> None:
    plan = socket_plan(url="ws://me:secret@host/", headers={"X-Api-Key": "k", "Accept": "a"})
    assert sockets_of(plan).headers[-1] == ("Authorization", "Basic bWU6c2VjcmV0")
    assert "secret" not in sockets_of(plan).url
    shown = sockets_of(plan.redacted()).headers
    redacted = "(redacted)"
    assert shown == [("X-Api-Key", redacted), ("Accept", "a"), ("Authorization", redacted)]


def test_few_messages_have_labels_of_their_own() -> None:
    assert [message.label for message in messages("a")] == ["send"]
    assert [message.label for message in messages("a", "b")] == ["send 1", "send 2"]
    assert {message.label for message in messages(*map(str, range(21)))} == {"send"}
    plan = sockets_of(socket_plan(send=["a", "b"], subscribe=["c", "d"]))
    assert plan.arrival_labels == ["connect", "send 1", "send 2"]
    assert plan.labels[-4:] == ["subscribe 1", "subscribe 2", "send 1", "send 2"]


def test_stages_have_labels_of_their_own_and_refer_to_what_was_acknowledged() -> None:
    plan = sockets_of(
        socket_plan(
            send=(),
            send_rate=None,
            list=["a", '{"of": {{reply.data[0].id}}, "k": {{k}}}'],
            unsubscribe=["{{ reply[1] }} {{reply.data[0].id}}", b"{{reply.x}}"],
            expect=["op=a", "any"],
        )
    )
    labels = ["subscribe", "list 1", "list 2", "unsubscribe 1", "unsubscribe 2"]
    assert plan.labels[-5:] == labels and plan.arrival_labels == ["connect"]
    assert plan.reply == ["data[0].id", "[1]", "x"]
    assert plan.listing == [Message("a", "list 1"), Message('{"of": {{reply.0}}, "k": {{k}}}', "list 2")]
    text, binary = plan.unsubscribe
    assert text == Message("{{reply.1}} {{reply.0}}", "unsubscribe 1", encoding="raw")
    assert (b64decode(binary.text), binary.binary, binary.encoding) == (b"{{reply.2}}", True, "raw")
    assert plan.expect == [Expected("op", '"a"'), Expected(None, None)]


def test_messages_take_values_from_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('who,what,unused\nann,"say ""hi""",1\nbob,x,2\n')
    plan = sockets_of(
        socket_plan(
            data=str(tmp_path / "rows.csv"),
            send=['{"to": "{{what}}", "n": {{k}}}', "{{what}} {{due_ns}}", b"\xff{{who}}"],
            subscribe=["{{connection}} {{ who }}"],
        )
    )
    assert (plan.columns, plan.rows, plan.row_count) == (
        ["who", "what"],
        [["ann", 'say "hi"'], ["bob", "x"]],
        2,
    )
    assert [message.text for message in plan.subscribe] == ["{{connection}} {{0}}"]
    first, second, third = plan.messages
    assert (first.text, first.encoding) == ('{"to": "{{1}}", "n": {{k}}}', "json")
    assert (second.text, second.encoding) == ("{{1}} {{due_ns}}", "raw")
    assert (b64decode(third.text), third.binary, third.encoding) == (b"\xff{{0}}", True, "raw")
    assert sockets_of(socket_plan().redacted()).rows == []


def test_each_socket_subscribes_to_one_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "kinds.jsonl").write_text('{"kind": "a", "send": {"x": "{{connection}}"}}\n{"send": "b"}\n')
    plan = sockets_of(socket_plan(subscriptions=str(tmp_path / "kinds.jsonl")))
    assert plan.subscriptions == [Message('{"x":"{{connection}}"}', "subscribe a"), Message("b", "subscribe")]


@pytest.mark.parametrize(
    ("text", "backoff"),
    [
        ("100ms", Backoff(SECOND // 10, 30 * SECOND)),
        ("1m", Backoff(60 * SECOND, 60 * SECOND)),
        ("100ms .. 5s", Backoff(SECOND // 10, 5 * SECOND)),
        (2, Backoff(2 * SECOND, 30 * SECOND)),
    ],
)
def test_reconnects(text: str | float, backoff: Backoff) -> None:
    assert sockets_of(socket_plan(reconnect=text)).reconnect == backoff


def test_all_mistakes_are_reported_together() -> None:
    found = mistakes(
        url="ftp://host/",
        timeout="never",
        thresholds=["p99"],
    )
    assert [text.partition(":")[0] for text in found] == ["url", "timeout", "thresholds[0]"]
    assert found[0] == 'url: the scheme "ftp" is not supported: give a ws or wss URL'
    found = mistakes(
        headers=[("Upgrade", "x"), ("Sec-WebSocket-Protocol", "x"), ("A", "{{k}}")],
        connections="none",
        connect_rate="fast",
        hold="-1s",
        send=["{{nope}}", "\udcff", b"{{what}}"],
        send_rate="much",
        subscribe=["ok", "{{no}}"],
        subscriptions="/nowhere",
        expect="a..b",
        correlate="",
        stamp="t:minutes",
        sequence="$",
        channel="[x]",
        ping="0s",
        reconnect="5s..1s",
        subprotocols=["ok", "not ok"],
    )
    places = [text.split(":")[0].removeprefix("sockets.") for text in found]
    assert " ".join(sorted(places)) == (
        "channel connect_rate connections correlate expect headers[0] headers[1] headers[2] hold ping "
        "reconnect send[0] send[1] send[2] send_rate sequence stamp subprotocols[1] subscribe[1] "
        "subscriptions"
    )
    assert 'sockets.connect_rate: expected a rate such as "500/s", got "fast"' in found
    assert "headers[1]: Sec-WebSocket-Protocol is written by --subprotocol" in found
    assert "sockets.send[1]: is not UTF-8: send it as bytes" in found


@pytest.mark.parametrize(
    ("wishes", "mistake"),
    [
        ({"send_rate": 5}, "sockets.send_rate: there is nothing to send: give --send"),
        (
            {"send": ["a"], "send_rate": 5, "send_rate_each": 5},
            "sockets.send_rate_each: cannot be used with sockets.send_rate: one of all, one of each",
        ),
        (
            {"send": ["a"], "hold": 0},
            "sockets.hold: no message would be due: they are while the sockets are held",
        ),
        (
            {"channel": "c"},
            "sockets.channel: says which stream a number is of, and needs --sequence beside it",
        ),
        ({"expect": "any"}, "sockets.expect: there are no replies where nothing is sent: give --send"),
        ({"send": ["a"], "expect": ["a"] * 5}, "sockets.expect: expected at most 4, got 5"),
        (
            {"send": ["a"], "expect": ["any", "a..b"]},
            'sockets.expect[1]: expected a path such as "data.id" or "params[0].seq", got "a..b"',
        ),
        (
            {"subscribe": ["a"], "unsubscribe": ["{{reply.id}}"]},
            f"sockets.unsubscribe: {NOTHING_TO_REFER_TO}",
        ),
        (
            {"list": ["{{reply.}}"], "subscribe": ["a"], "expect": "any"},
            'sockets.list[0]: expected a path such as "data.id" or "params[0].seq", got ""',
        ),
        ({"connections": 1_000_001}, 'sockets.connections: expected at most 1,000,000, got "1000001"'),
        (
            {"connections": 10**6, "connect_rate": "1/h"},
            "sockets.connect_rate: so many connects would take more than 30 days: raise the rate",
        ),
        (
            {"connections": 10**6, "connect_rate": 10**6, "send": ["a"], "send_rate_each": 11},
            "sockets.send_rate_each: expected at most 10,000,000/s from all sockets together",
        ),
        (
            {"connections": 2, "workers": 3},
            "workers: cannot be more than sockets.connections (2): each needs a connection",
        ),
        ({"connections": None}, 'sockets.connections: expected a whole number, 1 or more, got "None"'),
        ({"data": "/nowhere"}, "data: /nowhere cannot be read: No such file or directory"),
        ({"url": "ws://{{k}}/"}, "url: cannot have a {{name}} in it: messages can"),
        ({"seed": -1}, 'seed: expected a whole number, 0 or more, got "-1"'),
        (
            {"thresholds": ["x: p99 < 1s"]},
            f'thresholds[0]: no request is counted as "x": there are {KNOWN}',
        ),
    ],
)
def test_single_mistakes(wishes: dict[str, Any], mistake: str) -> None:
    assert mistakes(**wishes) == [mistake]


def test_rows_that_nothing_uses_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("who\nann\n")
    found = mistakes(data=str(tmp_path / "rows.csv"), send=["hello"])
    assert found == ["data: no {{name}} of its columns stands in what is sent"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("method", "PUT"), ("body", b"x"), ("users", 5), ("rate", 5), ("duration", "1s")),
        *(
            ("connections", 5),
            ("http", "2"),
            ("keepalive", False),
            ("reactor", "uring"),
            ("compression", True),
        ),
    ],
)
def test_what_is_of_requests_says_nothing_about_sockets(field: str, value: object) -> None:
    wishes: dict[str, Any] = {field: value}
    found = mistakes(sockets=Sockets(), **wishes)
    assert f"{field}: is for requests, and says nothing about sockets" in found


@pytest.mark.parametrize(
    ("sockets", "mistake"),
    [
        ("many", 'sockets: expected Sockets(...), got "many"'),
        (Sockets(expect=5), 'sockets.expect: expected a list, each text, got "5"'),  # type: ignore[arg-type]
        (Sockets(send="hello"), 'sockets.send: expected a list, each text or bytes, got "hello"'),
        (Sockets(send=["a", 5]), 'sockets.send[1]: expected text or bytes, got "5"'),  # type: ignore[list-item]
        (Sockets(subprotocols=[b"a"]), "sockets.subprotocols[0]: expected text, got \"b'a'\""),  # type: ignore[list-item]
        (Sockets(deflate="yes"), 'sockets.deflate: expected True or False, got "yes"'),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_even_of_the_right_kind(sockets: Any, mistake: str) -> None:
    assert mistakes(sockets=sockets) == [mistake]


def test_where_values_came_from_is_kept() -> None:
    plan = Plan(url=URL, sockets=Sockets(connections=5), origins={"sockets.connections": "--connections"})
    assert plan.compile().origins == {
        "url": "plan",
        "sockets": "plan",
        "sockets.connections": "--connections",
    }
    with pytest.raises(PlanError, match=r"^--connections: expected a whole number"):
        Plan(url=URL, sockets=Sockets(connections="x"), origins={"sockets.connections": "--connections"})
    with pytest.raises(PlanError, match=r'^--send: "{{x}}" is not known: there are k, .*, connection'):
        Plan(url=URL, sockets=Sockets(send=["{{x}}"]), origins={"sockets.send": "--send"})


def test_a_script_opens_no_sockets() -> None:
    with pytest.raises(PlanError, match="sockets: is for blast: the scenarios say what is sent"):
        Plan(sockets=Sockets(), script="/home/me/scenario.py").compile()


def test_who_unsubscribes_leaves_as_far_apart_as_it_came() -> None:
    plan = socket_plan(connections=4, connect_rate="2/s", hold="1s", send_rate="3/s", unsubscribe=["x"])
    assert (plan.duration_ns, sockets_of(plan).leave_ns) == (5 * SECOND, 2 * SECOND)
    assert plan.describe_load() == "4 sockets at 2/s, held for 1s, messages at 3/s"
    connects, sends = due(plan)
    assert (len(connects), max(sends) < 3 * SECOND) == (4, True)


def test_stages_are_told_by_what_they_are_of() -> None:
    assert [name for name, _ in _named_loads(socket_plan())] == ["connects: ", "messages: "]
    assert [name for name, _ in _named_loads(socket_plan(send=(), send_rate=None))] == ["connects: "]


def test_who_it_is_from_goes_into_the_handshake_and_nothing_answers_challenges() -> None:
    assert sockets_of(socket_plan(auth=("a", "b"))).headers == [("Authorization", "Basic YTpi")]
    assert mistakes(sockets=Sockets(), auth=DigestAuth("a", "b")) == [
        "auth: a digest answers challenges to requests, and says nothing about sockets"
    ]
