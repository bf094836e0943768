"""`loadgen ws` from the command line and the environment to a plan; mistakes end in words and exit code 2."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from loadgen.cli import call
from loadgen.cli.ws import make_plan, ws
from loadgen.engine_plan import Backoff, EnginePlan, Expected, Stamp
from loadgen.errors import PlanError
from tests.unit.scripts import SECOND
from tests.unit.sockets import sockets_of


def compile_plan(*arguments: str, **environment: str) -> EnginePlan:
    """The plan that `loadgen ws` would run."""
    made: list[EnginePlan] = []

    @click.command(params=ws.params)
    @click.pass_context
    def probe(ctx: click.Context, /, url: str | None, **values: Any) -> None:
        made.append(make_plan(ctx, url, values).compile())

    variables = {f"LOADGEN_{name}": value for name, value in environment.items()}
    outcome = CliRunner().invoke(probe, arguments, env=variables, standalone_mode=False)
    if outcome.exception:
        raise outcome.exception
    return made[0]


def test_flags_make_a_plan() -> None:
    plan = compile_plan(
        *("wss://host/feed", "-n", "50", "--connect-rate", "10/s", "-d", "1m", "-w", "2", "--seed", "9"),
        *("--send", "a", "--send", "b", "--send-rate", "30/m", "--subscribe", "c", "--deflate"),
        *(
            "--expect",
            "op=ok",
            "--stamp",
            "t:ms:wall",
            "--sequence",
            "seq",
            "--channel",
            "ch",
            "--ping",
            "5s",
        ),
        *("--reconnect", "1s..2s", "--subprotocol", "one", "--subprotocol", "two", "--timeout", "3s"),
        *("-H", "A: b", "--bearer", "t", "--insecure", "--bind", "127.0.0.2-127.0.0.4", "--name", "mine"),
        *("--threshold", "connect: p99 < 1s", "--drain", "1s", "--pacing", "eco"),
    )
    sockets = sockets_of(plan)
    assert (plan.connections, plan.workers, plan.duration_ns) == (50, 2, 65 * SECOND)
    assert (plan.timeout_ns, plan.drain_ns, plan.pacing) == (3 * SECOND, SECOND, "eco")
    assert (plan.name, plan.command) == ("mine", "ws")
    assert (sockets.url, sockets.deflate, sockets.seed) == ("wss://host/feed", True, 9)
    assert sockets.headers == [("A", "b"), ("Authorization", "Bearer t")]
    assert [message.text for message in sockets.messages] == ["a", "b"]
    assert [message.text for message in sockets.subscribe] == ["c"]
    assert sockets.sends is not None and sockets.sends.stages[-1].to_rate == 0.5
    assert (sockets.expect, sockets.stamp) == ([Expected("op", '"ok"')], Stamp("t", 1_000_000, "wall"))
    assert (sockets.sequence, sockets.channel, sockets.ping_every_ns) == ("seq", "ch", 5 * SECOND)
    assert (sockets.reconnect, sockets.subprotocols) == (Backoff(SECOND, 2 * SECOND), ["one", "two"])
    assert (plan.wire.bind, plan.wire.tls.insecure) == (["127.0.0.2", "127.0.0.3", "127.0.0.4"], True)
    assert plan.thresholds == ["connect: p99 < 1s"]


def test_ten_sockets_for_ten_seconds_where_nothing_is_said() -> None:
    plan = compile_plan()
    assert plan.describe_load() == "10 sockets at 100/s, held for 10s"
    assert plan.origins == {}
    assert plan.name == "ws embedded target"


def test_origins_are_kept() -> None:
    plan = compile_plan("/x", "-n", "5", "--send", "a", "--auth", "a:b", HOLD="2s", SEND_RATE_EACH="1/s")
    assert plan.origins == {
        "url": "URL",
        "headers": "--auth",
        "sockets.connections": "--connections",
        "sockets.send": "--send",
        "sockets.hold": "LOADGEN_HOLD",
        "sockets.send_rate_each": "LOADGEN_SEND_RATE_EACH",
    }


def test_what_the_environment_says_of_requests_is_no_mistake_here() -> None:
    assert compile_plan(TPS="500", METHOD="PUT", DURATION="3s").duration_ns == SECOND // 10 + 10 * SECOND


def test_messages_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text('{"a": 1}\n\n@hello\n')
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    sockets = sockets_of(
        compile_plan(
            *("--send", f"@{tmp_path}/lines", "--send", "last", "--send-binary", f"{tmp_path}/bytes"),
            *("--subscribe", f"@{tmp_path}/lines"),
        )
    )
    assert [message.text for message in sockets.messages[:3]] == ['{"a": 1}', "@hello", "last"]
    assert b64decode(sockets.messages[3].text) == b"\xff\x00"
    assert [message.text for message in sockets.subscribe] == ['{"a": 1}', "@hello"]


def test_several_messages_in_the_environment_are_lines() -> None:
    assert [one.text for one in sockets_of(compile_plan(SEND="a b\nc")).messages] == ["a b", "c"]


def test_mistakes_name_the_flag_or_the_variable() -> None:
    with pytest.raises(PlanError) as caught:
        compile_plan("-n", "x", "--send", "{{y}}", "--ping", "0s", "--tls-min", "1", CONNECT_RATE="slow")
    places = [mistake.place for mistake in caught.value.mistakes]
    assert sorted(places) == ["--connections", "--ping", "--send", "--tls-min", "LOADGEN_CONNECT_RATE"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ftp://host"], 'loadgen: URL: the scheme "ftp" is not supported: give a ws or wss URL\n'),
        (["--send", "@/nowhere/x"], "loadgen: --send: /nowhere/x cannot be read: No such file or directory"),
        (["--subscribe", "@/dev/null"], "loadgen: --subscribe: /dev/null has no messages"),
        (["--send-binary", "/nowhere/x"], "loadgen: --send-binary: /nowhere/x cannot be read: No such file"),
        (["--send-rate", "5"], "loadgen: --send-rate: there is nothing to send: give --send"),
        (
            ["--send", "a", "--send-rate", "5", "--send-rate-each", "5"],
            "loadgen: --send-rate-each: cannot be used with --send-rate: one of all, one of each",
        ),
        (["--expect", "any"], "loadgen: --expect: there are no replies where nothing is sent"),
        (["--bind", "127.0.0.9-127.0.0.2"], '"127.0.0.9-127.0.0.2" is no range of at most 4,096 addresses'),
        (["--tps", "5"], "No such option '--tps'"),
        (["a", "b"], "unexpected extra argument"),
        (["--auth", "x"], "loadgen: --auth: expected USER:PASSWORD"),
        (["-H", "Connection: close"], "loadgen: --header: Connection is written by the handshake"),
    ],
)
def test_mistakes_end_in_words_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert call(["ws", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_schedule_is_printed_and_not_played(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["-n", "2", "--connect-rate", "4/s", "-d", "500ms", "--send", "a", "--send-rate", "4/s"]
    assert call(["ws", *arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        "0 0.000000000 connect\n1 0.250000000 connect\n0 0.500000000 send\n1 0.750000000 send\n"
    )
