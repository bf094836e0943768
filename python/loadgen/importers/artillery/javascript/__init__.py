"""Processors in JavaScript, on an engine that is embedded in the worker. It knows flows, and no HTTP."""
