"""`loadgen ws` through the front door: our counts and those of the target agree to the last message."""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced_sockets, label
from tests.support.command import LOADGEN
from tests.support.processes import wait_until_gone
from tests.support.web_sockets import statistics, wait_for

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory, Target, TargetFactory
    from tests.support.command import Loadgen
    from tests.support.raw_server import RawConnection

QUICK = ("-n", "10", "--connect-rate", "500/s", "-d", "300ms")
FEED = ("--expect", "op=subscribed", "--stamp", "ts_ns", "--sequence", "seq", "--channel", "channel")
ASK = '{"op": "subscribe", "id": {{connection}}, "channel": "transactions"}'


def test_sockets_are_opened_held_and_closed_with_a_close(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("ws", f"{target.url}/ws/echo", *QUICK)
    summary = balanced_sockets(result)
    assert result.exit_code == 0, result
    connections = summary["sockets"]["connections"]
    assert connections == {
        "asked": 10,
        "opened": 10,
        "failed": 0,
        "lost": 0,
        "reconnects": 0,
        "most_open": 10,
        "refused": {},
        "closes": {"1000": 10},
    }
    assert summary["requests"]["status"] == {"101": 10}
    counted = statistics(target.url)
    assert counted["connections"] == {"open": 0, "opened": 10, "closed": 10}
    assert counted["close_codes"]["received"] == {"1000": 10}
    assert (counted["messages"]["received"], counted["messages"]["sent"]) == (0, 0)
    assert json.loads((result.run_folder / "plan.json").read_text())["sockets"]["url"].endswith("/ws/echo")


@pytest.mark.parametrize("workers", ["1", "3"])
def test_each_message_has_its_reply(loadgen: Loadgen, target: Target, workers: str) -> None:
    result = loadgen(
        *("ws", f"{target.url}/ws/echo", *QUICK, "--workers", workers, "--correlate", "id"),
        *("--send", '{"id": {{k}}, "from": {{connection}}}', "--send-rate", "200/s"),
    )
    summary = balanced_sockets(result)
    messages = summary["sockets"]["messages"]
    assert (messages["sent"], messages["received"], messages["unmatched"]) == (60, 60, 0), result
    assert messages["bytes_sent"] == messages["bytes_received"] > 60 * 15, result
    assert label(summary, "send")["requests"]["ok"] == 60
    counted = statistics(target.url)
    assert counted["messages"] == {"received": 60, "sent": 60}, result


def test_every_arrival_of_the_printed_schedule_is_in_the_books(loadgen: Loadgen, target: Target) -> None:
    load = ("-n", "7", "--connect-rate", "70/s", "-d", "200ms", "--send", "a", "--send-rate-each", "9/s")
    printed = loadgen("ws", f"{target.url}/ws/echo", *load, "--dry-run")
    assert printed.exit_code == 0, printed
    assert statistics(target.url)["connections"]["opened"] == 0, "a dry run opens nothing"
    lines = [line.split() for line in printed.stdout.splitlines()]
    assert [line[2] for line in lines] == ["connect"] * 7 + ["send"] * 13
    summary = balanced_sockets(loadgen("ws", f"{target.url}/ws/echo", *load))
    assert summary["arrivals"]["scheduled"] == summary["arrivals"]["sent"] == len(lines)


def test_messages_come_in_turn_with_values_of_their_rows(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text('who\nzoe\n"say ""hi"""\n')
    result = loadgen(
        *("ws", f"{target.url}/ws/echo", *QUICK, "--data", str(tmp_path / "rows.csv"), "--expect", "any"),
        *("--send", '{"to": "{{who}}"}', "--send", "to {{who}}", "--send-rate", "200/s"),
    )
    summary = balanced_sockets(result)
    sizes = [len('{"to": "zoe"}'), len('to say "hi"')]
    assert summary["sockets"]["messages"]["bytes_sent"] == 30 * sum(sizes), result
    assert [label(summary, f"send {number}")["requests"]["ok"] for number in (1, 2)] == [30, 30]
    assert "zoe" not in (result.run_folder / "plan.json").read_text()


def test_bytes_are_sent_as_they_are(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    result = loadgen(
        *("ws", f"{target.url}/ws/echo", *QUICK, "--send-binary", str(tmp_path / "bytes")),
        *("--send-rate", "100/s", "--expect", "any"),
    )
    messages = balanced_sockets(result)["sockets"]["messages"]
    assert (messages["bytes_sent"], messages["bytes_received"]) == (30 * 256, 30 * 256), result


def test_compression_and_a_subprotocol_are_agreed_on(loadgen: Loadgen, target: Target) -> None:
    result = loadgen(
        *("ws", f"{target.url}/ws/echo", *QUICK, "--deflate", "--subprotocol", "one", "--subprotocol", "two"),
        *("--send", "a" * 5000, "--send-rate", "100/s", "--expect", "any"),
    )
    messages = balanced_sockets(result)["sockets"]["messages"]
    assert (messages["bytes_sent"], messages["bytes_received"]) == (30 * 5000, 30 * 5000), result
    on_the_wire = statistics(target.url)["bytes"]
    assert 0 < on_the_wire["received"] < 30 * 500, "compressed"
    assert 0 < on_the_wire["sent"] < 30 * 500


@pytest.mark.parametrize("workers", ["1", "2"])
def test_deliveries_are_timed_and_put_together(
    loadgen: Loadgen, make_target: TargetFactory, workers: str
) -> None:
    target = make_target("--feed", "transactions=100/s", "--feed", "blocks=0", "--feed", "network_stats=0")
    result = loadgen(
        *("ws", f"{target.url}/ws/feed", "-n", "20", "--connect-rate", "500/s", "-d", "500ms"),
        *("--subscribe", ASK, *FEED, "--workers", workers),
    )
    summary = balanced_sockets(result)
    assert label(summary, "subscribe")["requests"]["ok"] == 20, result
    delivery = summary["sockets"]["delivery"]
    counted = statistics(target.url)["channels"]["transactions"]
    received = summary["sockets"]["messages"]["received"] - 20
    assert delivery["latency"]["count"] == received > 20 * 20, result
    assert received <= counted["delivered"], result
    assert (delivery["missing"], delivery["repeated"], delivery["reordered"]) == (0, 0, 0), result
    assert delivery["receivers"]["max"] == 20, "parts of all workers"
    for name in ("first", "last", "spread"):
        assert delivery[name]["count"] == delivery["groups"] <= counted["published"], result
    assert delivery["first"]["max_ms"] <= delivery["last"]["max_ms"]
    assert delivery["clock_offset_ms"] is None
    assert "each to " in result.stdout, result


def test_requests_of_a_blast_are_timed_until_their_delivery(
    loadgen: Loadgen, make_target: TargetFactory
) -> None:
    target = make_target("--feed", "blocks=0", "--feed", "transactions=0", "--feed", "network_stats=0")
    ask = '{"op": "subscribe", "id": {{connection}}, "channel": "blocks"}'
    listening = loadgen.start(
        *(
            "ws",
            f"{target.url}/ws/feed",
            "-n",
            "20",
            "--connect-rate",
            "500/s",
            "-d",
            "30s",
            "--workers",
            "2",
        ),
        *("--subscribe", ask, "--expect", "op=subscribed", "--stamp", "data.sent", "--no-live"),
    )
    wait_for(target.url, lambda counts: counts["channels"]["blocks"]["subscribers"] == 20)
    publish = ("--json", '{"sent": {{due_ns}}}', "--tps", "100", "-d", "500ms")
    assert loadgen("blast", f"{target.url}/ws/publish?channel=blocks", *publish).exit_code == 0
    wait_for(target.url, lambda counts: counts["channels"]["blocks"]["delivered"] == 1000)
    listening.interrupt()
    summary = balanced_sockets(listening.wait(20))
    delivery = summary["sockets"]["delivery"]
    assert (delivery["groups"], delivery["receivers"]) == (50, {"min": 20, "max": 20})
    assert delivery["latency"]["count"] == 1000
    assert 0 < delivery["first"]["min_ms"] <= delivery["last"]["max_ms"]


def test_what_is_lost_repeated_or_out_of_order_is_counted(
    loadgen: Loadgen, make_target: TargetFactory
) -> None:
    target = make_target(
        *("--feed", "transactions=400/s", "--feed", "blocks=0", "--feed", "network_stats=0"),
        *("--feed-lose", "0.05", "--feed-repeat", "0.05", "--feed-reorder", "0.05"),
    )
    result = loadgen(
        *("ws", f"{target.url}/ws/feed", "-n", "10", "--connect-rate", "500/s", "-d", "700ms"),
        *("--subscribe", ASK, *FEED),
    )
    delivery = balanced_sockets(result)["sockets"]["delivery"]
    counted = statistics(target.url)["channels"]["transactions"]
    # What was lost before the first event of a socket, or after its last, nobody can know of.
    for name, ours in (("lost", "missing"), ("repeated", "repeated"), ("reordered", "reordered")):
        assert 0 < delivery[ours] <= counted[name], (name, result)
        assert counted[name] - delivery[ours] <= 40, (name, result)


def test_each_socket_takes_one_of_the_subscriptions(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    kinds = [
        {"kind": "simple", "send": {"op": "subscribe", "channel": "blocks"}},
        {"kind": "wrong", "send": {"op": "subscribe", "channel": "nothing"}},
    ]
    (tmp_path / "kinds.jsonl").write_text("\n".join(map(json.dumps, kinds)))
    result = loadgen(
        *("ws", f"{target.url}/ws/feed", *QUICK, "--subscriptions", str(tmp_path / "kinds.jsonl")),
        *("--expect", "op=subscribed", "--timeout", "200ms"),
    )
    summary = balanced_sockets(result)
    assert label(summary, "subscribe simple")["requests"]["ok"] == 5, result
    assert label(summary, "subscribe wrong")["requests"]["errors"] == {"timeout": 5}, result


def test_pings_are_answered_or_the_socket_is_lost(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("ws", f"{target.url}/ws/echo", *QUICK, "--ping", "50ms")
    summary = balanced_sockets(result)
    assert summary["sockets"]["ping"]["count"] == statistics(target.url)["pongs"]["sent"] > 10, result
    silent = loadgen(
        *("ws", f"{target.url}/ws/echo?no_pong=1", "-n", "3", "--connect-rate", "500/s", "-d", "600ms"),
        *("--ping", "50ms", "--timeout", "200ms"),
    )
    summary = balanced_sockets(silent)
    assert summary["sockets"]["connections"]["lost"] == 3, silent
    assert label(summary, "session")["requests"]["errors"] == {"ws_no_pong": 3}, silent


def test_refusals_are_told_with_their_status(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("ws", f"{target.url}/ws/echo?status=403", *QUICK)
    summary = balanced_sockets(result)
    connections = summary["sockets"]["connections"]
    assert (connections["opened"], connections["failed"], connections["refused"]) == (0, 10, {"403": 10})
    assert summary["requests"]["errors"] == {"ws_refused": 10}, result
    assert "the answer to the handshake was not 101" in result.stdout


def test_a_handshake_without_an_answer_times_out(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("ws", f"{target.url}/ws/echo?never=1", *QUICK, "--timeout", "150ms", "--drain", "1s")
    assert balanced_sockets(result)["requests"]["errors"] == {"timeout": 10}, result


def test_a_socket_that_is_closed_by_the_peer_is_lost_and_opened_again(
    loadgen: Loadgen, target: Target
) -> None:
    echo = f"{target.url}/ws/echo?close_after=2"
    load = ("-n", "4", "--connect-rate", "500/s", "-d", "800ms", "--send", "a", "--send-rate", "40/s")
    result = loadgen("ws", echo, *load, "--expect", "any")
    summary = balanced_sockets(result)
    connections = summary["sockets"]["connections"]
    assert (connections["opened"], connections["lost"], connections["reconnects"]) == (4, 4, 0), result
    assert label(summary, "session")["requests"]["errors"] == {"ws_closed": 4}, result
    assert summary["arrivals"]["dropped"] == 32 - summary["sockets"]["messages"]["sent"] > 0, result
    assert summary["generator"]["verdict"] != "client-limited", "the target closed them"
    again = loadgen("ws", echo, *load, "--expect", "any", "--reconnect", "5ms..20ms")
    summary = balanced_sockets(again)
    connections = summary["sockets"]["connections"]
    assert connections["lost"] > 4, again
    assert connections["opened"] == 4 + label(summary, "reconnect")["requests"]["ok"], again
    assert connections["reconnects"] == label(summary, "reconnect")["requests"]["total"], again


@pytest.mark.parametrize("expects", [(), ("--expect", "any")])
def test_more_than_can_be_sent_goes_out_together_in_order(
    loadgen: Loadgen, target: Target, expects: tuple[str, ...]
) -> None:
    load = ("-n", "1", "--connect-rate", "500/s", "-d", "300ms", "--drain", "20s")
    sends = ("--send", '{"seq": {{k}}}', "--send-rate", "300000/s", "--sequence", "seq", *expects)
    result = loadgen("ws", f"{target.url}/ws/echo", *load, *sends)
    messages = balanced_sockets(result)["sockets"]["messages"]
    assert messages["sent"] == statistics(target.url)["messages"]["received"] == 90_000, result
    delivery = result.summary["sockets"]["delivery"]
    assert {delivery[fault] for fault in ("missing", "repeated", "reordered")} == {0}, result


@pytest.mark.parametrize("reconnect", [(), ("--reconnect", "1ms..5ms")])
def test_what_a_socket_was_given_and_could_not_send_is_in_the_books(
    loadgen: Loadgen, target: Target, reconnect: tuple[str, ...]
) -> None:
    load = ("-n", "8", "--connect-rate", "500/s", "-d", "300ms", "--drain", "2s", *reconnect)
    sends = ("--send", "a", "--send-rate", "200000/s", "--expect", "any")
    summary = balanced_sockets(loadgen("ws", f"{target.url}/ws/echo?close_after=20", *load, *sends))
    assert summary["sockets"]["connections"]["lost"] >= 8
    # Of the sockets too; what is due once none is open, or about to be, nobody can send.
    assert summary["arrivals"]["scheduled"] == 8 + 60_000


def test_a_message_for_which_no_socket_is_open_is_dropped_and_said(loadgen: Loadgen, target: Target) -> None:
    load = ("--send", "a", "--send-rate", "50/s")
    result = loadgen("ws", f"{target.url}/ws/echo?status=500", *QUICK, *load)
    summary = balanced_sockets(result)
    assert summary["arrivals"]["dropped"] == 15, result
    assert "no socket was open" in result.stdout, result


def test_ctrl_c_closes_all_sockets_with_a_close_and_reports(loadgen: Loadgen, target: Target) -> None:
    started = loadgen.start(
        *("ws", f"{target.url}/ws/echo", "-n", "20", "--connect-rate", "500/s", "-d", "1m"),
        *("--send", "a", "--send-rate", "100/s", "--expect", "any", "--workers", "2"),
    )
    workers = started.wait_for_workers(2)
    while statistics(target.url)["messages"]["received"] < 10:
        assert not started.ended, started.wait()
    started.interrupt()
    result = started.wait(20)
    assert result.exit_code == 130, result
    summary = balanced_sockets(result)
    assert summary["sockets"]["connections"]["closes"] == {"1000": 20}, result
    assert summary["arrivals"]["unfinished"] == 0, result
    counted = statistics(target.url)
    assert (counted["connections"]["open"], counted["close_codes"]["received"]) == (0, {"1000": 20}), result
    assert "interrupted" in result.stdout, result
    wait_until_gone(workers)


def test_a_worker_that_is_killed_loses_its_sockets_and_nothing_that_it_recorded(
    loadgen: Loadgen, target: Target
) -> None:
    import os
    import signal

    started = loadgen.start(
        *("ws", f"{target.url}/ws/echo", "-n", "20", "--connect-rate", "500/s", "-d", "1s"),
        *("--send", "a", "--send-rate", "100/s", "--expect", "any", "--workers", "2"),
    )
    workers = started.wait_for_workers(2)
    while statistics(target.url)["messages"]["received"] < 10:
        assert not started.ended, started.wait()
    os.kill(workers[1], signal.SIGKILL)
    result = started.wait(20)
    assert result.exit_code == 3, result
    arrivals = result.summary["arrivals"]
    assert arrivals["scheduled"] == 120, result
    assert arrivals["scheduled"] == arrivals["sent"] + arrivals["dropped"] + arrivals["cancelled"], result
    assert "was lost" in result.stdout, result


def test_thresholds_decide(loadgen: Loadgen, target: Target) -> None:
    url = f"{target.url}/ws/echo"
    passed = loadgen(
        *("ws", url, *QUICK, "--ping", "50ms", "--threshold", "connect: p50 < 5s"),
        *(
            "--threshold",
            "ping: p50 < 5s",
            "--threshold",
            "missing < 1",
            "--threshold",
            "sockets lost: sum < 1",
        ),
    )
    assert passed.exit_code == 0, passed
    failed = loadgen("ws", url, *QUICK, "--threshold", "sockets opened: sum < 5")
    assert failed.exit_code == 1, failed


def test_nobody_there_is_exit_code_4(loadgen: Loadgen, free_port: int) -> None:
    result = loadgen("ws", f"ws://127.0.0.1:{free_port}/", *QUICK)
    assert result.exit_code == 4, result
    assert "cannot be reached: " in result.stderr


def test_without_a_url_the_embedded_target_echoes(loadgen: Loadgen) -> None:
    result = loadgen("ws", *QUICK, "--send", "hello", "--expect", "any", "--send-rate", "50/s")
    summary = balanced_sockets(result)
    assert summary["name"] == "ws embedded target"
    assert "no URL given: the embedded target at http://127.0.0.1:" in result.stderr
    assert summary["sockets"]["messages"]["received"] == 15, result


def test_sources_are_taken_in_turns(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    sources: list[str] = []

    def refuse(connection: RawConnection) -> None:
        sources.append(connection.socket.getpeername()[0])
        if connection.read_request():
            connection.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    server = raw_server(refuse)
    result = loadgen("ws", f"{server.url}/feed", *QUICK, "--bind", "127.0.0.2-127.0.0.6")
    assert result.summary["sockets"]["connections"]["refused"] == {"503": 10}, result
    asked = [source for source in sources if source != "127.0.0.1"]  # that was the look before the run
    assert {source: asked.count(source) for source in asked} == {f"127.0.0.{n}": 2 for n in range(2, 7)}


def test_secrets_are_in_no_record(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("ws", f"{target.url}/ws/echo", *QUICK, "--bearer", "hush-hush", "-H", "X-Api-Key: hush")
    balanced_sockets(result)
    for file in result.run_folder.iterdir():
        assert b"hush" not in file.read_bytes(), file
    assert "hush" not in result.stdout + result.stderr


def test_more_than_the_machine_can_hold_is_refused_with_the_remedy(target: Target, tmp_path: Path) -> None:
    def few_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    found = subprocess.run(
        [LOADGEN, "ws", f"{target.url}/ws/echo", "-n", "1000", "--workers", "2"],
        cwd=tmp_path,
        preexec_fn=few_descriptors,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 2, found
    assert "this machine cannot hold 1,000 sockets: a worker needs 532 descriptors" in found.stderr
    assert "--workers 6" in found.stderr
    assert not (tmp_path / "runs").exists()
