"""The functions of a Locust file as scenarios, sequences of tasks, and helpers of the module."""

from __future__ import annotations

from loadgen.convert.locustfile.classes import Function, Group
from loadgen.convert.locustfile.life import is_entered_again
from loadgen.convert.locustfile.manuscript import Manuscript
from loadgen.convert.locustfile.scope import Piece
from loadgen.convert.locustfile.waits import Wait
from loadgen.convert.writing import identifier


class Scenarios:
    """Writes them to the page."""

    def __init__(self, work: Manuscript) -> None:
        self.work = work

    def add(self, piece: Piece, empty: int) -> None:
        """One function: a scenario, or what others call, and the scenarios that do."""
        node = piece.node
        waits = self.work.weights.get(node, {})
        is_direct = (
            len(waits) == 1 and not piece.called and len(node.args.args) == 1 and piece.adds_user is False
        )
        is_direct = is_direct and not self._is_step(node)
        wait = next(iter(waits)) if is_direct else None
        if is_direct:
            piece.is_async = True
        text = self.work.written(piece, wait, is_scenario=is_direct)
        if is_direct:
            self.work.scenarios += 1
            text = f"{_mark(next(iter(waits.values())))}\n{text}"
        self.work.page.add(text, "function", empty)
        if is_direct:
            return
        for one, weight in waits.items():
            name = identifier(f"{piece.name}_task", self.work.names.taken)
            self._scenario(name, weight, [self.work.called(piece)], one)

    def _is_step(self, node: Function) -> bool:
        return any(
            task.target is node
            for group in self.work.script.classes.every()
            if group.kind == "sequence"
            for task in self.work.script.classes.tasks(group)
        )

    def _scenario(
        self, name: str, weight: int, lines: list[str], wait: Wait | None, *, has_waits: bool = False
    ) -> None:
        body = [*([wait.before] if wait is not None and wait.before else []), *lines]
        body += [f"await {wait.call}"] if wait is not None and not has_waits else []
        head = f"async def {name}({self.work.script.user}: {self.work.script.user_type}) -> None:"
        self.work.scenarios += 1
        lines = [_mark(weight), head, *(f"    {line}" for line in body)]
        self.work.page.add("\n".join(lines), "function", 2)

    def add_sequence(self, group: Group) -> None:
        """Its steps in their order, as one scenario."""
        for wait, weight in self.work.weights[group].items():
            lines = self._steps(group, wait, [])
            start = group.method("on_start")
            if (
                start is not None
                and start[1] not in self.work.life.empty
                and is_entered_again(self.work.script.classes, group)
            ):
                piece = self.work.script.pieces[start[1]]
                lines.insert(0, self.work.called(piece))
            if lines:
                self._scenario(
                    identifier(group.name, self.work.names.taken), weight, lines, wait, has_waits=True
                )

    def _steps(self, group: Group, wait: Wait | None, seen: list[Group]) -> list[str]:
        lines: list[str] = []
        for task in self.work.script.classes.tasks(group):
            if isinstance(task.target, Group):
                if task.target.kind == "sequence" and task.target not in seen:
                    lines += self._steps(task.target, wait, [*seen, group])
                else:
                    self.work.script.note(
                        f"{task.target.name} was left out: a set of tasks inside the sequence {group.name}"
                    )
                continue
            piece = self.work.script.pieces[task.target]
            if self.work.only_interrupts(piece):
                continue
            if wait is not None and wait.before is not None and lines:
                lines.append(wait.before)
            step = [self.work.called(piece), *([f"await {wait.call}"] if wait is not None else [])]
            lines += (
                step
                if task.weight == 1
                else [f"for _ in range({task.weight}):", *(f"    {one}" for one in step)]
            )
        return lines


def _mark(weight: int) -> str:
    return "@scenario" if weight == 1 else f"@scenario(weight={weight})"
