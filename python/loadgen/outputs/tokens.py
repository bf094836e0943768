"""Tokens for receivers. They come from the environment, because command lines are seen by everybody."""

from __future__ import annotations

import os


def secret(name: str) -> str | None:
    """LOADGEN_<name>; nothing where it is empty. What no header can hold is refused without being shown."""
    token = os.environ.get(f"LOADGEN_{name}", "").strip()
    if any(not 0x20 <= ord(char) < 0x7F for char in token):
        raise ValueError(f"LOADGEN_{name} has characters in it that a header cannot have")
    return token or None
