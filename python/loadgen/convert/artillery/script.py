"""An Artillery script: phases become stages, scenarios functions, templates expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.convert.artillery.data import Data
from loadgen.convert.artillery.load import put_plan
from loadgen.convert.artillery.sockets import over_socket
from loadgen.convert.artillery.steps import Flow
from loadgen.convert.artillery.unused import without_unused
from loadgen.convert.artillery.values import Names
from loadgen.convert.draft import Draft, Part
from loadgen.errors import UsageError
from loadgen.importers.artillery.document import Document
from loadgen.importers.artillery.values import number_of

_THREE_BRACES = re.compile(r"\{\{\{([^{}]+)\}\}\}")


def read(path: Path, title: str) -> Draft:
    """All of its scenarios, and the load."""
    values = _with_two_braces(Document(path).values)
    config = values.get("config") or {}
    if not isinstance(config, Mapping):
        raise UsageError("config: expected target, phases and so on")
    draft = Draft(about="", parts=[])
    data = Data(config, path.parent, draft)
    specs = [spec for spec in values.get("scenarios") or [] if isinstance(spec, Mapping)]
    for index, spec in enumerate(specs, 1):
        name = str(spec.get("name") or (title if len(specs) == 1 else f"scenario {index}"))
        if part := _scenario(name, spec, config, data, draft):
            draft.parts.append(part)
    if draft.parts:
        _before(values.get("before"), config, data, draft)
    if isinstance(values.get("after"), Mapping):
        draft.note("after is left out")
    put_plan(config, path, draft)
    count = len(draft.parts)
    in_parts = f", in {count} parts" if count > 1 else ""
    draft.about = f"What {path.name} asks of {draft.base_url or 'its target'}{in_parts}."
    return draft


def _with_two_braces(value: Any) -> Any:
    """Three mean the same."""
    if isinstance(value, Mapping):
        return {name: _with_two_braces(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_two_braces(one) for one in value]
    return _THREE_BRACES.sub(r"{{\1}}", value) if isinstance(value, str) else value


def _scenario(
    name: str, spec: Mapping[str, Any], config: Mapping[str, Any], data: Data, draft: Draft
) -> Part | None:
    engine = str(spec.get("engine") or config.get("engine") or "http")
    weight = number_of(spec.get("weight", 1))
    is_socket = engine in ("ws", "websocket")
    if engine != "http" and not is_socket:
        draft.note(f"{name}: scenarios of the engine {engine} are left out")
        return None
    if not weight >= 1:
        draft.note(f"{name}: its weight is {spec.get('weight')}, and it is left out")
        return None
    names = Names(draft, data.names(), data.numbers)
    flow = Flow(draft, names, config, name)
    flow.hooks(spec, name)
    steps = over_socket(flow, spec.get("flow")) if is_socket else flow.steps(spec.get("flow"))
    if not steps:
        draft.note(f"{name}: nothing in it was kept")
        return None
    steps = without_unused(
        steps,
        names.used,
        lambda local: draft.note(f"{name}: {local} is captured, read by nothing, and left out"),
    )
    decorator = f"@scenario(weight={int(weight)})" if weight >= 2 else "@scenario"
    return Part(name, [*data.drawn_by(names), *steps], decorator=decorator)


def _before(spec: Any, config: Mapping[str, Any], data: Data, draft: Draft) -> None:
    """It is done once, unless the scenarios need what it finds."""
    if not isinstance(spec, Mapping):
        return
    if "capture" in str(spec):
        draft.note("before is left out: what it captures is for all")
        return
    steps = Flow(draft, Names(draft, dict(data.known)), config, "before").steps(spec.get("flow"))
    if steps:
        draft.parts.insert(0, Part("before", steps, decorator="@once"))
        draft.note("before is done once in each worker, not once for all")
