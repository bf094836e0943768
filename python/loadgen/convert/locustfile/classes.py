"""The classes of a Locust file, read and not run: what is a task, how often it comes, who waits how long."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

USERS = frozenset({"HttpUser", "FastHttpUser", "User", "HttpLocust", "FastHttpLocust", "Locust"})
SETS = frozenset({"TaskSet", "MarkovTaskSet"})
SEQUENCES = frozenset({"SequentialTaskSet", "TaskSequence"})
MARKOV = frozenset({"transition", "transitions"})
SHAPES = frozenset({"LoadTestShape"})
Function = ast.FunctionDef | ast.AsyncFunctionDef
# What Locust itself reads of a class.
SETTINGS = frozenset(
    {
        *(
            "host",
            "wait_time",
            "weight",
            "fixed_count",
            "tasks",
            "task_set",
            "abstract",
            "min_wait",
            "max_wait",
        ),
        *("insecure", "network_timeout", "connection_timeout", "max_redirects", "max_retries", "concurrency"),
        *(
            "client_pool",
            "pool_manager",
            "default_headers",
            "proxy_host",
            "proxy_port",
            "ssl_context_factory",
        ),
    }
)


@dataclass(eq=False)
class Group:
    """A class whose objects are users, or sets of tasks."""

    name: str
    node: ast.ClassDef
    kind: str  # user, set, sequence or shape
    bases: list[Group] = field(default_factory=list)
    outer: Group | None = None
    fast: bool = False
    methods: dict[str, Function] = field(default_factory=dict)
    values: dict[str, ast.expr] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def line(self) -> Iterator[Group]:
        """Itself and those it inherits from."""
        yield self
        for base in self.bases:
            yield from base.line()

    def value(self, name: str) -> ast.expr | None:
        """Of a setting, own or inherited."""
        return next((one.values[name] for one in self.line() if name in one.values), None)

    def method(self, name: str) -> tuple[Group, Function] | None:
        """Own or inherited."""
        return next(((one, one.methods[name]) for one in self.line() if name in one.methods), None)


@dataclass(frozen=True)
class Task:
    """A function or a set of tasks, with its weight among its siblings."""

    target: Function | Group
    owner: Group | None
    weight: int


class Classes:
    """All of a file."""

    def __init__(self, tree: ast.Module) -> None:
        self.groups: dict[str, Group] = {}
        self.functions = {node.name: node for node in tree.body if isinstance(node, Function)}
        self.unread: list[str] = []  # what could not be read without running it
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and (group := self._group(node, None)):
                self.groups[node.name] = group

    def _group(self, node: ast.ClassDef, outer: Group | None) -> Group | None:
        known = dict(self.groups)
        one: Group | None = outer
        while one is not None:
            known = {**known, **one.groups}
            one = one.outer
        names = [name_of(base) for base in node.bases]
        bases = [known[name] for name in names if name in known]
        kind = next((base.kind for base in bases), None)
        for word, words in (("user", USERS), ("set", SETS), ("sequence", SEQUENCES), ("shape", SHAPES)):
            if not words.isdisjoint(names):
                kind = word
        tasked = any(
            isinstance(one, (Function, ast.ClassDef)) and any(is_task(mark) for mark in one.decorator_list)
            for one in node.body
        )
        if kind is None and not tasked:
            return None
        group = Group(node.name, node, kind or "user", bases, outer)
        group.fast = any("Fast" in name for name in names) or any(base.fast for base in bases)
        for member in node.body:
            if isinstance(member, Function):
                group.methods[member.name] = member
            elif isinstance(member, ast.ClassDef):
                if inner := self._group(member, group):
                    group.groups[member.name] = inner
            elif isinstance(member, ast.Assign):
                for target in member.targets:
                    if isinstance(target, ast.Name):
                        group.values[target.id] = member.value
            elif isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name) and member.value:
                group.values[member.target.id] = member.value
        return group

    def group_of(self, node: ast.ClassDef, outer: Group | None) -> Group | None:
        """What a class of the module, or of another class, was read as."""
        return (self.groups if outer is None else outer.groups).get(node.name)

    def every(self) -> Iterator[Group]:
        """Nested ones too, each after its outer one."""

        def walk(groups: dict[str, Group]) -> Iterator[Group]:
            for group in groups.values():
                yield group
                yield from walk(group.groups)

        yield from walk(self.groups)

    def users(self) -> list[Group]:
        """Those that Locust would start."""
        return [
            one
            for one in self.groups.values()
            if one.kind == "user" and not _is_true(one.values.get("abstract"))
        ]

    def tasks(self, group: Group) -> list[Task]:
        """Of a class, inherited ones first."""
        found: list[Task] = []
        for base in group.bases:
            found += self.tasks(base)
        given = group.values.get("tasks", group.values.get("task_set"))
        if given is not None:
            found += self._listed(given, group)
        for member in group.node.body:
            if isinstance(member, (Function, ast.ClassDef)):
                for mark in member.decorator_list:
                    if is_task(mark):
                        target = member if isinstance(member, Function) else group.groups.get(member.name)
                        if target is not None:
                            found.append(Task(target, group, self._weight(mark)))
                        break
        return found

    def _listed(self, given: ast.expr, group: Group) -> list[Task]:
        pairs: list[tuple[ast.expr, int]] = []
        if isinstance(given, ast.Dict):
            pairs = [
                (key, whole(value) or 1) for key, value in zip(given.keys, given.values, strict=True) if key
            ]
        elif isinstance(given, (ast.List, ast.Tuple)):
            for item in given.elts:
                if isinstance(item, ast.Tuple) and len(item.elts) == 2:
                    pairs.append((item.elts[0], whole(item.elts[1]) or 1))
                else:
                    pairs.append((item, 1))
        else:
            pairs = [(given, 1)]
        found = []
        for item, weight in pairs:
            name = name_of(item)
            target: Function | Group | None = (
                group.groups.get(name)
                or group.methods.get(name)
                or self.groups.get(name)
                or self.functions.get(name)
            )
            if target is None:
                self.unread.append(f"{group.name}.tasks has {ast.unparse(item)}, which is not in the file")
            else:
                found.append(Task(target, group if name in group.methods else None, weight))
        return found

    def _weight(self, mark: ast.expr) -> int:
        kind = name_of(mark.func if isinstance(mark, ast.Call) else mark)
        if kind in MARKOV:
            said = "transitions between tasks were left out: each of these tasks comes as often as the others"
            self.unread.append(said)
        if kind != "task":
            return 1
        if not isinstance(mark, ast.Call):
            return 1
        given = [*mark.args, *(word.value for word in mark.keywords)]
        weight = whole(given[0]) if given else 1
        if weight is None:
            self.unread.append(f"the weight {ast.unparse(given[0])} is not a number: 1 was taken")
        return weight or 1

    def shares(self, group: Group) -> list[tuple[Task, Fraction, list[Group]]]:
        """How often each of its tasks comes, for one choice; with the sets that lead to it, itself first."""
        found: list[tuple[Task, Fraction, list[Group]]] = []
        for task in self.tasks(group):
            weight = Fraction(task.weight)
            inner = task.target
            if not isinstance(inner, Group):
                if not is_interrupt(inner):
                    found.append((task, weight, [group]))
            elif inner.kind == "sequence":
                found.append((task, weight, [group]))
            else:
                parts = self.tasks(inner)
                total = sum(one.weight for one in parts)
                leaving = sum(
                    one.weight for one in parts if isinstance(one.target, Function) and interrupts(one.target)
                )
                # A set is left by the task that interrupts it: until then its others come so many times.
                for one, share, path in self.shares(inner):
                    found.append((one, weight * share / (leaving or total), [group, *path]))
        return found


def name_of(node: ast.expr) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_task(mark: ast.expr) -> bool:
    """Whether a decorator says that something is a task."""
    return name_of(mark.func if isinstance(mark, ast.Call) else mark) in (
        "task",
        "seq_task",
        "transition",
        "transitions",
    )


def interrupts(function: Function) -> bool:
    """Whether it leaves its set."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "interrupt"
        for node in ast.walk(function)
    )


def is_interrupt(function: Function) -> bool:
    """Whether it does nothing else."""
    body = [one for one in function.body if not is_text(one)]
    return (
        len(body) == 1
        and isinstance(body[0], ast.Expr)
        and interrupts(function)
        and not (isinstance(body[0].value, ast.Call) and name_of(body[0].value.func) != "interrupt")
    )


def is_text(node: ast.stmt) -> bool:
    """A docstring, or any other string that stands alone."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def whole(node: ast.expr | None) -> int | None:
    """A whole number that stands there."""
    is_number = isinstance(node, ast.Constant) and isinstance(node.value, int)
    return int(node.value) if is_number else None  # type: ignore[union-attr]


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
