"""What people ask of a load that is on, by a key or from the page. Read strictly; its Control does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from loadgen.errors import ControlRefused

if TYPE_CHECKING:
    from loadgen.control import Control, ControlState

SMALLEST_STEP = 1.0
FEW = 10.0


class ChangeRate(Struct, tag_field="do", tag="rate", frozen=True, forbid_unknown_fields=True):
    """From now on this rate."""

    per_s: float


class ChangeUsers(Struct, tag_field="do", tag="users", frozen=True, forbid_unknown_fields=True):
    """From now on so many users."""

    users: int


class Step(Struct, tag_field="do", tag="step", frozen=True, forbid_unknown_fields=True):
    """A tenth more or less than now."""

    of: Literal["rate", "users"]
    up: bool


class Pause(Struct, tag_field="do", tag="pause", frozen=True, forbid_unknown_fields=True):
    """Nothing new begins."""


class Resume(Struct, tag_field="do", tag="resume", frozen=True, forbid_unknown_fields=True):
    """It goes on."""


class Stop(Struct, tag_field="do", tag="stop", frozen=True, forbid_unknown_fields=True):
    """As one Ctrl-C."""


Order = ChangeRate | ChangeUsers | Step | Pause | Resume | Stop
_decoder: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


def read_order(message: str | bytes) -> Order:
    """What a page has sent. Raises ControlRefused for what is no order."""
    try:
        return _decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ControlRefused(f"this is no order: {error}") from None


def order_of(key: str, state: ControlState) -> Order | None:
    """What a key asks for."""
    match key:
        case "p":
            return Resume() if state.paused else Pause()
        case "+" | "-":
            return Step("users" if state.rate_per_s is None else "rate", key == "+")
        case "q":
            return Stop()
    return None


def key_words(state: ControlState) -> list[tuple[str, str]]:
    """The keys that do anything now, and what."""
    if "pause" not in state.can_change:
        return [("q", "stop at once")]
    if state.paused:
        return [("p", "resume"), ("q", "stop")]
    steps = [("+ -", f"{of} by a tenth") for of in ("rate", "users") if of in state.can_change]
    return [("p", "pause"), *steps[:1], ("q", "stop")]


def obey(order: Order, control: Control) -> None:
    """Carry it out, on the run's own loop. Raises ControlRefused."""
    match order:
        case ChangeRate(per_s):
            control.change_rate(per_s)
        case ChangeUsers(users):
            control.change_users(users)
        case Step("rate", up):
            control.change_rate(stepped(control.state.rate_per_s or 0.0, up=up))
        case Step(_, up):
            users = control.state.users or 0
            if users == 1 and not up:
                raise ControlRefused("one user is the least: pause the load instead")
            control.change_users(round(stepped(users, up=up)))
        case Pause():
            control.pause()
        case Resume():
            control.resume()
        case Stop():
            control.stop()


def stepped(value: float, *, up: bool) -> float:
    """A tenth more or less, and at least 1 where that leaves anything. More than a few are whole."""
    step = max(value / 10, SMALLEST_STEP)
    if not up:
        step = -step if step < value else -value / 10
    found = value + step
    return float(round(found)) if found >= FEW else float(f"{found:.3g}")
