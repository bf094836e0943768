"""An Artillery script's target, phases and thresholds, as fields of the plan."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadgen.convert.artillery.requests import headers_of
from loadgen.convert.artillery.values import Names
from loadgen.convert.draft import Draft
from loadgen.convert.source import Invoke
from loadgen.importers.artillery.ensure import expressions_of
from loadgen.importers.artillery.flow import Compiler, Notes
from loadgen.importers.artillery.phases import DEFAULT, read_phases
from loadgen.importers.artillery.requests import timeout_s
from loadgen.importers.artillery.values import number_of, seconds

_CHECK = re.compile(r"\s*http\.response_time\.(p\d+|min|max|mean|median)\s*(<=?)\s*(\d+(?:\.\d+)?)\s*")
_LEFT_OUT = ("environments", "processor", "engines", "tls", "socketio", "ws", "apdex")


def put_plan(config: Mapping[str, Any], path: Path, draft: Draft) -> None:
    """Target, load, and what holds for every request."""
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
    defaults = (http.get("defaults") or {}).get("headers") or (config.get("defaults") or {}).get("headers")
    if headers := headers_of(defaults, Names(draft, {})):
        plan["headers"] = headers
    plan.update(_load(phases))
    if arrivals.is_poisson:
        plan["arrivals"] = "poisson"
    if arrivals.caps:
        plan["caps"] = [(f"{start_s:g}s", most) for start_s, most in arrivals.caps]
    wait_s = timeout_s(config)
    plan["timeout"] = f"{wait_s:g}s" if wait_s > 0 else "10s"
    if thresholds := _thresholds(config, draft):
        plan["thresholds"] = thresholds
    for key in _LEFT_OUT:
        if config.get(key):
            draft.note(f"config.{key} is left out")


def _thresholds(config: Mapping[str, Any], draft: Draft) -> list[str]:
    """What `ensure` asks of the latency."""
    thresholds = []
    for shown, expression, is_strict in expressions_of(config):
        match = _CHECK.fullmatch(expression)
        if match is None or not is_strict:
            draft.note(f"ensure: {shown} is left out")
            continue
        metric = {"median": "p50"}.get(match[1], match[1])
        thresholds.append(f"{metric} {match[2]} {match[3]}ms")
    return thresholds


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
