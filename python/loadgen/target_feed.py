"""What /ws/feed of the embedded target tells, as people write it. Checks it, and knows no server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from loadgen.errors import UsageError
from loadgen.units import parse_rate, quoted

CHANNELS = ("blocks", "transactions", "network_stats")
MOST_PER_SECOND = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFeed:
    """`TargetFeed(rates={"blocks": "100/s"}, lose=0.01)`. What is not given is as usual.

    `lose`, `repeat` and `reorder` are shares of the deliveries to each subscriber that go wrong on purpose.
    """

    rates: Mapping[str, str | float] = field(default_factory=dict)
    slow: Literal["drop", "close"] = "drop"
    buffer_bytes: int = 1 << 20
    lose: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        self._rates()
        shares = (self.lose, self.repeat, self.reorder)
        if not all(0 <= share <= 1 for share in shares) or math.fsum(shares) > 1:
            raise UsageError("lose, repeat, reorder: expected shares from 0 to 1, no more than 1 together")
        if self.slow not in ("drop", "close"):
            raise UsageError(f'slow: expected "drop" or "close", got {quoted(self.slow)}')
        if self.buffer_bytes < 1:
            raise UsageError(f"buffer_bytes: expected a number of bytes from 1, got {self.buffer_bytes}")
        if not 0 <= self.seed < 1 << 64:
            raise UsageError(f"seed: expected a whole number from 0 to 2^64 - 1, got {self.seed}")

    def to_json(self) -> str:
        """As the server reads it."""
        others = {
            "slow": self.slow,
            "buffer_bytes": self.buffer_bytes,
            "lose": self.lose,
            "repeat": self.repeat,
            "reorder": self.reorder,
            "seed": self.seed,
        }
        return msgspec.json.encode(self._rates() | others).decode()

    def _rates(self) -> dict[str, float]:
        rates = {}
        for channel, rate in self.rates.items():
            if channel not in CHANNELS:
                raise UsageError(f"the feed has the channels {', '.join(CHANNELS)}, not {quoted(channel)}")
            try:
                rates[channel] = parse_rate(rate)
            except ValueError as error:
                raise UsageError(f"the rate of {channel}: {error}") from None
            if rates[channel] > MOST_PER_SECOND:
                raise UsageError(f"{channel}: a channel makes up to {MOST_PER_SECOND:,.0f} events a second")
        return rates


def read_rates(texts: Iterable[str]) -> dict[str, str | float]:
    """`blocks=100/s`, each in a text of its own."""
    rates: dict[str, str | float] = {}
    for text in texts:
        channel, equals, rate = text.partition("=")
        if not equals:
            raise UsageError(f'--feed: expected CHANNEL=RATE such as "blocks=100/s", got {quoted(text)}')
        rates[channel.strip()] = rate
    return rates
