"""Orders: only what is well formed is read, a key or a message does what it says, and a tenth is a tenth."""

from __future__ import annotations

import pytest

from loadgen.errors import ControlRefused
from loadgen.live.orders import (
    ChangeRate,
    ChangeUsers,
    Order,
    Pause,
    Resume,
    Step,
    Stop,
    key_words,
    obey,
    order_of,
    read_order,
    stepped,
)
from tests.support.steering import make_control


@pytest.mark.parametrize(
    ("message", "order"),
    [
        (b'{"do": "rate", "per_s": 250.5}', ChangeRate(250.5)),
        (b'{"do": "rate", "per_s": 250}', ChangeRate(250.0)),
        (b'{"do": "users", "users": 20}', ChangeUsers(20)),
        (b'{"do": "step", "of": "users", "up": false}', Step("users", up=False)),
        (b'{"do": "pause"}', Pause()),
        (b'{"do": "resume"}', Resume()),
        (b'{"do": "stop"}', Stop()),
    ],
)
def test_what_a_page_sends_is_read(message: bytes, order: Order) -> None:
    assert read_order(message) == order


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"stop",
        b"\xff",
        b"[]",
        b"{}",
        b'{"do": "kill"}',
        b'{"do": "rate"}',
        b'{"do": "rate", "per_s": "250"}',
        b'{"do": "rate", "per_s": 1e999}',
        b'{"do": "users", "users": 2.5}',
        b'{"do": "users", "users": true}',
        b'{"do": "stop", "really": true}',
        b'{"do": "stop"}{"do": "stop"}',
        b'{"do": "step", "of": "pause", "up": true}',
        b"[" * 1000,
        b'{"x": ' + b"[" * 1000,
    ],
)
def test_what_is_no_order_is_refused(message: bytes) -> None:
    with pytest.raises(ControlRefused, match="this is no order"):
        read_order(message)


@pytest.mark.parametrize(
    ("value", "less", "more"),
    [
        (5000.0, 4500.0, 5500.0),
        (55.0, 50.0, 60.0),
        (5.0, 4.0, 6.0),
        (1.5, 0.5, 2.5),
        (1.0, 0.9, 2.0),
        (0.5, 0.45, 1.5),
        (0.0, 0.0, 1.0),
    ],
)
def test_a_step_is_a_tenth_and_leaves_something(value: float, less: float, more: float) -> None:
    assert (stepped(value, up=False), stepped(value, up=True)) == (less, more)


def test_an_open_load_is_changed_by_keys() -> None:
    control, steered = make_control(rate=500)
    for key in ("+", "x", "p", "p", "-", "q", "q"):
        order = order_of(key, control.state)
        if order is not None:
            obey(order, control)
    assert steered.told == [
        "the rate was changed from 500/s to 550/s",
        "the load was paused",
        "the load was resumed at 550/s",
        "the rate was changed from 550/s to 495/s",
        "stopped",
        "stopped",
    ]


def test_a_closed_load_is_changed_by_keys() -> None:
    control, steered = make_control(users=2)
    obey(Step("users", up=False), control)
    with pytest.raises(ControlRefused, match="one user is the least"):
        obey(Step("users", up=False), control)
    assert order_of("+", control.state) == Step("users", up=True)
    obey(Step("users", up=True), control)
    assert steered.told == ["users were changed from 2 to 1", "users were changed from 1 to 2"]


def test_orders_with_a_number() -> None:
    control, _ = make_control(rate=500)
    obey(ChangeRate(70.0), control)
    assert control.state.rate_per_s == 70
    with pytest.raises(ControlRefused, match="this load has no users to change"):
        obey(ChangeUsers(5), control)


def test_the_keys_that_do_anything_are_named() -> None:
    control, steered = make_control(rate=500)
    assert key_words(control.state) == [("p", "pause"), ("+ -", "rate by a tenth"), ("q", "stop")]
    control.pause()
    assert key_words(control.state) == [("p", "resume"), ("q", "stop")]
    steered.is_on = False
    assert key_words(control.state) == [("q", "stop at once")]
    assert key_words(make_control(users=3)[0].state)[1] == ("+ -", "users by a tenth")
