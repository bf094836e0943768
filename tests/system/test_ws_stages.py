"""What sockets of `loadgen ws` do one after the other: subscribe, list, unsubscribe; each counts apart."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import balanced_sockets, label
from tests.support.socket_server import SocketServer
from tests.support.web_sockets import publish, statistics, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.sync.server import ServerConnection

    from tests.conftest import Target, TargetFactory
    from tests.support.command import CommandResult, Loadgen

SIX = ("-n", "6", "--connect-rate", "500/s", "-d", "300ms", "--workers", "1")
SUBSCRIBE = '{"op": "subscribe", "id": {{connection}}, "channel": "transactions"}'
LIST = '{"op": "list", "id": {{connection}}}'
UNSUBSCRIBE = '{"op": "unsubscribe", "id": {{connection}}, "subscription": "{{reply.subscription}}"}'
ALL = ("--subscribe", SUBSCRIBE, "--list", LIST, "--unsubscribe", UNSUBSCRIBE)


class Service:
    """Gives each subscription an id, a text or a number, and remembers what each connection said."""

    def __init__(self, *, answers: tuple[str, ...] = ("subscribe", "list", "unsubscribe")) -> None:
        self.conversations: list[list[dict[str, Any]]] = []
        self.ids: list[list[object]] = []
        self._answers = answers
        self._lock = threading.Lock()

    def __call__(self, connection: ServerConnection) -> None:
        said: list[dict[str, Any]] = []
        ids: list[object] = []
        with self._lock:
            self.conversations.append(said)
            self.ids.append(ids)
            place = len(self.ids)
        for message in connection:
            request = json.loads(message)
            said.append(request)
            if request["op"] == "subscribe":
                ids.append(f'0x{place}"{len(said)}' if len(ids) % 2 == 0 else 1000 * place + len(said))
            result = {"subscribe": ids[-1:], "list": ids, "unsubscribe": True}[request["op"]]
            if request["op"] in self._answers:
                connection.send(json.dumps({"id": request["id"], "result": result}))

    def operations(self) -> list[list[str]]:
        return [[request["op"] for request in said] for said in self.conversations]


def counted(summary: dict[str, Any], *names: str) -> dict[str, tuple[int, int, int]]:
    """All, those that went well, those that failed."""
    rows = {name: label(summary, name)["requests"] for name in names}
    return {name: (row["total"], row["ok"], row["failed"]) for name, row in rows.items()}


@pytest.mark.parametrize("workers", ["1", "3"])
def test_subscribe_list_and_unsubscribe_are_counted_by_themselves(
    loadgen: Loadgen, make_target: TargetFactory, workers: str
) -> None:
    target = make_target("--feed", "transactions=200/s", "--feed", "blocks=0", "--feed", "network_stats=0")
    result = loadgen(
        *("ws", f"{target.url}/ws/feed", "-n", "20", "--connect-rate", "500/s", "-d", "400ms", *ALL),
        *("--correlate", "id", "--stamp", "ts_ns", "--sequence", "seq", "--workers", workers),
    )
    summary = balanced_sockets(result)
    names = ("subscribe", "list", "unsubscribe")
    assert counted(summary, *names) == dict.fromkeys(names, (20, 20, 0)), result
    for name in names:
        latency = label(summary, name)["latency"]
        assert latency["response"]["count"] == latency["service"]["count"] == 20, result
        assert latency["service"]["p50_ms"] > 0, result
        assert f"\n{name} " in result.stdout, result
    assert summary["sockets"]["connections"]["closes"] == {"1000": 20}, result
    # Whoever has unsubscribed gets nothing more: all that the target has delivered has come, in order.
    delivery = summary["sockets"]["delivery"]
    channel = statistics(target.url)["channels"]["transactions"]
    assert delivery["latency"]["count"] == channel["delivered"] > 20 * 20, result
    assert (channel["subscribers"], channel["unsent"], channel["held"]) == (0, 0, 0), result
    assert summary["sockets"]["messages"]["received"] == channel["delivered"] + 60, result
    assert (delivery["missing"], delivery["repeated"], delivery["reordered"]) == (0, 0, 0), result


def test_who_has_unsubscribed_and_is_still_open_hears_no_more(loadgen: Loadgen, target: Target) -> None:
    started = loadgen.start(
        *("ws", f"{target.url}/ws/feed", *SIX, *ALL, "--correlate", "id", "--drain", "4s"),
        # What looks like no reply keeps the sockets open until half of that is over.
        *("--unsubscribe", '{"op": "ping", "id": "p", "of": "{{reply.subscription}}"}'),
        *("--expect", "op=subscribed", "--expect", "op=subscriptions", "--expect", "op=unsubscribed"),
    )
    quiet = wait_for(target.url, lambda found: found["messages"]["received"] == 24)["channels"][
        "transactions"
    ]
    assert quiet["subscribers"] == 0
    for _ in range(5):
        publish(target.url, "transactions", "{}")
    channel = statistics(target.url)["channels"]["transactions"]
    assert (channel["published"], channel["delivered"]) == (quiet["published"] + 5, quiet["delivered"])
    summary = balanced_sockets(started.wait(30))
    names = ("unsubscribe 1", "unsubscribe 2")
    assert list(counted(summary, *names).values()) == [(6, 6, 0), (6, 0, 0)]


def test_each_stage_waits_for_the_one_before_and_refers_to_its_acknowledgements(loadgen: Loadgen) -> None:
    service = Service()
    twice = ("--subscribe", SUBSCRIBE.replace('"transactions"', "1"), "--subscribe", SUBSCRIBE)
    with SocketServer(service) as server:
        result = loadgen(
            *("ws", server.url, *SIX, *twice, "--list", LIST, "--correlate", "id"),
            *("--unsubscribe", '{"op": "unsubscribe", "id": {{connection}}, "of": "{{reply.result[0]}}"}'),
            *("--unsubscribe", '{"op": "unsubscribe", "id": "b{{connection}}", "all": [{{reply.id}}]}'),
            *("--unsubscribe", '{"op": "unsubscribe", "id": "c", "no": "{{ reply.nothing.there }}"}'),
            *("--unsubscribe", '{"op": "unsubscribe", "id": "d{{connection}}"}'),
        )
    summary = balanced_sockets(result)
    expected = ["subscribe"] * 2 + ["list"] + ["unsubscribe"] * 5
    assert service.operations() == [expected] * 6, result
    assert server.closes == [(1000, "")] * 6, result
    for said, ids in zip(service.conversations, service.ids, strict=True):
        # Once for each acknowledgement; a number in quotes is a text there.
        assert [request["of"] for request in said[3:5]] == [ids[0], str(ids[1])], result
        assert [request["all"] for request in said[5:7]] == [[said[0]["id"]]] * 2, result
    names = ("subscribe 1", "subscribe 2", "list", *(f"unsubscribe {number}" for number in range(1, 5)))
    # The third refers to what nobody said, so it is not sent.
    assert [row[0] for row in counted(summary, *names).values()] == [6, 6, 6, 12, 12, 0, 6], result
    assert [row[1] for row in counted(summary, *names).values()] == [6, 6, 6, 12, 12, 0, 6], result


def test_they_leave_in_the_order_in_which_they_came(loadgen: Loadgen) -> None:
    order = []

    def behave(connection: ServerConnection) -> None:
        for message in connection:
            order.append(json.loads(message))
            connection.send(message)

    with SocketServer(behave) as server:
        said = ("--subscribe", '["came", {{connection}}]', "--unsubscribe", '["left", {{connection}}]')
        result = loadgen(
            *("ws", server.url, "-n", "6", "--connect-rate", "20/s", "-d", "0s", *said, "--expect", "any"),
            *("--workers", "1"),
        )
    balanced_sockets(result)
    assert order == [["came", number] for number in range(6)] + [["left", number] for number in range(6)]


def test_a_list_waits_until_all_is_acknowledged(loadgen: Loadgen) -> None:
    early = []

    def behave(connection: ServerConnection) -> None:
        requests = [json.loads(connection.recv()) for _ in range(2)]
        try:
            early.append(connection.recv(timeout=0.1))
        except TimeoutError:
            for request in requests:
                connection.send(json.dumps({"id": request["id"]}))
        for message in connection:
            connection.send(message)

    with SocketServer(behave) as server:
        subscribe = ("--subscribe", '{"id": "a{{connection}}"}', "--subscribe", '{"id": "b{{connection}}"}')
        list_them = ("--list", '{"id": "c{{connection}}"}', "--correlate", "id")
        result = loadgen("ws", server.url, *SIX, *subscribe, *list_them)
    assert counted(balanced_sockets(result), "list") == {"list": (6, 6, 0)}, result
    assert early == []


def test_kinds_of_a_file_are_unsubscribed_too(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    (tmp_path / "kinds.jsonl").write_text(
        "\n".join(
            json.dumps({"kind": kind, "send": {"op": "subscribe", "channel": "blocks", "filter": condition}})
            for kind, condition in (("simple", {"miner": "0x01"}), ("complex", {"not": {"miner": "0x01"}}))
        )
    )
    result = loadgen(
        *("ws", f"{target.url}/ws/feed", *SIX, "--subscriptions", str(tmp_path / "kinds.jsonl")),
        *("--list", '{"op": "list"}', "--unsubscribe", UNSUBSCRIBE.replace('"id": {{connection}}, ', "")),
        *("--expect", "op=subscribed", "--expect", "op=subscriptions", "--expect", "op=unsubscribed"),
    )
    names = ("subscribe simple", "subscribe complex", "list", "unsubscribe")
    assert [row[1] for row in counted(balanced_sockets(result), *names).values()] == [3, 3, 6, 6], result
    assert statistics(target.url)["messages"]["received"] == 18


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(loadgen: Loadgen) -> None:
    service = Service(answers=("subscribe",))
    asked = ("--subscribe", SUBSCRIBE, "--unsubscribe", '{"op": "unsubscribe", "id": 0}', "--correlate", "id")
    with SocketServer(service) as server:
        given_up = loadgen("ws", server.url, *SIX, *asked, "--drain", "600ms")
        late = loadgen("ws", server.url, *SIX, *asked, "--timeout", "200ms", "--drain", "10s")
    summary = balanced_sockets(given_up)
    assert counted(summary, "unsubscribe") == {"unsubscribe": (6, 0, 0)}, given_up
    assert label(summary, "unsubscribe")["latency"]["response"]["count"] == 6, "they count as infinite"
    assert summary["sockets"]["connections"]["closes"] == {"1000": 6}, given_up
    assert label(balanced_sockets(late), "unsubscribe")["requests"]["errors"] == {"timeout": 6}, late


def test_without_replies_to_wait_for_they_count_until_they_are_written(loadgen: Loadgen) -> None:
    service = Service(answers=())
    plain = ('{"op": "subscribe"}', '{"op": "list"}', '{"op": "unsubscribe"}')
    options = zip(("--subscribe", "--list", "--unsubscribe"), plain, strict=True)
    with SocketServer(service) as server:
        result = loadgen("ws", server.url, *SIX, *(text for pair in options for text in pair))
    names = ("subscribe", "list", "unsubscribe")
    assert counted(balanced_sockets(result), *names) == dict.fromkeys(names, (6, 6, 0)), result
    assert service.operations() == [list(names)] * 6, result


def test_ctrl_c_unsubscribes_before_it_closes(loadgen: Loadgen, target: Target) -> None:
    started = loadgen.start(
        *("ws", f"{target.url}/ws/feed", "-n", "20", "--connect-rate", "500/s", "-d", "1m", *ALL),
        *("--correlate", "id", "--workers", "2"),
    )
    wait_for(target.url, lambda found: found["messages"]["received"] == 40)
    started.interrupt()
    result: CommandResult = started.wait(20)
    assert result.exit_code == 130, result
    assert counted(balanced_sockets(result), "unsubscribe") == {"unsubscribe": (20, 20, 0)}, result
    assert statistics(target.url)["messages"]["received"] == 60


def test_a_socket_that_is_opened_again_begins_anew(loadgen: Loadgen) -> None:
    service = Service()
    broken = threading.Semaphore(3)

    def behave(connection: ServerConnection) -> None:
        if broken.acquire(blocking=False):
            connection.send(json.dumps({"id": 0, "early": True}))
            for _ in range(2):
                request = json.loads(connection.recv())
                connection.send(json.dumps({"id": request["id"], "result": ["stale"]}))
            return None
        return service(connection)

    with SocketServer(behave) as server:
        result = loadgen(
            *("ws", server.url, *SIX, "--subscribe", SUBSCRIBE, "--list", LIST, "--correlate", "id"),
            *("--unsubscribe", '{"op": "unsubscribe", "id": {{connection}}, "of": "{{reply.result[0]}}"}'),
            *("--reconnect", "1ms..5ms"),
        )
    summary = balanced_sockets(result)
    assert summary["sockets"]["connections"]["lost"] == 3, result
    assert service.operations() == [["subscribe", "list", "unsubscribe"]] * 6, result
    assert [said[2]["of"] for said in service.conversations] == [ids[0] for ids in service.ids], result
    names = ("subscribe", "list", "unsubscribe")
    assert [row[1] for row in counted(summary, *names).values()] == [9, 9, 6], result
