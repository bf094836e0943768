"""`loadgen doctor`: every finding has a status, and every warning a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadgen import health, machine
from loadgen.cli import call


def test_it_prints_lines_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(("ok ", "warn ", "unknown "))]
    for name in (
        "descriptors",
        "local ports",
        "somaxconn",
        "clock source",
        "processors",
        "io_uring",
        "python",
    ):
        assert any(name in line for line in lines), name


def test_it_speaks_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert {tuple(finding) for finding in findings} == {("name", "status", "value", "advice")}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("descriptors", {"descriptor_limits": lambda: (1024, 4096)}),
        ("local ports", {"port_range": lambda: (40_000, 41_000)}),
        ("processors", {"processors": lambda: 1}),
        ("processor quota", {"processor_quota": lambda: 0.5}),
    ],
)
def test_what_is_too_small_comes_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, change: dict[str, object]
) -> None:
    for function, answer in change.items():
        monkeypatch.setattr(health, function, answer)
    finding = next(finding for finding in machine.examine() if finding.name == name)
    assert finding.status == "warn"
    assert finding.advice


def test_a_system_that_does_not_tell_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health, "read", lambda _: "")
    monkeypatch.setattr(health, "PROC", tmp_path)
    monkeypatch.setattr(health, "CGROUP", tmp_path)
    statuses = {finding.name: finding.status for finding in machine.examine()}
    assert statuses["somaxconn"] == statuses["local ports"] == statuses["io_uring"] == "unknown"
