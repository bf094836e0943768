"""What files ask of single requests and loadgen decides for the whole run: found in their source."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_UNHEARD = {
    "proxies": "proxies= is not heard: --proxy URL is for the whole run",
    "cert": "cert= is not heard: client certificates are not there for Locust files",
    "stream": "stream=True: a response is read to its end before the call returns",
}
_DIGEST = "HTTPDigestAuth is not there for Locust files, and raises when it is used"


class Wide(NamedTuple):
    """What holds for the whole run."""

    insecure: bool  # no certificate is checked
    notes: tuple[str, ...]


def find_wide(paths: Iterable[Path], classes: Sequence[Any]) -> Wide:
    """Of these files, and of the user classes that they define."""
    said = [one for path in paths for one in _settings(path)]
    notes = [note for name, note in _UNHEARD.items() if any(name == one and is_on for one, is_on in said)]
    if ("digest", True) in said:
        notes.append(_DIGEST)
    unchecked = ("verify", False) in said
    careless = [one for one in classes if getattr(one, "insecure", False)]
    if unchecked and len(careless) < len(classes):
        notes.append("verify=False: no certificate is checked in the whole run")
    elif careless and len(careless) < len(classes):
        notes.append(f"{careless[0].__name__} checks no certificate, so none is checked in the whole run")
    return Wide(unchecked or bool(careless), tuple(notes))


def _settings(path: Path) -> Iterator[tuple[str, bool]]:
    """Names, and whether what they are given counts as something."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from ((word.arg, _is_on(word.value)) for word in node.keywords if word.arg)
        elif isinstance(node, ast.Assign):
            names = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
            yield from ((name, _is_on(node.value)) for name in names)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name == "HTTPDigestAuth":
                yield "digest", True


def _is_on(value: ast.expr) -> bool:
    """Unless it is False or None."""
    return not (isinstance(value, ast.Constant) and value.value in (False, None))
