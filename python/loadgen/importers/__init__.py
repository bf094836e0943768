"""Files of other tools: whose a file is, and the script that loadgen makes of it, without the tool itself.

An importer is a package here with `load(path, options)`; `options` is what the tool's own flags said, and
goes with the plan to every worker, where the same script is made again.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadgen.script import Script

# The option by which a plan says whose file it runs.
TOOL = "tool"
_SUFFIXES = {".py": "locust", ".yml": "artillery", ".yaml": "artillery", ".json": "artillery"}


def tool_of(path: Path) -> str | None:
    """Whose file this is; None where it is ours, or nobody's that we know."""
    tool = _SUFFIXES.get(path.suffix.lower())
    if tool is None or not path.is_file():
        return None
    if tool == "locust":
        return tool if _imports_locust(path) else None
    return tool if _has_scenarios(path) else None


def load_foreign(path: Path, tool: str, options: Mapping[str, Any]) -> Script:
    """The script that a file of another tool comes to."""
    script: Script = import_module(f"loadgen.importers.{tool}").load(path, options)
    return script


def _imports_locust(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if any(name.partition(".")[0] == "locust" for name in names):
            return True
    return False


def _has_scenarios(path: Path) -> bool:
    import yaml  # nothing else needs it, and JSON is YAML

    try:
        content = path.read_bytes()
    except OSError:
        return False
    try:
        document = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError:
        # Its own importer says where the mistake is.
        return re.search(rb"^(scenarios|config)\s*:", content, re.MULTILINE) is not None
    if not isinstance(document, dict) or "kind" in document:  # Kubernetes has many a file with a config
        return False
    config = document.get("config")
    return isinstance(document.get("scenarios"), list) or (isinstance(config, dict) and "phases" in config)
