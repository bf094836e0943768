"""Reads the file, YAML or JSON, into plain values, and knows in which line each of them stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from loadgen.errors import ScriptError, UsageError
from loadgen.script_failure import shown

# As js-yaml reads them: what YAML 1.1 calls a truth beyond these two is a text, and 1e3 is a number.
_BOOLEAN = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_FLOAT = re.compile(
    r"""^(?:[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?
    |\.[0-9_]+(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)


class _Loader(yaml.SafeLoader):
    """YAML as Artillery reads it."""

    def construct_yaml_timestamp(self, node: Any) -> Any:
        """A date is an object there; it goes out as the text that JSON has for it."""
        value = super().construct_yaml_timestamp(node)
        if isinstance(value, datetime):
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        elif isinstance(value, date):
            moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOLEAN, list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)


class Document:
    """A file as it was written: its values, and the line of each place such as `scenarios[0].flow[2].get`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[str, int] = {}
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"{shown(path)} cannot be read: {reason}") from None
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            self.values: Any = None if node is None else self._build(loader, node, "", ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise ScriptError(f"{shown(path)}{line}: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise ScriptError(f"{shown(path)}: {error}") from None
        finally:
            loader.dispose()
        if not isinstance(self.values, dict):
            raise ScriptError(f"{shown(path)}: expected config and scenarios")

    def line(self, place: str) -> int | None:
        """Of a place, or of the nearest one around it."""
        while place and place not in self._lines:
            place = re.sub(r"(\.[^.\[\]]*|\[\d+\])$", "", place) if re.search(r"[.\[]", place) else ""
        return self._lines.get(place)

    def _build(self, loader: _Loader, node: Any, place: str, around: tuple[int, ...]) -> Any:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if id(node) in around:
            raise ScriptError(f"{shown(self.path)}:{node.start_mark.line + 1}: it has itself in it")
        inner = (*around, id(node))
        if isinstance(node, yaml.SequenceNode):
            return [
                self._build(loader, one, f"{place}[{index}]", inner) for index, one in enumerate(node.value)
            ]
        if not isinstance(node, yaml.MappingNode):
            return loader.construct_object(node)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value != "<<" and key.value in seen:
                line = key.start_mark.line + 1
                raise ScriptError(f"{shown(self.path)}:{line}: {key.value} is there twice")
            seen.add(key.value)
        loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key, value in node.value:  # what is merged in comes first, and is outdone
            name = str(key.value)
            at = f"{place}.{name}" if place else name
            found[name] = self._build(loader, value, at, inner)
            self._lines[at] = key.start_mark.line + 1
        return found


def merged(one: Any, other: Any) -> Any:
    """Objects joined name by name, lists place by place, all else replaced: as environments are merged."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {
            **one,
            **{name: merged(one[name], value) if name in one else value for name, value in other.items()},
        }
    if isinstance(one, list) and isinstance(other, list):
        joined = [
            merged(one[index], value) if index < len(one) else value for index, value in enumerate(other)
        ]
        return joined + one[len(other) :]
    return other


def overridden(one: Any, other: Any) -> Any:
    """The same, but that lists are replaced: as `--overrides` has it."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {
            **one,
            **{name: overridden(one[name], value) if name in one else value for name, value in other.items()},
        }
    return other
