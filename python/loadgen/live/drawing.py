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
NAMES_WIDTH, GAP = 10, 3
# What stands beside a curve and beside an expression takes so much at most.
BESIDE_A_CURVE, BESIDE_AN_EXPRESSION = 40, 36
# Of the former, what a narrow terminal can do without: what the curve is of.
KIND_WIDTH = 10
SHORTEST_CURVE, SHORTEST_EXPRESSION = 10, 20
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
        room = console.width - BESIDE_A_CURVE
        is_narrow = room < SHORTEST_CURVE
        if is_narrow:
            room += KIND_WIDTH
        line, top = curve.draw(min(WIDEST, room), ascii_only=console.options.ascii_only)
        if top:
            grid.add_row(_name(name), _cell(line), _cell(top if is_narrow else f"{what}{top}"))
    return grid


def figures(console: Console, shown: Figures) -> Table:
    """The last second, and what went wrong since the start."""
    rows = (
        (shown.names[0], shown.rates()),
        (shown.names[1], shown.requests()),
        ("response", shown.response()),
        ("delivery", shown.deliveries()),
        ("trouble", shown.trouble()),
        ("generator", shown.generator()),
    )
    return _rows(console, [(name, list(map(_cell, cells))) for name, cells in rows if cells])


def thresholds(console: Console, states: Sequence[State]) -> list[RenderableType]:
    """How they stand."""
    first, others = first_of(states)
    room = console.width - BESIDE_AN_EXPRESSION
    if room < SHORTEST_EXPRESSION:  # then it has a line of its own
        room = max(1, console.width - NAMES_WIDTH - GAP)
    grid = _rows(
        console,
        [
            (
                "" if number else "thresholds",
                [
                    Text(WORDS[state.outcome], style=_STYLES[state.outcome]),
                    _cell(value_of(state)),
                    _cell(fitted(state.threshold.expression, room)),
                ],
            )
            for number, state in enumerate(first)
        ],
    )
    return [grid, Text(f"{'':{NAMES_WIDTH + GAP}}{others}")] if others else [grid]


def keys(state: ControlState) -> list[RenderableType]:
    """What can be typed."""
    words = key_words(state)
    return [_name("   ".join(f"{key} {what}" for key, what in words))] if words else []


def _rows(console: Console, rows: Sequence[tuple[str, list[Text]]]) -> Table:
    """Each with its name; in columns, or where there is no room for them, in as many lines as it takes."""
    grid = _grid()
    for name, cells in rows:
        grid.add_row(_name(name), *cells)
    if console.measure(grid, options=console.options.update(max_width=10_000)).maximum <= console.width:
        return grid
    grid = _grid()
    for name, cells in rows:
        for number, line in enumerate(_folded(cells, console.width - NAMES_WIDTH - GAP)):
            grid.add_row(_name("" if number else name), line)
    return grid


def _folded(cells: Sequence[Text], width: int) -> list[Text]:
    lines: list[Text] = []
    for cell in cells:
        if not cell:
            continue
        if lines and lines[-1].cell_len + GAP + cell.cell_len <= width:
            lines[-1] = _cell(" " * GAP).join([lines[-1], cell])
        else:
            lines.append(cell)
    return lines


def _grid() -> Table:
    grid = Table.grid(padding=(0, GAP))
    grid.add_column(min_width=NAMES_WIDTH)
    return grid


def _name(text: str) -> Text:
    return Text(text, style="dim")


def _cell(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")
