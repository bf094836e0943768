"""From an Artillery file to a Script: scenarios compiled, phases a plan, what cannot be kept in notes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from loadgen.errors import Mistake, PlanError
from loadgen.importers import TOOL
from loadgen.importers.artillery.beginning import beginning, variables_of
from loadgen.importers.artillery.flow import Compiler, Notes
from loadgen.importers.artillery.functions import FUNCTIONS
from loadgen.importers.artillery.payload import read_payloads
from loadgen.importers.artillery.phases import DEFAULT, read_phases
from loadgen.importers.artillery.plan import make_plan
from loadgen.importers.artillery.plugins import look_at_plugins
from loadgen.importers.artillery.scenarios import make_once, make_scenarios
from loadgen.importers.artillery.settings import read_config, read_inputs
from loadgen.script import Script
from loadgen.script_failure import shown

if TYPE_CHECKING:
    from loadgen.importers.artillery.scenarios import Begin


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
    module.variables = variables_of(config, path, options)
    begin = beginning(module.variables, payloads, config, compiler)
    scenarios = make_scenarios(values.get("scenarios"), begin, options, compiler)
    plan = None if compiler.mistakes else make_plan(config, arrivals, path, options, compiler)
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


def _hook(kind: str, spec: Any, begin: Begin, script: Script, compiler: Compiler) -> Script | None:
    """`before` or `after` as a script of one scenario, whose variables its module has in the end."""
    found: dict[str, Any] = {}
    once = make_once(kind, spec, begin, found, compiler)
    if once is None:
        return None
    module = Module(kind)
    module.variables = found
    return replace(script, module=module, scenarios=(once,))
