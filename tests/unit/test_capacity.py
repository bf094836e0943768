"""What this machine can hold, and what to do where that is too little."""

from __future__ import annotations

import resource
from typing import Any

import msgspec
import pytest

from loadgen import capacity, health
from loadgen.capacity import check_capacity
from loadgen.errors import UsageError
from loadgen.plan import Plan
from tests.unit.sockets import socket_plan


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,032 descriptors, 2,000 ports, room for 4,000 sockets."""
    monkeypatch.setattr(health, "descriptor_limits", lambda: (100, 1000 + capacity.OWN_DESCRIPTORS))
    monkeypatch.setattr(health, "port_range", lambda: (30_000, 31_999))
    monkeypatch.setattr(health, "available_bytes", lambda: 4000 * capacity.SOCKET_BYTES)


def check(connections: int, *, address: str = "127.0.0.1:9000", **wishes: Any) -> UsageError | None:
    plan = socket_plan(connections=connections, connect_rate=10**6, **wishes)
    try:
        check_capacity(msgspec.structs.replace(plan, addresses=[address]))
    except UsageError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("connections", "wishes"),
    [
        (1000, {}),
        (2000, {"workers": 2}),
        (4000, {"workers": 4, "bind": "127.0.0.2-127.0.0.3"}),
    ],
)
def test_what_fits_is_let_through(connections: int, wishes: dict[str, Any]) -> None:
    assert check(connections, **wishes) is None


@pytest.mark.parametrize(
    ("connections", "wishes", "what", "remedy"),
    [
        (1001, {}, "a worker needs 1,033 descriptors and may have 1,032", "--workers 2"),
        (2001, {"workers": 3}, "2,000 local ports for each pair of addresses", "--bind 127.0.0.2-127.0.0.3"),
        (
            4001,
            {"workers": 5, "bind": "127.0.0.2-127.0.0.4"},
            "they take 16.0 MB or more and 16.0 MB are free",
            "open fewer",
        ),
    ],
)
def test_what_does_not_fit_comes_with_its_remedy(
    connections: int, wishes: dict[str, Any], what: str, remedy: str
) -> None:
    error = check(connections, **wishes)
    assert error is not None and error.hint is not None
    assert (
        error.message == f"this machine cannot hold {connections:,} sockets: {what}" or what in error.message
    )
    assert remedy in error.hint


def test_all_that_is_lacking_is_said_at_once() -> None:
    error = check(9000, address="10.0.0.1:80")
    assert error is not None and error.hint is not None
    assert error.message.count(";") == 2
    assert len(error.hint.splitlines()) == 3
    assert "--bind ADDRESS,ADDRESS" in error.hint, "loopback addresses lead nowhere else"


def test_several_addresses_of_the_target_have_ports_each() -> None:
    plan = socket_plan(connections=4000, connect_rate=10**6, workers=4)
    check_capacity(msgspec.structs.replace(plan, addresses=["10.0.0.1:80", "10.0.0.2:80"]))
    with pytest.raises(UsageError, match="local ports"):
        check_capacity(msgspec.structs.replace(plan, addresses=["10.0.0.1:80"]))


def test_what_a_system_does_not_tell_limits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "descriptor_limits", lambda: (100, resource.RLIM_INFINITY))
    monkeypatch.setattr(health, "port_range", lambda: None)
    monkeypatch.setattr(health, "available_bytes", lambda: None)
    assert check(500_000) is None
    assert (capacity.descriptors(), capacity.ports(), capacity.in_memory()) == (None, None, None)


def test_requests_are_not_judged() -> None:
    check_capacity(Plan(rate=5, connections=100_000).compile())
