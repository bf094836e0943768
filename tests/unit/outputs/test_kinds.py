"""From the text of `--output` to an output, or to what is wrong with it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from loadgen.errors import UsageError
from loadgen.outputs.kinds import KINDS, make_output


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("prometheus", "prometheus 127.0.0.1:9464"),
        ("prometheus=9999", "prometheus 127.0.0.1:9999"),
        ("prometheus=[::1]:9999", "prometheus ::1:9999"),
        ("statsd=:8000", "statsd 127.0.0.1:8000"),
        ("dogstatsd", "dogstatsd 127.0.0.1:8125"),
        ("influx=https://u:p@h/api/v2/write?org=a&bucket=b", "influx https://h/api/v2/write"),
        ("influx=points.txt", "influx points.txt"),
        ("remote-write=http://h:1/api/v1/write", "remote-write http://h:1/api/v1/write"),
        ("otel=http://h:4318", "otel http://h:4318/v1/metrics"),
        ("otel=http://h:4318/own/path", "otel http://h:4318/own/path"),
        ("otel", "otel collector"),
        ("jsonl=a=b", "jsonl a=b"),
        ("jsonl=\udcff\n", "jsonl \\udcff\\n"),
    ],
)
def test_a_name_says_kind_and_receiver_and_no_secret(text: str, name: str) -> None:
    output = make_output(text, "--output")
    assert output.name == name
    output.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there are prometheus, remote-write"),
        ("csv", "expected csv=FILE"),
        ("prometheus=", "prometheus or prometheus=[HOST:]PORT"),
        ("prometheus=1:99999", "HOST:PORT"),
        ("statsd=http://h:1", "HOST:PORT"),
        ("influx=ftp://u:secret@h/x", "such as http://127.0.0.1:8086/write"),
        ("influx=http://h:x/write?p=secret", "such as http"),
        ("influx=http://u:secret@h/a b", "characters"),
        ("influx=http://u:secret?x@h/write", "such as http"),
        ("http://u:secret@h/write", 'no output "http://..."'),
        ("influx=http://a..b/write", "such as http"),
        ("remote-write=h:1", "such as http"),
    ],
)
def test_a_mistake_names_what_was_expected_and_shows_no_secret(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        make_output(text, "--output")
    assert str(caught.value).startswith("--output: ") and "secret" not in str(caught.value)


def test_a_token_that_no_header_can_hold_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADGEN_INFLUX_TOKEN", "to\nken")
    with pytest.raises(UsageError, match="LOADGEN_INFLUX_TOKEN has characters") as caught:
        make_output("influx=http://h/write?db=x", "--output")
    assert "ken" not in str(caught.value).replace("TOKEN", "")


@pytest.mark.parametrize("kind", ["prometheus", "remote-write", "otel"])
def test_a_missing_extra_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setitem(sys.modules, KINDS[kind].asks_for, None)
    with pytest.raises(UsageError) as caught:
        make_output(f"{kind}=http://h/x", "--output")
    assert caught.value.hint == f"pip install 'loadgen[{KINDS[kind].extra}]'"


def test_every_kind_has_its_line_in_the_docs() -> None:
    table = Path("docs/outputs.md").read_text().partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)", table, re.MULTILINE)
    assert rows == list(KINDS)
