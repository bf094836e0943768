"""A user's script: loaded as a module, and what it defines. It runs nothing but the module itself."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from loadgen.errors import Mistake, PlanError, UsageError
from loadgen.importers import TOOL, load_foreign, tool_of
from loadgen.loads import ScenarioWish
from loadgen.plan import Plan
from loadgen.scenario import Once, Scenario, Session
from loadgen.script_failure import explain, explain_syntax, shown
from loadgen.script_source import not_awaited, twice_defined, undecorated
from loadgen.shapes import is_closed
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen._engine import Engine
    from loadgen.mishaps import Mishaps, Told
    from loadgen.user import User

T = TypeVar("T")

_EXAMPLE = """A scenario is an async function of one user:
  @scenario
  async def browse(user: User) -> None:
      await user.get("/")
"loadgen init" writes a script to start from."""


_OF_JAVASCRIPT = """A test of k6's is written anew in Python: "loadgen init" writes a script to start from.
A processor of Artillery's is named in its script."""


class Company(Protocol):
    """Users that live a life of their own, in place of one that goes from iteration to iteration."""

    async def open(self, engine: Engine, mishaps: Mishaps, base_url: str, index: int, workers: int) -> None:
        """What is done before the first user comes."""

    async def live(self, user: User) -> None:
        """The whole life of a user. It tells the engine when it is gone."""

    def finish(self) -> None:
        """The load is over."""

    async def close(self, engine: Engine) -> None:
        """What is done after the last user has left."""


_LOAD_FIELDS = ("rate", "users", "stages", "preset")


@dataclass(frozen=True)
class Script:
    """What a file defines, each in the order of its definition."""

    path: Path
    module: ModuleType
    scenarios: tuple[Scenario, ...]
    sessions: tuple[Session, ...]
    onces: tuple[Once, ...]
    feeds: dict[str, Any]  # data.Feed by the name of its variable
    plan: Plan | None
    # Of a file that was written for another tool: what its flags said, and what of it cannot be kept.
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    closings: tuple[Once, ...] = ()  # what each worker runs when its last user has left
    tell: Callable[[], Told] | None = None  # what else each worker has to tell, once a second
    company: Company | None = None  # who plays its users, where they are not plain scenarios

    def plan_with(
        self,
        overrides: Mapping[str, Any] | None = None,
        origins: Mapping[str, str] | None = None,
        *,
        only: Sequence[str] = (),
    ) -> Plan:
        """The plan of a run: the script's with fields of Plan put over it. `only` names the scenarios to run.

        A load replaces the script's whole load, scenarios' own included. Headers and arguments are added.
        """
        overrides, origins = dict(overrides or {}), dict(origins or {})
        plan = self.plan or Plan()
        fields = {name: getattr(plan, name) for name in Plan.__struct_fields__}
        wishes = [_without(wish, overrides, origins) for wish in self._wishes(only)]
        if any(name in overrides for name in _LOAD_FIELDS):
            _clear_load(fields, overrides)
        if "headers" in overrides:
            named = {name.lower() for name, _ in overrides["headers"]}
            kept = fields["headers"]
            pairs = kept.items() if isinstance(kept, Mapping) else kept
            overrides["headers"] = [
                *((name, value) for name, value in pairs if name.lower() not in named),
                *overrides["headers"],
            ]
        if "arguments" in overrides:
            self._check_arguments(overrides["arguments"], origins)
            overrides["arguments"] = {**plan.arguments, **overrides["arguments"]}
        fields |= overrides
        fields |= {"command": "run", "script": str(self.path), "scenarios": wishes}
        fields |= {"import_options": self.options, "notes": self.notes}
        return Plan(**fields | {"origins": {**plan.origins, **origins}})

    def _wishes(self, only: Sequence[str]) -> list[ScenarioWish]:
        names = [scenario.name for scenario in self.scenarios]
        for name in only:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                there = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(names)}"
                raise UsageError(f"--scenario: no scenario {quoted(name)} in {shown(self.path)}: {there}")
        wishes = [scenario.wish for scenario in self.scenarios if not only or scenario.name in only]
        # One that is asked for by name is to run, also where it usually does not.
        return [
            msgspec.structs.replace(wish, weight=1) if only and not _runs(wish) else wish for wish in wishes
        ]

    def _check_arguments(self, given: Mapping[str, str], origins: Mapping[str, str]) -> None:
        known = list(self.plan.arguments) if self.plan else []
        for name in given:
            if known and name not in known:
                near = get_close_matches(name, known, n=1)
                there = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}"
                place = origins.get("arguments", "arguments")
                raise UsageError(f"{place}: the script has no argument {quoted(name)}: {there}")


def load_script(path: str | Path, options: Mapping[str, Any] | None = None) -> Script:
    """Execute a file and collect what it defines. A UsageError names the user's own line and the remedy.

    A file of another tool is imported; `options` are what that tool's flags said.
    """
    path = _find(path, (options or {}).get(TOOL))
    tool = (options or {}).get(TOOL) or tool_of(path)
    if tool is not None:
        return load_foreign(path, tool, options or {})
    if path.suffix != ".py":
        raise UsageError(
            f"{shown(path)}: expected a script, a .py file, or a test of Locust's or Artillery's",
            hint=_OF_JAVASCRIPT if path.suffix in (".js", ".mjs", ".ts") else None,
        )
    tree, code = _compile(path)
    _check_source(tree, path)
    return _collect(_execute(code, path), path, tree)


def execute(path: Path) -> ModuleType:
    """A file of a user's, run as a module. A UsageError names their own line."""
    return _execute(_compile(path)[1], path)


def _compile(path: Path) -> tuple[ast.Module, CodeType]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    try:
        tree = ast.parse(content, str(path))
        code = compile(tree, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise explain_syntax(error, path, content.decode(errors="replace")) from None
    except ValueError as error:
        raise UsageError(f"{shown(path)}: {error}") from None
    return tree, code


def _find(given: str | Path, tool: str | None) -> Path:
    path = Path(os.path.abspath(given))  # noqa: PTH100 - resolve() would leave the folder of a link
    if path.is_dir():
        scripts = sorted(one.name for one in path.glob("*.py"))[:3]
        hint = f"In it there are {', '.join(scripts)}." if scripts else None
        raise UsageError(f"{given} is a folder: expected a script, a .py file", hint=hint)
    if not path.exists():
        if re.match(r"https?://", str(given)):
            raise UsageError(
                f"{given}: expected a script, a .py file", hint=f"loadgen run FILE.py --url {given}"
            )
        near = get_close_matches(path.name, [one.name for one in path.parent.glob("*.py")], n=1)
        hint = "-f names another." if tool == "locust" else '"loadgen init" writes a script.'
        if near:
            hint = f"Did you mean {shown(path.with_name(near[0]))}?"
        raise UsageError(f"{given}: no such file", hint=hint)
    return path


def _check_source(tree: ast.Module, path: Path) -> None:
    for name, line, first in twice_defined(tree):
        raise UsageError(
            f"{shown(path)}:{line}: {name} is defined again, so the one in line {first} would be lost",
            hint="Give each a name of its own.",
        )
    for call, line in not_awaited(tree):
        raise UsageError(
            f"{shown(path)}:{line}: {call} is not awaited, so its answer would never be looked at",
            hint=f"Write: await {call}",
        )


def _execute(code: Any, path: Path) -> ModuleType:
    """The module, in `sys.modules`, as pickle and dataclasses need it."""
    name = "loadgen_script_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    add_to_path(str(path.parent))
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - it is what the user asked for
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is shown as the user's own
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if isinstance(error, SyntaxError):  # in a file that the script imports
            source = Path(error.filename or path)
            text = source.read_text(errors="replace") if source.is_file() else ""
            raise explain_syntax(error, path, text) from None
        raise explain(error, path) from None
    return module


def add_to_path(folder: str) -> None:
    """Make files beside the script importable: before what is installed, but after what is Python's own.

    A scenario called random.py or http.py must not become the module of that name, for us or for others.
    """
    if folder in sys.path:
        return
    standard = os.path.dirname(os.__file__)  # noqa: PTH120
    places = [
        index
        for index, entry in enumerate(sys.path)
        if entry.startswith(standard) and "-packages" not in entry
    ]
    sys.path.insert(places[-1] + 1 if places else 0, folder)


def _collect(module: ModuleType, path: Path, tree: ast.Module) -> Script:
    found = [(name, value) for name, value in vars(module).items() if not name.startswith("__")]
    scenarios = _of_kind(found, Scenario)
    if not scenarios:
        raise _no_scenario(path, tree)
    by_name: dict[str, Scenario] = {}
    for one in scenarios:
        if one.name in by_name:
            raise UsageError(
                f"{shown(path)}: two scenarios are called {quoted(one.name)}: "
                f"{by_name[one.name].__name__} and {one.__name__}",
                hint="Each needs a name of its own, because it is counted under it.",
            )
        by_name[one.name] = one
    if not any(_runs(one.wish) for one in scenarios):
        raise UsageError(f"{shown(path)}: all weights are 0, so no scenario would run")
    plan = _plan(found, path)
    if plan is not None and all(one.wish.load is not None for one in scenarios):
        for field in _LOAD_FIELDS:
            if getattr(plan, field):
                text = "every scenario has a load of its own, so none takes part in this one"
                raise PlanError([Mistake(f"{shown(path)}: plan {field}", text)])
    return Script(
        path=path,
        module=module,
        scenarios=scenarios,
        sessions=_of_kind(found, Session),
        onces=_of_kind(found, Once),
        feeds={
            name: value for name, value in found if getattr(type(value), "_is_loadgen_feed", False) is True
        },
        plan=plan,
    )


def _of_kind(found: list[tuple[str, Any]], kind: type[T]) -> tuple[T, ...]:
    """Each once, whatever number of names it has."""
    return tuple({id(value): value for _, value in found if isinstance(value, kind)}.values())


def _no_scenario(path: Path, tree: ast.Module) -> UsageError:
    for name, line in undecorated(tree):
        return UsageError(
            f"{shown(path)}: no scenario in this file",
            hint=f"{shown(path)}:{line}: {name} looks like one: write @scenario above it.",
        )
    return UsageError(f"{shown(path)}: no scenario in this file", hint=_EXAMPLE)


def _plan(found: list[tuple[str, Any]], path: Path) -> Plan | None:
    for name, value in found:
        if name == "plan" and not isinstance(value, Plan):
            raise UsageError(
                f"{shown(path)}: plan is not a Plan but {type(value).__name__}: {quoted(value)}",
                hint='Write: plan = Plan(users=10, duration="30s")',
            )
    plans = {id(value): name for name, value in found if isinstance(value, Plan) and not name.startswith("_")}
    if len(plans) > 1:
        raise UsageError(
            f"{shown(path)}: more than one Plan: {', '.join(plans.values())}",
            hint='A script has one plan; one that is only a part of it begins with "_".',
        )
    return next((value for _, value in found if id(value) in plans), None)


def _runs(wish: ScenarioWish) -> bool:
    return wish.load is not None or wish.weight is None or wish.weight > 0


def _without(wish: ScenarioWish, overrides: Mapping[str, Any], origins: Mapping[str, str]) -> ScenarioWish:
    """The wish without what the overrides say in its place."""
    load = wish.load
    if load is None:
        return wish
    if any(name in overrides for name in _LOAD_FIELDS):
        return msgspec.structs.replace(wish, load=None)
    if "duration" in overrides:
        if load.stages:
            raise UsageError(
                f"{origins.get('duration', 'duration')}: scenario {wish.name} has stages, which say how long",
                hint="Give a load too (--users, --tps or --stage): it replaces the script's.",
            )
        load = msgspec.structs.replace(load, duration=None)
    if "arrivals" in overrides:
        load = msgspec.structs.replace(load, arrivals=None)
    return msgspec.structs.replace(wish, load=load)


def _clear_load(fields: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """The script's load makes room for another. How long it was stays, where the new one's shape lets it."""
    fields |= {"rate": None, "users": None, "stages": (), "preset": None}
    if "stages" in overrides or "preset" in overrides:
        fields["duration"] = None
    if overrides.get("rate") is None and (not overrides.get("stages") or is_closed(overrides["stages"])):
        fields |= {"arrivals": "constant", "drop_late": None}
