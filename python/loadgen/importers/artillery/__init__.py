"""An Artillery script, YAML or JSON, as it is, on the engine of loadgen."""
