"""From classes and what the flags said to a plan: how many users, of which classes, for how long."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadgen.errors import UsageError
from loadgen.importers import TOOL
from loadgen.importers.locust.company import Company, dispatch_of
from loadgen.importers.locust.environment import Environment, configure
from loadgen.importers.locust.failures import FAILURES
from loadgen.importers.locust.loading import Loaded
from loadgen.importers.locust.order import Step
from loadgen.importers.locust.shape import LONGEST_S, LoadTestShape, spawning, stages_of
from loadgen.importers.locust.tags import keep_tagged
from loadgen.importers.locust.users import User
from loadgen.importers.locust.wide import find_wide
from loadgen.loads import ScenarioWish
from loadgen.plan import Plan
from loadgen.scenario import Scenario
from loadgen.script import Script
from loadgen.script_failure import shown
from loadgen.shapes import Stage

# What files read of parsed_options where no flag has said anything else.
DEFAULTS: Mapping[str, Any] = {
    "host": None,
    "num_users": None,
    "users": None,
    "spawn_rate": None,
    "run_time": None,
    "headless": True,
    "autostart": False,
    "master": False,
    "worker": False,
    "processes": None,
    "expect_workers": 1,
    "tags": None,
    "exclude_tags": None,
    "csv_prefix": None,
    "html_file": None,
    "json": False,
    "reset_stats": False,
    "stop_timeout": 0,
    "loglevel": "INFO",
    "logfile": None,
    "exit_code_on_error": 1,
    "user_classes": (),
    "equal_weights": False,
    "config_users": None,
    "profile": None,
    "only_summary": False,
}
# Requests under way at the end are waited for so long where tasks are not.
ANSWERS_S = 30


def make_script(loaded: Loaded, options: Mapping[str, Any]) -> Script:
    """What the engine is to play, and the company that plays it."""
    parsed = argparse.Namespace(**{**DEFAULTS, **options})
    classes = loaded.chosen(parsed.user_classes or ())
    _configure(classes, parsed.config_users or ())
    _adapt(classes, parsed)
    classes = _wanted(classes, loaded.path)
    shape = _shape(loaded)
    environment = Environment(
        user_classes=classes,
        shape_class=shape,
        tags=parsed.tags,
        exclude_tags=parsed.exclude_tags,
        host=parsed.host,
        reset_stats=parsed.reset_stats,
        stop_timeout=float(parsed.stop_timeout or 0),
        parsed_options=parsed,
        locustfile=loaded.path.name,
        profile=parsed.profile,
    )
    stages, steps, notes = _stages(shape, parsed, classes)
    company = Company(environment, steps)
    wide = find_wide([Path(str(module.__file__)) for module in loaded.modules], classes)
    plan = Plan(
        base_url=_base_url(parsed.host, classes),
        stages=stages,
        drain=environment.stop_timeout or ANSWERS_S,
        name=loaded.path.stem,
        **wide.fields,
    )
    return Script(
        path=loaded.path,
        module=loaded.modules[0],
        scenarios=tuple(_scenario(one) for one in company.classes),
        sessions=(),
        onces=(),
        feeds={},
        plan=plan,
        options={TOOL: "locust", **options},
        notes=(*notes, *wide.notes, *_notes(company, environment)),
        company=company,
        tell=FAILURES.take,
    )


def _configure(classes: Sequence[type[User]], given: Sequence[str]) -> None:
    """What --config-users says of classes: JSON, or files of it."""
    known = {one.__name__: one for one in classes}
    for text in given:
        try:
            said = json.loads(Path(text).read_bytes() if text.endswith(".json") else text)
        except (OSError, ValueError) as error:
            raise UsageError(f"--config-users: {error}") from None
        for settings in said if isinstance(said, list) else [said]:
            name = settings.get("user_class_name") if isinstance(settings, dict) else None
            if name not in known:
                raise UsageError(f"--config-users: no user class {name}: there are {', '.join(known)}")
            configure(known[name], settings)


def _adapt(classes: Sequence[type[User]], parsed: argparse.Namespace) -> None:
    """What flags change in classes."""
    for one in classes:
        if parsed.equal_weights:
            one.weight, one.tasks = 1, list(dict.fromkeys(one.tasks))
        if parsed.tags or parsed.exclude_tags:
            keep_tagged(one, parsed.tags or (), parsed.exclude_tags or ())


def _shape(loaded: Loaded) -> LoadTestShape | None:
    if len(loaded.shapes) > 1:
        names = ", ".join(one.__name__ for one in loaded.shapes)
        raise UsageError(
            f"{shown(loaded.path)}: more than one load shape: {names}",
            hint="Give those that are not meant abstract = True.",
        )
    return loaded.shapes[0]() if loaded.shapes else None


def _wanted(classes: Sequence[type[User]], path: Path) -> tuple[type[User], ...]:
    """Those that any user is of."""
    wanted = tuple(one for one in classes if one.weight > 0 or one.fixed_count > 0)
    if not wanted:
        raise UsageError(f"{shown(path)}: no user class has a weight above 0")
    return wanted


def _most(classes: Sequence[type[User]]) -> float:
    """Users that there can be: where all counts are fixed no more come than they say."""
    is_fixed = all(one.fixed_count for one in classes)
    return sum(one.fixed_count for one in classes) if is_fixed else math.inf


def _stages(
    shape: LoadTestShape | None, parsed: argparse.Namespace, classes: Sequence[type[User]]
) -> tuple[list[Stage], list[Step], tuple[str, ...]]:
    most = _most(classes)
    users = int(min(parsed.num_users or parsed.users or 1, most))
    rate = float(parsed.spawn_rate or 1)
    if shape is None:
        notes = () if parsed.run_time else ("no -t: the run goes on until it is stopped",)
        return spawning(0, users, rate, float(parsed.run_time or LONGEST_S)), [Step(users)], notes
    common = shape.use_common_options
    longest_s = float(parsed.run_time) if common and parsed.run_time else float(LONGEST_S)
    stages, steps, shape_notes = stages_of(shape, dispatch_of(classes), longest_s, most)
    unheard = (
        []
        if common
        else [
            flag
            for flag, value in (("-u", parsed.num_users), ("-r", parsed.spawn_rate), ("-t", parsed.run_time))
            if value
        ]
    )
    if unheard:
        name = type(shape).__name__
        shape_notes = (
            *shape_notes,
            f"not heard: {', '.join(unheard)}, because {name} says how many users there are",
        )
    return stages, steps, shape_notes


def _base_url(host: str | None, classes: Sequence[type[User]]) -> str | None:
    return host or next((one.host for one in classes if one.host), None)


def _scenario(one: type[User]) -> Scenario:
    async def turn(_user: Any) -> None:
        raise UsageError(f"{one.__name__} is played as a whole user: loadgen run FILE -u 1")

    turn.__name__ = one.__name__
    return Scenario(turn, ScenarioWish(name=one.__name__, weight=1))


def _notes(company: Company, environment: Environment) -> list[str]:
    """What of the file is not as Locust has it."""
    notes = [f"{one.__name__} has no user: raise -u or its weight" for one in company.absent]
    idle = [one for one in company.classes if not one.tasks and one.run is User.run]
    notes += [f"{one.__name__} has no tasks" for one in idle]
    if environment.reset_stats:
        notes.append("--reset-stats: what is counted while users come in stays counted")
    return notes
