"""From an Artillery file to a Script: scenarios compiled, phases a plan, what cannot be kept in notes."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from loadgen.errors import Mistake, PlanError, UsageError
from loadgen.importers import TOOL
from loadgen.importers.artillery.flow import Around, Compiler, Engine, Notes, Step, engine_named
from loadgen.importers.artillery.functions import FUNCTIONS
from loadgen.importers.artillery.payload import Payload, read_payloads
from loadgen.importers.artillery.phases import DEFAULT, Arrivals, read_phases
from loadgen.importers.artillery.plugins import look_at_plugins
from loadgen.importers.artillery.requests import TIMEOUT_S, timeout_s
from loadgen.importers.artillery.settings import read_config, read_inputs
from loadgen.importers.artillery.templates import render_with
from loadgen.importers.artillery.values import is_true, number_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser, VuFailed
from loadgen.loads import ScenarioWish
from loadgen.plan import Plan
from loadgen.scenario import Scenario
from loadgen.script import Script
from loadgen.script_failure import shown
from loadgen.units import quoted
from loadgen.user import User

MOST_USERS = 100_000
# The option by which what `before` has captured goes to the workers, as JSON: by its name no file keeps it.
SECRET_VARS = "secret_vars"  # noqa: S105
# What clients of Artillery send besides what a step says; the client's own name is ours.
_HEADERS = (("accept", ""), ("accept-encoding", "gzip, deflate, br"), ("connection", "keep-alive"))
_TLS = {"cert": "cert", "key": "key", "ca": "cacert"}
_HOOKS = ("beforeRequest", "afterResponse", "onError")


class Module(ModuleType):
    """Where a Python script has its module: what of the file is not in its scenarios."""

    before: Script | None = None  # a script whose one scenario is what goes before the test
    after: Script | None = None
    outputs: tuple[str, ...] = ()  # what publish-metrics comes to
    config: Mapping[str, Any] = {}
    variables: Mapping[str, Any] = {}  # what a virtual user begins with, payloads aside


def load(path: Path, options: Mapping[str, Any]) -> Script:
    """The script of a file. A PlanError has all of its mistakes, each with its place."""
    path = path.absolute()
    document, values = read_inputs(path, options)
    functions = dict(FUNCTIONS)
    compiler = Compiler(path=path, config={}, functions=functions, processor=None, notes=Notes())
    config = read_config(values, path, options, functions, compiler)
    compiler.config = config
    over = options.get("overrides") or {}
    values = {**values, **{key: value for key, value in over.items() if key != "config"}}
    _extend(compiler, options)
    try:
        script = _compile(values, config, path, options, compiler)
    finally:
        if compiler.mistakes:
            raise PlanError(
                [Mistake(_placed(path, document.line(at), at), text) for at, text in compiler.mistakes]
            )
    return script


def _placed(path: Path, line: int | None, place: str) -> str:
    return f"{shown(path)}{f':{line}' if line else ''}: {place}"


def _extend(compiler: Compiler, options: Mapping[str, Any]) -> None:
    """What the processor and plugins add."""
    plugins = compiler.config.get("plugins") or {}
    if isinstance(plugins, Mapping) and "fake-data" in plugins:
        from loadgen.importers.artillery.fake_data import fake_functions

        compiler.functions.update(fake_functions(plugins["fake-data"] or {}, compiler))
    named = compiler.config.get("processor")
    if isinstance(named, str):
        from loadgen.importers.artillery.processor import load_processor

        beside = Path(options.get("config") or compiler.path).parent / named
        path = beside if beside.exists() else compiler.path.parent / named
        compiler.processor = load_processor(path, compiler)


def _compile(
    values: Mapping[str, Any],
    config: Mapping[str, Any],
    path: Path,
    options: Mapping[str, Any],
    compiler: Compiler,
) -> Script:
    module = Module("artillery_" + re.sub(r"\W", "_", path.stem))
    module.config = config
    module.outputs = tuple(look_at_plugins(config, compiler))
    phases = config.get("phases")
    arrivals = read_phases(DEFAULT if phases is None or options.get("solo") else phases, compiler)
    folder = path.parent
    payloads = read_payloads(config.get("payload"), options.get("payload"), folder, compiler)
    module.variables = _variables(config, path, options)
    begin = _beginning(module.variables, payloads, config, compiler)
    scenarios = _scenarios(values.get("scenarios"), begin, options, compiler)
    plan = None if compiler.mistakes else _plan(config, arrivals, path, options, compiler)
    feeds: dict[str, Any] = {f"payload {index}": payload for index, payload in enumerate(payloads)}
    script = Script(
        path=path,
        module=module,
        scenarios=tuple(scenarios),
        sessions=(),
        onces=(),
        feeds=feeds,
        plan=plan,
        options={**options, TOOL: "artillery"},
    )
    for hook in ("before", "after"):
        setattr(module, hook, _hook(hook, values.get(hook), begin, script, compiler))
    return replace(script, notes=tuple(compiler.notes))


def _variables(config: Mapping[str, Any], path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What every virtual user begins with; a payload and `config.variables` come over it."""
    environment = dict(os.environ)
    return {
        "target": config.get("target", UNDEFINED),
        "$environment": options.get("environment", UNDEFINED),
        "$processEnvironment": environment,
        "$env": environment,
        "$testId": options.get("test_id", ""),
        "$dirname": str(Path(options.get("config") or path).absolute().parent),
        "$scenarioFile": str(path),
        **json.loads(options.get(SECRET_VARS, "{}")),
    }


def _beginning(
    base: Mapping[str, Any], payloads: list[Payload], config: Mapping[str, Any], compiler: Compiler
) -> Callable[[User, str], VirtualUser]:
    """Makes a virtual user: no cookies, and variables of its own."""
    inline = config.get("variables") or {}
    if not isinstance(inline, Mapping):
        compiler.wrong("config.variables", f"expected names and values, got {inline!r}")
        inline = {}
    fixed = {name: value for name, value in inline.items() if not isinstance(value, list)}
    drawn = [(name, value) for name, value in inline.items() if isinstance(value, list)]
    # What every virtual user has is copied at once, unless a payload could come between.
    start = dict(base) if payloads else {**base, **fixed}

    def begin(user: User, scenario: str) -> VirtualUser:
        user.cookies.clear()
        vu = VirtualUser(user, start.copy(), scenario)
        for payload in payloads:
            payload.give(vu)
        if payloads:
            vu.vars.update(fixed)
        for name, choices in drawn:
            vu.vars[name] = choices[int(user.rng.random() * len(choices))] if choices else UNDEFINED
        return vu

    return begin


def _scenarios(
    specs: Any, begin: Callable[[User, str], VirtualUser], options: Mapping[str, Any], compiler: Compiler
) -> list[Scenario]:
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
    match = re.match(r"\s*([-+]?\d+)", str(value))
    weight = float(match[1]) if match and not isinstance(value, bool) else 0.0
    number = number_of(value)
    if match is None or (number == number and number != weight):
        compiler.note(f"{place}.weight: {value} is read as {weight:g}, as by Artillery")
    return max(0.0, weight)


def _scenario(
    spec: Mapping[str, Any],
    name: str,
    place: str,
    begin: Callable[[User, str], VirtualUser],
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
        engine = Engine(steps={})
        return (), None
    before, after, on_error = (_hook_names(spec, key) for key in _HOOKS)
    around = Around(before, after, on_error)
    steps = [
        *([engine.open(compiler, spec, place)] if engine.open else []),
        *_functions(spec, "beforeScenario", place, engine, compiler),
        *compiler.flow(spec.get("flow"), f"{place}.flow", engine, around),
        *_functions(spec, "afterScenario", place, engine, compiler),
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


def _hook(
    kind: str, spec: Any, begin: Callable[[User, str], VirtualUser], script: Script, compiler: Compiler
) -> Script | None:
    """`before` or `after` as a script of one scenario, whose variables its module has in the end."""
    if spec is None:
        return None
    if not isinstance(spec, Mapping):
        compiler.wrong(kind, f"expected a flow, got {spec!r}")
        return None
    steps, close = _flow(spec, kind, compiler)
    found: dict[str, Any] = {}

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
    hook = Scenario(once, ScenarioWish(name=kind))
    module = Module(kind)
    module.variables = found
    return replace(script, module=module, scenarios=(hook,))


def _plan(
    config: Mapping[str, Any],
    arrivals: Arrivals,
    path: Path,
    options: Mapping[str, Any],
    compiler: Compiler,
) -> Plan:
    http = config.get("http") or {}
    pool = http.get("pool")
    connections = None if pool is None else max(1, int(number_of(pool)) if number_of(pool) >= 1 else 1)
    caps = arrivals.caps
    fewest = min([one for _, one in caps if one] + ([connections] if connections else []), default=None)
    fields: dict[str, Any] = {
        "base_url": _target(config.get("target"), compiler),
        "stages": arrivals.stages,
        "arrivals": "poisson" if arrivals.is_poisson else "constant",
        "timeout": _timeout_s(config, compiler),
        "headers": _headers(config),
        "max_users": MOST_USERS,
        "own_connections": pool is None,
        "connections": connections,
        "caps": tuple(caps),
        "http": "1",
        # A new client has no session to resume.
        "tls_resumption": pool is not None or not str(config.get("target")).startswith("https"),
        "name": f"{path.stem} {options['environment']}" if options.get("environment") else None,
        **_tls(config.get("tls"), path, compiler),
    }
    if fewest is not None and fewest < (os.cpu_count() or 1):
        fields["workers"] = fewest  # each worker has a share of the cap, and one user at least
    return Plan(**{name: value for name, value in fields.items() if value is not None})


def _target(target: Any, compiler: Compiler) -> str | None:
    if target is None or target is UNDEFINED or target == "":
        compiler.note("config.target is missing, so the embedded target takes the load; -t URL names another")
        return None
    if not isinstance(target, str):
        compiler.wrong("config.target", f"expected a URL, got {target!r}")
        return None
    return re.sub("^ws", "http", target) if target.startswith(("ws://", "wss://")) else target


def _timeout_s(config: Mapping[str, Any], compiler: Compiler) -> float:
    found = timeout_s(config)
    if found > 0 and math.isfinite(found):
        return found
    compiler.wrong("config.http.timeout", "expected seconds")
    return TIMEOUT_S


def _headers(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    defaults = (config.get("http") or {}).get("defaults") or {}
    given = defaults.get("headers") or (config.get("defaults") or {}).get("headers") or {}
    found = dict(_HEADERS)
    found |= {
        str(name).lower(): str(value)
        for name, value in given.items()
        if value is not UNDEFINED and value is not None
    }
    return list(found.items())


def _tls(tls: Any, path: Path, compiler: Compiler) -> dict[str, Any]:
    if tls is None:
        return {}
    if not isinstance(tls, Mapping):
        compiler.wrong("config.tls", f"expected rejectUnauthorized and so on, got {tls!r}")
        return {}
    fields: dict[str, Any] = {}
    for key, value in tls.items():
        if key == "rejectUnauthorized":
            fields["insecure"] = not is_true(value) or value == "false"
        elif key in _TLS and isinstance(value, str) and "\n" not in value:
            fields[_TLS[key]] = str(path.parent / value)
        else:
            compiler.note(f"config.tls.{key} is not known here; loadgen has --cacert, --cert and --key")
    return fields
