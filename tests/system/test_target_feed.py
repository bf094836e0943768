"""The feed of the embedded target: subscriptions, filters, faults on purpose; exact counts of it all."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
from websockets.frames import CloseCode

from loadgen.testing import TargetFeed, server
from tests.support.web_sockets import (
    TEXT,
    RawWebSocket,
    connect,
    masked,
    publish,
    statistics,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from tests.conftest import Target
    from tests.support.command import Loadgen

FIN = 0x80
ADDRESS = "0x000000000000000000000000000000000000000a"
QUIET = {"blocks": 0, "transactions": 0, "network_stats": 0}


def ask(client: ClientConnection, **command: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The reply to a command, and the events that came before it."""
    client.send(json.dumps(command))
    events = []
    while (told := json.loads(client.recv(20)))["op"] == "event":
        events.append(told)
    return told, events


def events_of(client: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [json.loads(client.recv(20)) for _ in range(count)]


@pytest.fixture
def quiet() -> Iterator[str]:
    """A target whose feed tells nothing by itself."""
    with server(feed=TargetFeed(rates=QUIET)) as found:
        yield found.url


def test_commands_have_their_replies_and_mistakes_are_errors(quiet: str) -> None:
    with connect(quiet, "/ws/feed") as client:
        told, _ = ask(client, op="subscribe", id=1, channel="blocks", filter={"number": {"gt": 5}})
        assert told == {"op": "subscribed", "id": 1, "subscription": "s1", "channel": "blocks"}
        told, _ = ask(client, op="list", id="x")
        one = {"subscription": "s1", "channel": "blocks", "filter": {"number": {"gt": 5}}}
        assert told == {"op": "subscriptions", "id": "x", "subscriptions": [one]}
        assert ask(client, op="ping", id=[2]) == ({"op": "pong", "id": [2]}, [])
        for command in (
            {"op": "subscribe", "id": 3, "channel": "nothing"},
            {"op": "subscribe", "id": 3, "channel": "blocks", "filter": {"number": {"over": 5}}},
            {"op": "subscribe", "id": 3, "channel": "blocks", "filter": {"or": {}}},
            {"op": "unsubscribe", "id": 3, "subscription": "s2"},
            {"op": "dance", "id": 3},
        ):
            told, _ = ask(client, **command)
            assert (told["op"], told["id"]) == ("error", 3)
            assert told["error"]
        client.send("nonsense")
        assert json.loads(client.recv(20))["op"] == "error"
        assert ask(client, op="unsubscribe", subscription="s1")[0]["op"] == "unsubscribed"
        assert statistics(quiet)["channels"]["blocks"]["subscribers"] == 0


def test_a_publication_reaches_all_subscribers_of_its_channel_in_the_same_bytes(quiet: str) -> None:
    with (
        connect(quiet, "/ws/feed") as one,
        connect(quiet, "/ws/feed", compression="deflate") as two,
        connect(quiet, "/ws/feed") as other,
    ):
        for client, channel in ((one, "blocks"), (two, "blocks"), (other, "transactions")):
            ask(client, op="subscribe", channel=channel)
        before_ns = time.monotonic_ns()
        told = publish(quiet, "blocks", '{"b": 1.50,  "a": "é"}')
        assert (told["channel"], told["seq"], told["subscribers"]) == ("blocks", 1, 2)
        text = one.recv(20)
        assert isinstance(text, str)
        assert text == two.recv(20)
        assert text.endswith(f'"seq":1,"ts_ns":{told["ts_ns"]},"data":{{"b": 1.50,  "a": "é"}}}}')
        assert before_ns < told["ts_ns"] < time.monotonic_ns()
        told, _ = ask(other, op="publish", id=5, channel="blocks", data={"a": 2})
        assert told == {"op": "published", "id": 5, "channel": "blocks", "seq": 2}
        assert json.loads(one.recv(20))["data"] == {"a": 2}
        assert ask(other, op="ping")[1] == []
    for body in ("", "[1]", "nonsense"):
        with pytest.raises(HTTPError, match="400") as refused:
            publish(quiet, "blocks", body)
        refused.value.close()


def test_each_filter_takes_what_it_says(quiet: str) -> None:
    filters: list[dict[str, Any] | None] = [
        None,
        {"from": ADDRESS},
        {"from": ADDRESS, "value": {"gt": 10, "lte": 30}},
        {"or": [{"value": {"in": [1, 2]}}, {"and": [{"not": {"from": ADDRESS}}, {"value": {"gte": 40}}]}]},
        {"missing": {"ne": 1}},
    ]
    published: list[dict[str, Any]] = [
        {"from": sender, "value": value} for sender in (ADDRESS, "0xb") for value in range(0, 50, 2)
    ]
    expected = [
        published,
        [data for data in published if data["from"] == ADDRESS],
        [data for data in published if data["from"] == ADDRESS and 10 < data["value"] <= 30],
        [
            data
            for data in published
            if data["value"] in (1, 2) or (data["from"] != ADDRESS and data["value"] >= 40)
        ],
        [],
    ]
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(quiet, "/ws/feed")) for _ in filters]
        for client, wanted in zip(clients, filters, strict=True):
            ask(client, op="subscribe", channel="transactions", **({"filter": wanted} if wanted else {}))
        for data in published:
            publish(quiet, "transactions", json.dumps(data))
        for client, wanted_data in zip(clients, expected, strict=True):
            events = ask(client, op="ping")[1]
            assert [event["data"] for event in events] == wanted_data
    delivered = statistics(quiet)["channels"]["transactions"]["delivered"]
    assert delivered == sum(len(wanted_data) for wanted_data in expected)


def test_made_up_events_follow_from_the_seed_have_no_gaps_and_start_with_the_first_subscriber(
    loadgen: Loadgen,
) -> None:
    seen = []
    for _ in range(2):
        running = loadgen.start("target", "--port", "0", "--feed", "blocks=1000/s", "--feed-seed", "7")
        url = running.wait_for_line(r"listening on (http://\S+)")[1]
        with connect(url, "/ws/feed") as client:
            assert statistics(url)["channels"]["blocks"]["published"] == 0
            ask(client, op="subscribe", channel="blocks")
            events = events_of(client, 50)
        assert [event["seq"] for event in events] == list(range(1, 51))
        gaps = [later["ts_ns"] - earlier["ts_ns"] for earlier, later in itertools.pairwise(events)]
        assert set(gaps) <= {999_999, 1_000_000, 1_000_001}
        seen.append([event["data"] for event in events])
    assert seen[0] == seen[1]
    assert all(later["parent_hash"] == earlier["hash"] for earlier, later in itertools.pairwise(seen[0]))


def test_faults_on_purpose_are_counted_exactly() -> None:
    feed = TargetFeed(rates=QUIET, lose=0.1, repeat=0.1, reorder=0.1, seed=3)
    count, clients_count = 400, 5
    with server(feed=feed) as found, ExitStack() as stack:
        clients = [stack.enter_context(connect(found.url, "/ws/feed")) for _ in range(clients_count)]
        for number, client in enumerate(clients, 1):
            ask(client, op="subscribe", channel="blocks")
            assert ask(client, op="list")[0]["subscriptions"][0]["subscription"] == f"s{number}"
        with connect(found.url, "/ws/feed") as publisher:
            for _ in range(count):
                ask(publisher, op="publish", channel="blocks", data={})
        got, lost, repeated, reordered = 0, 0, 0, 0
        for number, client in enumerate(clients, 1):
            told, events = ask(client, op="unsubscribe", subscription=f"s{number}")
            assert told["op"] == "unsubscribed"
            seqs = [event["seq"] for event in events]
            got += len(seqs)
            lost += count - len(set(seqs))
            repeated += sum(earlier == later for earlier, later in itertools.pairwise(seqs))
            reordered += sum(earlier > later for earlier, later in itertools.pairwise(seqs))
        channel = statistics(found.url)["channels"]["blocks"]
    assert channel == {
        "published": count,
        "subscribers": 0,
        "delivered": got,
        "lost": lost,
        "repeated": repeated,
        "reordered": reordered,
        "slow_dropped": 0,
        "unsent": 0,
        "held": 0,
    }
    assert got == count * clients_count - lost + repeated
    assert min(lost, repeated, reordered) > count * clients_count * 0.05


def test_a_slow_subscriber_misses_events_that_are_counted_and_no_other_does() -> None:
    count, body = 300, json.dumps({"filler": "x" * 100_000})
    with (
        server(feed=TargetFeed(rates=QUIET, buffer_bytes=200_000)) as found,
        connect(found.url, "/ws/feed") as quick,
        RawWebSocket(found.url, "/ws/feed", receive_buffer=4096) as slow,
    ):
        ask(quick, op="subscribe", channel="blocks")
        slow.send(masked(FIN | TEXT, b'{"op":"subscribe","channel":"blocks"}'))
        assert b"subscribed" in slow.receive()[1]
        for seq in range(1, count + 1):
            publish(found.url, "blocks", body)
            assert json.loads(quick.recv(20))["seq"] == seq
        channel = wait_for(
            found.url,
            lambda told: (
                told["channels"]["blocks"]["delivered"] + told["channels"]["blocks"]["slow_dropped"]
                == 2 * count
            ),
        )["channels"]["blocks"]
        assert channel["slow_dropped"] > 0
        slow.send(masked(FIN | TEXT, b'{"op":"unsubscribe","subscription":"s2"}'))
        seqs = []
        while (told := json.loads(slow.receive()[1]))["op"] == "event":
            seqs.append(told["seq"])
        assert seqs == sorted(set(seqs))
        assert len(seqs) == count - channel["slow_dropped"]


def test_a_slow_subscriber_may_be_closed() -> None:
    body = json.dumps({"filler": "x" * 100_000})
    with (
        server(feed=TargetFeed(rates=QUIET, buffer_bytes=200_000, slow="close")) as found,
        RawWebSocket(found.url, "/ws/feed", receive_buffer=4096) as slow,
    ):
        slow.send(masked(FIN | TEXT, b'{"op":"subscribe","channel":"blocks"}'))
        while publish(found.url, "blocks", body)["subscribers"]:
            pass
        told = wait_for(found.url, lambda told: told["connections"]["open"] == 0)
        assert told["close_codes"]["sent"] == {str(int(CloseCode.POLICY_VIOLATION)): 1}
        assert told["channels"]["blocks"]["slow_dropped"] == 1


def test_what_went_over_the_wire_is_counted(target: Target) -> None:
    with RawWebSocket(target.url, "/ws/echo") as raw:
        raw.send(masked(FIN | TEXT, b"12345"), masked(FIN | 9, b"p"), masked(FIN | 10, b""))
        raw.receive()
        raw.receive()
        told = statistics(target.url)
        assert told["connections"] == {"open": 1, "opened": 1, "closed": 0}
        assert told["messages"] == {"received": 1, "sent": 1}
        assert told["bytes"] == {"received": 11 + 7 + 6, "sent": 7 + 3}
        assert (told["pings"], told["pongs"]) == ({"received": 1}, {"received": 1, "sent": 1})
    assert target.requests()["paths"] == {"/ws/echo": 1}


@pytest.mark.parametrize(
    "options",
    [
        ["--feed", "blocks"],
        ["--feed", "block=1"],
        ["--feed", "blocks=often"],
        ["--feed-lose", "1.5"],
        ["--feed-lose", "0.6", "--feed-repeat", "0.6"],
        ["--feed-slow", "wait"],
    ],
)
def test_a_feed_that_makes_no_sense_is_refused(loadgen: Loadgen, options: list[str]) -> None:
    result = loadgen("target", "--port", "0", *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
