"""What a feed may be told to do."""

from __future__ import annotations

import json

import pytest

from loadgen.errors import UsageError
from loadgen.target_feed import TargetFeed, read_rates


def test_rates_have_units_and_what_is_not_given_is_left_to_the_server() -> None:
    told = json.loads(TargetFeed(rates=read_rates(["blocks=300/m", "transactions=2k"]), seed=5).to_json())
    assert (told["blocks"], told["transactions"], told["seed"], told["slow"]) == (5, 2000, 5, "drop")
    assert "network_stats" not in told


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rates": {"block": 1}}, '"block"'),
        ({"rates": {"blocks": "often"}}, "blocks: expected a rate"),
        ({"rates": {"blocks": "2M/s"}}, "1,000,000 events a second"),
        ({"lose": 1.5}, "shares"),
        ({"repeat": -0.1}, "shares"),
        ({"lose": 0.6, "reorder": 0.6}, "shares"),
        ({"slow": "wait"}, '"wait"'),
        ({"buffer_bytes": 0}, "buffer_bytes"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_mistakes_are_told_at_once(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        TargetFeed(**options)  # type: ignore[arg-type]


def test_a_rate_needs_its_channel() -> None:
    with pytest.raises(UsageError, match="CHANNEL=RATE"):
        read_rates(["100/s"])
