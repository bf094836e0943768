"""From what a file says of its scenarios to Scenarios, and to what goes once before and after them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from loadgen.errors import UsageError
from loadgen.importers.artillery.flow import Around, Engine, engine_named
from loadgen.importers.artillery.templates import render_with
from loadgen.importers.artillery.values import leading_int, number_of
from loadgen.importers.artillery.virtual_user import VirtualUser, VuFailed
from loadgen.loads import ScenarioWish
from loadgen.scenario import Scenario
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler, Step
    from loadgen.user import User

Begin: TypeAlias = "Callable[[User, str], VirtualUser]"

_HOOKS = ("beforeRequest", "afterResponse", "onError")
_AROUND = ("beforeScenario", "afterScenario")
_KNOWN = frozenset({"name", "weight", "engine", "flow", "socketio", *_HOOKS, *_AROUND})


def make_scenarios(
    specs: Any, begin: Begin, options: Mapping[str, Any], compiler: Compiler
) -> list[Scenario]:
    """All that run. Mistakes are told to the compiler."""
    if not isinstance(specs, list) or not specs:
        compiler.wrong("scenarios", f"expected a list of scenarios, got {quoted(specs)}")
        return []
    chosen = _chosen(specs, options.get("scenario_name"))
    found: list[Scenario] = []
    names: set[str] = set()
    for index, spec in enumerate(specs):
        if index not in chosen:
            continue
        place = f"scenarios[{index}]"
        if not isinstance(spec, Mapping):
            compiler.wrong(place, f"expected a scenario, got {spec!r}")
            continue
        name = str(spec.get("name") or f"scenario {index}")
        while name in names:
            name = f"{name} ({index})"
        names.add(name)
        weight = 1.0 if options.get("scenario_name") else _weight(spec, place, compiler)
        function = _scenario(spec, name, place, begin, compiler)
        found.append(Scenario(function, ScenarioWish(name=name, weight=weight)))
    if found and not any(one.wish.weight for one in found):
        compiler.wrong("scenarios", "all weights are 0, so no scenario would run")
    return found


def _chosen(specs: list[Any], wanted: str | None) -> list[int]:
    """The places of those that run: all, or the one that `--scenario-name` means."""
    if wanted is None:
        return list(range(len(specs)))
    names = [str(spec.get("name")) if isinstance(spec, Mapping) else "" for spec in specs]
    try:
        pattern = re.compile(wanted)
    except re.error:
        pattern = re.compile(re.escape(wanted))
    found = [index for index, name in enumerate(names) if name == wanted or pattern.search(name)]
    if len(found) != 1:
        many = "several scenarios are" if found else "no scenario is"
        raise UsageError(
            f"--scenario-name: {many} called {quoted(wanted)}: there are {', '.join(map(quoted, names))}"
        )
    return found


def _weight(spec: Mapping[str, Any], place: str, compiler: Compiler) -> float:
    """Whole, as it is picked from a list with so many of each."""
    if "weight" not in spec:
        return 1.0
    variables = {"$processEnvironment": dict(os.environ), **(compiler.config.get("variables") or {})}
    value = render_with(spec["weight"], variables, compiler.functions)
    found = leading_int(value)
    weight = float(found or 0)
    number = number_of(value)
    if found is None or (number == number and number != weight):
        compiler.note(f"{place}.weight: {value} is read as {weight:g}, as by Artillery")
    return max(0.0, weight)


def _scenario(
    spec: Mapping[str, Any],
    name: str,
    place: str,
    begin: Begin,
    compiler: Compiler,
) -> Callable[[User], Any]:
    """What one arrival does, from its beginning to its end."""
    steps, close = _flow(spec, place, compiler)

    async def arrive(user: User) -> None:
        vu = begin(user, name)
        try:
            for step in steps:
                await step(vu)
        except VuFailed as failure:
            user.counter(f"errors.{failure.code}")
            raise
        except ValueError as error:  # what cannot be sent, as a header with a line's end in it
            user.counter(f"errors.{error}")
            raise VuFailed(str(error)) from error
        finally:
            if close is not None:
                await close(vu)

    arrive.__name__ = name
    return arrive


def _flow(spec: Mapping[str, Any], place: str, compiler: Compiler) -> tuple[tuple[Step, ...], Step | None]:
    """The steps, with what goes before and after them; and what is done however it ends."""
    named = str(spec.get("engine") or compiler.config.get("engine") or "http")
    engine = engine_named(named)
    if engine is None:
        remedy = (
            "browsers are not driven here" if named == "playwright" else "there are http, ws and socketio"
        )
        compiler.wrong(f"{place}.engine", f"{named} is no engine that is known: {remedy}")
        return (), None
    for key in spec:
        if key not in _KNOWN:
            compiler.note(f"{place}.{key} is not known, and without effect")
    is_http = engine is engine_named("http")
    for key in () if is_http else _AROUND:
        if key in spec:
            compiler.note(f"{place}.{key} is without effect, as in Artillery: it is of the engine http alone")
    before, after, on_error = (_hook_names(spec, key) for key in _HOOKS)
    around = Around(before, after, on_error)
    steps = [
        *([engine.open(compiler, spec, place)] if engine.open else []),
        *(_functions(spec, "beforeScenario", place, engine, compiler) if is_http else []),
        *compiler.flow(spec.get("flow"), f"{place}.flow", engine, around),
        *(_functions(spec, "afterScenario", place, engine, compiler) if is_http else []),
    ]
    return tuple(steps), engine.close(compiler, spec, place) if engine.close else None


def _functions(
    spec: Mapping[str, Any], key: str, place: str, engine: Engine, compiler: Compiler
) -> list[Step]:
    return [
        compiler.step({"function": name}, f"{place}.{key}", engine, Around())
        for name in _hook_names(spec, key)
    ]


def _hook_names(spec: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = spec.get(key)
    return () if found is None else tuple(str(one) for one in (found if isinstance(found, list) else [found]))


def make_once(
    kind: str, spec: Any, begin: Begin, found: dict[str, Any], compiler: Compiler
) -> Scenario | None:
    """`before` or `after`. What its one virtual user has for variables in the end is `found`."""
    if spec is None:
        return None
    if not isinstance(spec, Mapping):
        compiler.wrong(kind, f"expected a flow, got {spec!r}")
        return None
    steps, close = _flow(spec, kind, compiler)

    async def once(user: User) -> None:
        vu = begin(user, kind)
        try:
            for step in steps:
                await step(vu)
        finally:
            if close is not None:
                await close(vu)
        found.update(vu.vars)

    once.__name__ = kind
    return Scenario(once, ScenarioWish(name=kind))
