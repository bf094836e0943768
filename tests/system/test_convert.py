"""`loadgen convert`: what it takes and refuses, and where it writes; and vegeta's targets."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.converter import Converter
from tests.support.site import Site

if TYPE_CHECKING:
    from tests.support.command import Loadgen


@pytest.mark.parametrize("form", ["blocks", "lines"])
def test_targets_of_vegeta_are_scenarios(converted: Converter, site: Site, tmp_path: Path, form: str) -> None:
    (tmp_path / "body.json").write_text('{"a": 1}')
    blocks = """# a comment
GET http://h.example/
X-Account: 8675309

POST http://h.example/things
Content-Type: application/json
@body.json
"""
    lines = [
        {"method": "GET", "url": "http://h.example/", "header": {"X-Account": ["8675309"]}},
        {
            "method": "POST",
            "url": "http://h.example/things",
            "header": {"Content-Type": ["application/json"]},
            "body": base64.b64encode(b'{"a": 1}').decode(),
        },
    ]
    text = blocks if form == "blocks" else "\n".join(json.dumps(line) for line in lines)
    asked = converted.asked_by(converted("targets.txt", text), site, scenarios=2)
    got = next(one for one in asked if one.method == "GET")
    posted = next(one for one in asked if one.method == "POST")
    assert (got.target, got.headers["x-account"]) == ("/", "8675309")
    assert (posted.target, json.loads(posted.body)) == ("/things", {"a": 1})
    assert posted.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("empty.txt", "", "it is empty"),
        ("broken.json", '{"a": 1,\n "b"', "line 2 is no JSON"),
        ("broken.yaml", "openapi: 3.1.0\npaths: [", "is no YAML"),
        ("v1.json", '{"requests": [], "order": []}', "Postman exports it as v2.1"),
        (
            "chat.yml",
            "scenarios: [{engine: socketio, flow: [{emit: [a]}]}]",
            "of the engine socketio are left",
        ),
        ("words.txt", "these are only words", "nothing that loadgen can rewrite"),
        ("empty.har", '{"log": {"entries": []}}', "there is no request in it"),
        ("broken.har", '{"log": {"entries": [{"request": {}}]}}', "not a HAR file as loadgen knows it"),
        ("open.txt", "curl 'http://h.example/", "the command lines cannot be read"),
        ("none.txt", "curl -H 'A: b'", "there is no URL"),
        ("targets.txt", "GET http://h.example/\nnonsense\n", 'line 2: expected "METHOD URL"'),
        ("test.yml", "config: {}\nscenarios: [{flow: [{think: 1}]}]", "there is no request in it"),
        ("open.yml", "config: {phases: []}\nscenarios: [{", "open.yml:2"),
    ],
)
def test_what_cannot_be_rewritten_is_said(
    loadgen: Loadgen, tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    result = loadgen("convert", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_script_that_is_there_is_not_written_over(loadgen: Loadgen, tmp_path: Path) -> None:
    file, script = tmp_path / "commands.txt", tmp_path / "script.py"
    file.write_text("curl http://h.example/")
    script.write_text("mine")
    result = loadgen("convert", str(file), "-o", str(script))
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert script.read_text() == "mine"
    assert loadgen("convert", str(file), "-o", str(script), "--force").exit_code == 0
    assert "user.get" in script.read_text()


def test_a_place_that_cannot_be_written_is_said(loadgen: Loadgen, tmp_path: Path) -> None:
    file = tmp_path / "commands.txt"
    file.write_bytes("curl http://h.example/".encode("utf-16"))  # as PowerShell's redirections write
    for output in (tmp_path, tmp_path / "none" / "script.py"):
        result = loadgen("convert", str(file), "-o", str(output), "--force")
        assert result.exit_code == 2
        assert "cannot be written" in result.stderr
    assert "user.get" in loadgen("convert", str(file), "-o", "-").stdout
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    for name in ("latin.txt", "nobody.har", "."):
        result = loadgen("convert", str(tmp_path / name))
        assert result.exit_code == 2
        assert "cannot be read" in result.stderr
