"""An Artillery script, YAML or JSON, as it is, on the engine of loadgen."""

from loadgen.importers.artillery.script import load

__all__ = ["load"]
