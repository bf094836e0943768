"""A curve of the last seconds in one line of text, a character a second. It knows only numbers."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WIDEST = 40
BLOCKS, WITHOUT_END = "▁▂▃▄▅▆▇█", "∞"
# Where the terminal's encoding has no blocks.
ASCII_BLOCKS, ASCII_WITHOUT_END = "_.-=+*%#", "!"


class Curve:
    """The last values of one figure; `show` puts one into words."""

    def __init__(self, show: Callable[[float], str]) -> None:
        self._show = show
        self._values: deque[float | None] = deque(maxlen=WIDEST)

    def add(self, value: float | None) -> None:
        """One second's. None leaves a gap."""
        self._values.append(value)

    def draw(self, width: int, *, ascii_only: bool = False) -> tuple[str, str]:
        """The line, from zero to its largest finite value; and how much that is."""
        values = list(self._values)[-max(1, width) :]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        top = max(finite, default=0.0)
        blocks, without_end = (ASCII_BLOCKS, ASCII_WITHOUT_END) if ascii_only else (BLOCKS, WITHOUT_END)

        def block(value: float | None) -> str:
            if value is None:
                return " "
            if math.isinf(value):
                return without_end
            return blocks[min(len(blocks) - 1, int(value / top * len(blocks)))] if top else blocks[0]

        return "".join(map(block, values)), f"up to {self._show(top)}" if finite else ""
