"""An Artillery script: phases become stages, scenarios functions, templates expressions."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadgen.convert.artillery_steps import Flow
from loadgen.convert.artillery_values import RESERVED, Names, is_secret
from loadgen.convert.draft import Block, Call, Draft, Line, Part
from loadgen.convert.source import Code, Invoke, quoted
from loadgen.convert.writing import identifier
from loadgen.errors import UsageError
from loadgen.importers.artillery.document import Document
from loadgen.importers.artillery.ensure import expressions_of
from loadgen.importers.artillery.flow import Compiler, Notes
from loadgen.importers.artillery.phases import DEFAULT, read_phases
from loadgen.importers.artillery.requests import timeout_s
from loadgen.importers.artillery.values import number_of, seconds

_CHECK = re.compile(r"\s*http\.response_time\.(p\d+|min|max|mean|median)\s*(<=?)\s*(\d+(?:\.\d+)?)\s*")
_LEFT_OUT = ("environments", "processor", "engines", "tls", "socketio", "ws", "apdex")


def read(path: Path, title: str) -> Draft:
    """All of its scenarios, and the load."""
    values = Document(path).values
    config = values.get("config") or {}
    if not isinstance(config, Mapping):
        raise UsageError("config: expected target, phases and so on")
    draft = Draft(about="", parts=[])
    known, drawn, numbers, beginnings = _data(config, path.parent, draft)
    for index, spec in enumerate(values.get("scenarios") or []):
        if not isinstance(spec, Mapping):
            continue
        name = str(spec.get("name") or (title if len(values["scenarios"]) == 1 else f"scenario {index + 1}"))
        engine = str(spec.get("engine") or config.get("engine") or "http")
        weight = number_of(spec.get("weight", 1))
        is_socket = engine in ("ws", "websocket")
        if engine != "http" and not is_socket:
            draft.note(f"{name}: scenarios of the engine {engine} are left out")
            continue
        if not weight >= 1:
            draft.note(f"{name}: its weight is {spec.get('weight')}, and it is left out")
            continue
        names = Names(draft, {**known, **{one: code for one, (code, _) in drawn.items()}}, numbers)
        flow = Flow(draft, names, config, name)
        flow.hooks(spec, name)
        steps = (flow.over_socket if is_socket else flow.steps)(spec.get("flow"))
        if not steps:
            draft.note(f"{name}: nothing in it was kept")
            continue
        begin = _beginning(names, drawn, beginnings, draft)
        decorator = f"@scenario(weight={int(weight)})" if weight >= 2 else "@scenario"
        draft.parts.append(Part(name, [*begin, *steps], decorator=decorator))
    for hook in ("before", "after"):
        _hook(hook, values.get(hook), config, known, draft)
    _plan(config, path, draft)
    count = len(draft.parts)
    draft.about = f"What {path.name} asks of {draft.base_url or 'its target'}, in {count} parts."
    if count == 1:
        draft.about = f"What {path.name} asks of {draft.base_url or 'its target'}."
    return draft


def _data(
    config: Mapping[str, Any], folder: Path, draft: Draft
) -> tuple[dict[str, str], dict[str, tuple[str, str]], frozenset[str], dict[str, str]]:
    """Names with what stands for them; those drawn for each user; columns of numbers; how rows are drawn."""
    known: dict[str, str] = {"target": quoted(str(config.get("target") or ""))}
    drawn: dict[str, tuple[str, str]] = {}
    numbers: set[str] = set()
    rows: dict[str, str] = {}
    given = config.get("payload") or []
    for spec in given if isinstance(given, list) else [given]:
        _payload(spec, folder, draft, known, numbers, rows)
    variables = config.get("variables") or {}
    for name, value in variables.items() if isinstance(variables, Mapping) else ():
        constant = re.sub(r"\W+", "_", str(name)).strip("_").upper() or "VALUE"
        if is_secret(str(name), value):
            known[str(name)] = draft.secret(str(name)).text
            continue
        if constant in draft.constants:
            constant += "_VALUE"
        if isinstance(value, list):
            local = identifier(str(name), set(RESERVED), instead="{}_")
            drawn[str(name)] = (local, f"user.rng.choice({constant})")
        known[str(name)] = constant
        draft.constants[constant] = Names(draft, dict(known)).value(value)
    return known, drawn, frozenset(numbers), rows


def _payload(
    spec: Any,
    folder: Path,
    draft: Draft,
    known: dict[str, str],
    numbers: set[str],
    rows: dict[str, str],
) -> None:
    if not isinstance(spec, Mapping) or not isinstance(spec.get("path"), str) or not spec.get("fields"):
        draft.note("config.payload: what has no path and fields is left out")
        return
    path, fields = str(spec["path"]).removeprefix("./"), [str(name) for name in spec["fields"]]
    constant = re.sub(r"\W+", "_", Path(path).stem).strip("_").upper() or "ROWS"
    row = f"{constant.lower()}_row"
    try:
        text = (folder / path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""
        draft.note(f"{path} could not be read: its first line must be {','.join(fields)}")
    delimiter = str(spec.get("delimiter") or ",")
    table = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if line]
    has_header = not text or (spec.get("skipHeader") is True and table[:1] == [fields])
    if spec.get("loadAll") and spec.get("name"):
        draft.note(f"{path}: loadAll is left out")
        return
    for index, name in enumerate(fields):
        column = [line[index] for line in table[bool(spec.get("skipHeader")) :] if index < len(line)]
        if column and all(re.fullmatch(r"\d+", cell) for cell in column) and spec.get("cast", True):
            numbers.add(name)
        known[name] = f"{row}[{quoted(name)}]"
    draft.note(f"the file {path} is expected there, seen from the script's own folder")
    sequence = spec.get("order") == "sequence"
    more = f", delimiter={quoted(delimiter)}" if delimiter != "," else ""
    if has_header:
        draft.names.add("csv_rows")
        deal = "" if sequence else ', deal="random"'
        draft.constants[constant.lower()] = Code(f"csv_rows({quoted(path)}{deal}{more})")
        rows[row] = f"{constant.lower()}.row(user)"
        return
    draft.modules |= {"csv", "pathlib"}
    draft.constants["FOLDER"] = Code("pathlib.Path(__file__).parent")
    opened = f"(FOLDER / {quoted(path)}).read_text().splitlines()"
    skipped = "[1:]" if spec.get("skipHeader") else ""
    draft.constants[f"{constant}_LINES"] = Code(f"{opened}{skipped}")
    named = (("delimiter", delimiter),) if delimiter != "," else ()
    listed = Invoke("list", (Invoke("csv.DictReader", (Code(f"{constant}_LINES"), fields), named),))
    if sequence:
        draft.modules.add("itertools")
        draft.constants[constant] = Invoke("itertools.cycle", (listed,))
        rows[row] = f"next({constant})"
    else:
        draft.constants[constant] = listed
        rows[row] = f"user.rng.choice({constant})"


def _beginning(
    names: Names,
    drawn: Mapping[str, tuple[str, str]],
    rows: Mapping[str, str],
    draft: Draft,
) -> list[Call | Line | Block]:
    """What each iteration begins with: no cookies, and what is drawn for it."""
    begin: list[Call | Line | Block] = [Line("", Invoke("user.cookies.clear"))]
    for row, code in rows.items():
        if any(used.startswith(f"{row}[") for used in names.used):
            begin.append(Line(f"{row} = ", Code(code)))
    for local, code in drawn.values():
        if local in names.used:
            begin.append(Line(f"{local} = ", Code(code)))
    if names.needs_uuid:
        draft.modules.add("uuid")
        begin.append(Line("visitor = ", Code("uuid.UUID(int=user.rng.getrandbits(128), version=4)")))
    return begin


def _hook(hook: str, spec: Any, config: Mapping[str, Any], known: dict[str, str], draft: Draft) -> None:
    """`before` is done once, unless the scenarios need what it finds."""
    if not isinstance(spec, Mapping):
        return
    if hook == "after" or "capture" in str(spec):
        draft.note(f"{hook} is left out" + (": what it captures is for all" if hook == "before" else ""))
        return
    steps = Flow(draft, Names(draft, dict(known)), config, hook).steps(spec.get("flow"))
    if steps:
        draft.parts.insert(0, Part(hook, steps, decorator="@once"))
        draft.note("before is done once in each worker, not once for all")


def _plan(config: Mapping[str, Any], path: Path, draft: Draft) -> None:
    target = str(config.get("target") or "")
    target = re.sub("^ws", "http", target)
    if re.match(r"https?://", target) and "{{" not in target:
        draft.base_url = target.rstrip("/")
    elif target:
        draft.note(f"config.target is {target}: give the URL as --url")
    compiler = Compiler(path=path, config=config, functions={}, processor=None, notes=Notes())
    phases = config.get("phases") or DEFAULT
    arrivals = read_phases(phases, compiler)
    if compiler.mistakes:
        draft.note("config.phases: " + "; ".join(f"{place}: {text}" for place, text in compiler.mistakes))
        phases = DEFAULT
    for note in compiler.notes:
        draft.note(note)
    plan = draft.plan
    plan["follow_redirects"] = True
    plan["compression"] = True
    http = config.get("http") or {}
    if http.get("pool") is None:
        plan["own_connections"] = True
    names = Names(draft, {})
    defaults = (http.get("defaults") or {}).get("headers") or (config.get("defaults") or {}).get("headers")
    if headers := Flow(draft, names, config, "config").headers(defaults):
        plan["headers"] = headers
    plan.update(_load(phases))
    if arrivals.is_poisson:
        plan["arrivals"] = "poisson"
    if arrivals.caps:
        plan["caps"] = [(f"{start_s:g}s", most) for start_s, most in arrivals.caps]
    wait_s = timeout_s(config)
    plan["timeout"] = f"{wait_s:g}s" if wait_s > 0 else "10s"
    thresholds = []
    for shown, expression, is_strict in expressions_of(config):
        match = _CHECK.fullmatch(expression)
        if match is None or not is_strict:
            draft.note(f"ensure: {shown} is left out")
            continue
        metric = {"median": "p50"}.get(match[1], match[1])
        thresholds.append(f"{metric} {match[2]} {match[3]}ms")
    if thresholds:
        plan["thresholds"] = thresholds
    for key in _LEFT_OUT:
        if config.get(key):
            draft.note(f"config.{key} is left out")


def _load(phases: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """One constant rate, or stages; a jump only where there is one."""
    legs: list[tuple[float, float, float]] = []
    for phase in phases:
        length_s = seconds(phase.get("pause") or phase.get("duration")) or 0.0
        rate, ramp_to = (number_of(phase.get(key) or 0) for key in ("arrivalRate", "rampTo"))
        count = number_of(phase.get("arrivalCount") or 0)
        if phase.get("pause") is not None:
            legs.append((length_s, 0.0, 0.0))
        elif "rampTo" in phase:
            legs.append((length_s, rate, ramp_to))
        elif rate or count:
            legs.append((length_s, rate or count / length_s, rate or count / length_s))
    if len(legs) == 1 and legs[0][1] == legs[0][2]:
        return {"rate": _rate(legs[0][1]), "duration": f"{legs[0][0]:g}s"}
    stages: list[object] = []
    level = 0.0
    for length_s, start, end in legs:
        if start != level:
            stages.append(Invoke("Stage", ("0s",), (("rate", _rate(start)),)))
        stages.append(Invoke("Stage", (f"{length_s:g}s",), (("rate", _rate(end)),)))
        level = end
    return {"stages": stages}


def _rate(per_s: float) -> str:
    """In the longest words that say it exactly: a second, a minute or an hour."""
    for factor, unit in ((1, "s"), (60, "m")):
        if abs(per_s * factor - round(per_s * factor, 2)) < 1e-12:
            return f"{round(per_s * factor, 2):g}/{unit}"
    return f"{round(per_s * 3600, 3)!r}/h"
