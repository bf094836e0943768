"""Locust files: run as they are, on the engine, without Locust. Their blocking code runs in greenlets.

files ──▶ loading: classes, shapes ──▶ planning: stages, notes ──▶ Script, whose users a company plays
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.importers.locust.loading import load_files
from loadgen.importers.locust.planning import make_script
from loadgen.script import Script


def load(path: Path, options: Mapping[str, Any]) -> Script:
    """The script that a file comes to, with what the flags said: by the names that `parsed_options` has."""
    more = [Path(os.path.abspath(name)) for name in options.get("files") or ()]  # noqa: PTH100 - links stay
    return make_script(load_files([path, *(one for one in more if one != path)]), options)
