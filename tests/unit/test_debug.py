"""What --debug prints of a request, a check and an error; what it hides and where it cuts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from loadgen import testing
from loadgen.debug import Printer, body_lines, debug_run, error_lines, message_lines
from loadgen.errors import ExitCode
from loadgen.plan import Plan
from loadgen.scenario import Scenario, scenario
from loadgen.script import Script

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.user import User


@dataclass
class Answer:
    status: int = 200
    error: str | None = None
    content: bytes = b""
    elapsed: float = 0.00123


@dataclass
class Exchange:
    method: str = "GET"
    url: str = "http://127.0.0.1:1/items"
    request_headers: list[tuple[str, str]] = field(default_factory=list)
    request_body: bytes = b""
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    response: Answer = field(default_factory=Answer)


def test_a_request_and_its_response_are_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Printer("scenario.py").request(
        Exchange(
            method="POST",
            request_headers=[("content-type", "application/json"), ("Authorization", "Bearer 1234")],
            request_body=b'{"a": 1}',
            response_headers=[("Set-Cookie", "id=5"), ("Server", "x\x1b[2J")],
            response=Answer(201, content=b"ok\nyes\n"),
        )
    )
    assert capsys.readouterr().out == (
        "  POST http://127.0.0.1:1/items\n"
        "    > content-type: application/json\n"
        "    > Authorization: (redacted)\n"
        "    >\n"
        '    > {"a": 1}\n'
        "    < 201 in 1.23 ms\n"
        "    < Set-Cookie: (redacted)\n"
        "    < Server: x\\x1b[2J\n"
        "    <\n"
        "    < ok\n"
        "    < yes\n"
    )


def test_a_request_without_an_answer_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    Printer("scenario.py").request(Exchange(response=Answer(0, "connect_refused", elapsed=0.00005)))
    assert capsys.readouterr().out.splitlines()[-1] == "    < no answer: connect_refused in 50.0 µs"


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "Proxy-Authorization", "Cookie", "set-cookie", "X-API-Key", "x-apikey"),
        *("X-Auth-Token", "x-csrf-token", "X-Amz-Security-Token", "x-session-id", "x-client-secret"),
    ],
)
def test_secrets_in_headers_are_not_printed(name: str) -> None:
    assert message_lines(">", [(name, "open sesame")], b"") == [f"  > {name}: (redacted)"]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        ("Größe \x1b[2J".encode(), ["Größe \\x1b[2J"]),
        (b"\xff\xfe\x00", ["(3 B, not text)"]),
        (b"x" * 2000, ["x" * 2000]),
        (b"x" * 5000, ["x" * 2000, "(cut; 5.00 kB in all)"]),
        (b"x\n" * 40, ["x"] * 40),
        (b"x\n" * 41, ["x"] * 40 + ["(cut; 82 B in all)"]),
    ],
)
def test_bodies_are_cut_where_nobody_reads_on(body: bytes, lines: list[str]) -> None:
    assert body_lines(body) == lines


def raised_by(action: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:
        action()
    return caught.value


def test_an_error_points_at_the_line_of_the_script(tmp_path: Path) -> None:
    script = tmp_path / "scenario.py"
    script.write_text("import json\n\ndef browse():\n    json.loads('{')  # broken\n")
    names: dict[str, Any] = {}
    exec(compile(script.read_text(), script, "exec"), names)  # noqa: S102 - as a script is loaded
    lines = error_lines(raised_by(names["browse"]), str(script))
    assert lines[0].startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert lines[1:] == ["  scenario.py:4: json.loads('{')  # broken"]


def test_an_error_that_never_was_in_the_script_points_at_where_it_was() -> None:
    (text, place) = error_lines(raised_by(lambda: int("x")), "/no/scenario.py")
    assert text.startswith("ValueError: ")
    assert place.startswith("  test_debug.py:")


@scenario
async def browse(user: User) -> None:
    """None of these runs: the engine is played by a fake."""


@scenario
async def pay(user: User) -> None:
    """The second."""


@scenario(weight=0)
async def idle(user: User) -> None:
    """One that a run leaves out."""


class TestRun:
    """One iteration of each scenario that the plan runs, and the exit code."""

    @staticmethod
    def run(monkeypatch: pytest.MonkeyPatch, steps: Callable[[Printer, str], None]) -> int:
        def play(script: Script, which: Scenario, base_url: str, observer: Printer) -> None:
            assert base_url == "http://127.0.0.1:1/base"
            # What the flags said of requests is in the script's plan now.
            assert script.plan is not None
            assert script.plan.headers == [("X-Test", "1")]
            assert script.plan.timeout == 2.0
            assert script.plan.arguments == {"size": "large"}
            steps(observer, which.name)

        monkeypatch.setattr(testing, "play", play)
        script = Script(
            path=Path("/scenario.py"),
            module=ModuleType("scenario"),
            scenarios=(browse, pay, idle),
            sessions=(),
            onces=(),
            feeds={},
            plan=Plan(arguments={"size": "small"}, users=5),
        )
        plan = script.plan_with(
            {
                "base_url": "http://127.0.0.1:1/base",
                "headers": [("X-Test", "1")],
                "timeout": "2s",
                "arguments": {"size": "large"},
            },
            only=["browse", "pay"],
        )
        return debug_run(script, plan.compile())

    def test_all_is_well(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        def steps(printer: Printer, name: str) -> None:
            printer.request(Exchange())
            printer.check("ok", name == "browse")

        assert self.run(monkeypatch, steps) == ExitCode.PASSED
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "browse: one user, one iteration, against http://127.0.0.1:1/base"
        assert "  check passed: ok" in lines
        assert "  check failed: ok" in lines
        assert not any(line.startswith("idle") for line in lines)
        assert lines[-1] == "2 requests, 1 check passed, 1 check failed"

    def test_an_error_of_the_script_is_its_exit_code(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code = self.run(monkeypatch, lambda printer, _: printer.error(KeyError("id")))
        assert code == ExitCode.SCRIPT_FAILED
        assert capsys.readouterr().out.splitlines()[-1] == "0 requests, 2 errors"

    def test_a_target_that_never_answers_is_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refused = Exchange(response=Answer(0, "connect_refused"))
        assert self.run(monkeypatch, lambda printer, _: printer.request(refused)) == ExitCode.UNREACHABLE
        assert self.run(monkeypatch, lambda *_: None) == ExitCode.PASSED  # no request: nothing to reach
