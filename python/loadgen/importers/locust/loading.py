"""Locust files, executed and looked through: which users and shapes there are. It plans no load."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from loadgen.errors import UsageError
from loadgen.importers.locust.events import events
from loadgen.importers.locust.modules import stand_in
from loadgen.importers.locust.shape import LoadTestShape
from loadgen.importers.locust.users import User
from loadgen.script import add_to_path
from loadgen.script_failure import explain, explain_syntax, shown

if TYPE_CHECKING:
    from loadgen.importers.locust.environment import Environment


@dataclass(frozen=True)
class Loaded:
    """What some files define."""

    path: Path
    modules: tuple[ModuleType, ...]
    users: tuple[type[User], ...]  # that are not abstract
    shapes: tuple[type[LoadTestShape], ...]

    def chosen(self, names: Sequence[str]) -> tuple[type[User], ...]:
        """Those of these names; all where none is named."""
        known = {one.__name__: one for one in self.users}
        for name in names:
            if name not in known:
                raise UsageError(f"{shown(self.path)}: no user class {name}: there are {', '.join(known)}")
        return tuple(known[name] for name in names) or self.users


def load_files(paths: Sequence[Path]) -> Loaded:
    """Executes them, with stand-ins for Locust and gevent. A UsageError names the user's own line."""
    events.forget_all()
    with stand_in():
        modules = tuple(_execute(path) for path in paths)
    users: dict[str, type[User]] = {}
    shapes: dict[str, type[LoadTestShape]] = {}
    for module in modules:
        for name, value in vars(module).items():
            if not isinstance(value, type) or vars(value).get("abstract"):
                continue
            if issubclass(value, User):
                users[name] = value
            elif issubclass(value, LoadTestShape) and value is not LoadTestShape:
                shapes[name] = value
    unique = tuple({id(one): one for one in users.values()}.values())
    if not unique:
        raise UsageError(
            f"{shown(paths[0])}: no user class in this file",
            hint="A class that inherits from User, HttpUser or FastHttpUser and is not abstract is one.",
        )
    return Loaded(paths[0], modules, unique, tuple({id(one): one for one in shapes.values()}.values()))


def _execute(path: Path) -> ModuleType:
    """The module, under the name by which others of its folder would import it."""
    source = path.read_text(encoding="utf-8", errors="replace")
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise explain_syntax(error, path, source) from None
    except ValueError as error:
        raise UsageError(f"{shown(path)}: {error}") from None
    name = re.sub(r"\W", "_", path.stem)
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"loadgen_script_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    add_to_path(str(path.parent))
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - it is what the user asked for
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is shown as the user's own
        del sys.modules[name]
        raise explain(error, path) from None
    return module


def start_logging(environment: Environment) -> None:
    """What files log is seen on standard error, as Locust shows it."""
    from loadgen.importers.locust.logs import setup_logging

    options: Any = environment.parsed_options
    if not getattr(options, "skip_log_setup", False):
        setup_logging(getattr(options, "loglevel", "INFO"), getattr(options, "logfile", None))
