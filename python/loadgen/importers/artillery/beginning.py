"""What a virtual user begins with: no cookies, and variables of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler
    from loadgen.importers.artillery.payload import Payload
    from loadgen.importers.artillery.scenarios import Begin
    from loadgen.user import User

# The option by which what `before` has captured goes to the workers, as JSON: by its name no file keeps it.
SECRET_VARS = "secret_vars"  # noqa: S105


def surroundings_of(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What templates know of where and how the script is run."""
    environment = dict(os.environ)
    return {
        "$environment": options.get("environment", UNDEFINED),
        "$processEnvironment": environment,
        "$env": environment,
        "$testId": options.get("test_id", ""),
        "$dirname": str(Path(options.get("config") or path).absolute().parent),
        "$scenarioFile": str(path),
    }


def variables_of(config: Mapping[str, Any], path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What every virtual user begins with; a payload and `config.variables` come over it."""
    return {
        "target": config.get("target", UNDEFINED),
        **surroundings_of(path, options),
        **json.loads(options.get(SECRET_VARS, "{}")),
    }


def beginning(
    base: Mapping[str, Any], payloads: list[Payload], config: Mapping[str, Any], compiler: Compiler
) -> Begin:
    """Makes virtual users. Objects among the variables are those of all: who changes one, copies it."""
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
