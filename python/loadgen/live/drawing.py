"""The live view as rich draws it: bar, curves, figures, thresholds. Heavy to import; it keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadgen.live.curve import WIDEST
from loadgen.live.orders import key_words
from loadgen.live.standing import WORDS, first_of, value_of
from loadgen.report.columns import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

    from loadgen.control import ControlState
    from loadgen.live.curve import Curve
    from loadgen.live.figures import Figures
    from loadgen.watch import State

TITLE_WIDTH = 32
BAR_WIDTH = 30
NAMES_WIDTH = 10
# What stands beside a curve and beside an expression takes so much at most.
BESIDE_A_CURVE, BESIDE_AN_EXPRESSION = 40, 36
_STYLES = {"fail": "bold red", "pass": "green", "no data": "dim"}


def head(title: str, elapsed_s: float, length_s: float, left: str) -> Table:
    """How far it is."""
    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=length_s, completed=min(elapsed_s, length_s), width=BAR_WIDTH)
    name = Text(fitted(title, TITLE_WIDTH), style="bold", no_wrap=True, overflow="ellipsis")
    grid.add_row(name, bar, _cell(left))
    return grid


def curves(console: Console, *rows: tuple[str, Curve, str]) -> Table:
    """The last seconds: a name, the curve, and what it is of."""
    grid = _grid()
    for name, curve, what in rows:
        line, top = curve.draw(
            min(WIDEST, console.width - BESIDE_A_CURVE), ascii_only=console.options.ascii_only
        )
        if top:
            grid.add_row(_name(name), _cell(line), _cell(f"{what}{top}"))
    return grid


def figures(shown: Figures) -> Table:
    """The last second, and what went wrong since the start."""
    grid = _grid()
    for name, cells in (
        (shown.names[0], shown.rates()),
        (shown.names[1], shown.requests()),
        ("response", shown.response()),
        ("delivery", shown.deliveries()),
        ("trouble", shown.trouble()),
        ("generator", shown.generator()),
    ):
        if cells:
            grid.add_row(_name(name), *map(_cell, cells))
    return grid


def thresholds(console: Console, states: Sequence[State]) -> list[RenderableType]:
    """How they stand."""
    first, others = first_of(states)
    grid = _grid()
    for number, state in enumerate(first):
        grid.add_row(
            _name("" if number else "thresholds"),
            Text(WORDS[state.outcome], style=_STYLES[state.outcome]),
            _cell(value_of(state)),
            _cell(fitted(state.threshold.expression, max(10, console.width - BESIDE_AN_EXPRESSION))),
        )
    return [grid, Text(f"{'':{NAMES_WIDTH + 3}}{others}")] if others else [grid]


def keys(state: ControlState) -> list[RenderableType]:
    """What can be typed."""
    words = key_words(state)
    return [_name("   ".join(f"{key} {what}" for key, what in words))] if words else []


def _grid() -> Table:
    grid = Table.grid(padding=(0, 3))
    grid.add_column(min_width=NAMES_WIDTH)
    return grid


def _name(text: str) -> Text:
    return Text(text, style="dim")


def _cell(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")
