"""Artillery's scripts: `read` makes a draft of one."""

from loadgen.convert.artillery.script import read

__all__ = ["read"]
