"""Which fields of two plans differ. A comparison of different loads must say so before anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

# What a run is called and where its values came from change nothing that is sent.
_NAMES = ("schema", "name", "origins")
_MISSING = "-"
EMBEDDED = "embedded target"  # as the name of a run has it


class PlanDifference(Struct, frozen=True):
    """A field, as a path into plan.json, and its values as JSON; "-" where one has no such field."""

    field: str
    baseline: str
    run: str


def differences(baseline: Mapping[str, Any], run: Mapping[str, Any]) -> list[PlanDifference]:
    """All of them, in the order of the fields."""
    before, after = dict(_leaves(_comparable(baseline))), dict(_leaves(_comparable(run)))
    return [
        PlanDifference(field, before.get(field, _MISSING), after.get(field, _MISSING))
        for field in {**before, **after}
        if before.get(field) != after.get(field)
    ]


def _comparable(plan: Mapping[str, Any]) -> Any:
    """Without names, and without the port of an embedded target, which is another one in every run."""
    fields = {name: value for name, value in plan.items() if name not in _NAMES}
    addresses = plan.get("addresses")
    origins = plan.get("origins")
    named = isinstance(origins, dict) and not origins.keys().isdisjoint(("url", "base_url", "targets"))
    if (
        (named and not str(plan.get("name")).endswith(EMBEDDED))
        or not isinstance(addresses, list)
        or len(addresses) != 1
    ):
        return fields
    return _replaced(fields, str(addresses[0]))


def _replaced(value: Any, address: str) -> Any:
    if isinstance(value, str):
        return value.replace(address, EMBEDDED)
    if isinstance(value, dict):
        return {name: _replaced(one, address) for name, one in value.items()}
    return [_replaced(one, address) for one in value] if isinstance(value, list) else value


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from _leaves(one, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for index, one in enumerate(value):
            yield from _leaves(one, f"{path}[{index}]")
    else:
        yield path, msgspec.json.encode(value).decode()
