"""`config.plugins` and its like: which of them are here, which are another's work, and which are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler

# Those that are here, and what of their settings is heard; fake-data sees to its own.
_HERE: dict[str, tuple[str, ...] | None] = {
    "expect": (
        *("outputFormat", "formatter", "reportFailuresAsErrors", "useOnlyRequestNames", "expectDefault200"),
    ),
    "ensure": ("thresholds", "conditions", "min", "max", "median", "p95", "p99", "maxErrorRate"),
    "apdex": ("threshold",),
    "metrics-by-endpoint": ("useOnlyRequestNames", "stripQueryString", "suppressOutput"),
    "fake-data": None,
    "publish-metrics": None,
}
_REPORTED = {
    "statsd": ("type", "host", "port"),
    "open-telemetry": ("type", "metrics", "traces"),
    "opentelemetry": ("type", "metrics", "traces"),
}
# What others publish to, we can say in another protocol.
_INSTEAD = {
    "datadog": "dogstatsd=HOST:PORT, to its agent",
    "influxdb-statsd": "influx=URL",
    "newrelic": "otel=URL",
    "splunk": "otel=URL",
    "dynatrace": "otel=URL",
    "honeycomb": "otel=URL",
    "cloudwatch": "otel=URL, by way of its collector",
    "prometheus": "prometheus=PORT or remote-write=URL",
}


def look_at_plugins(config: Mapping[str, Any], compiler: Compiler) -> list[str]:
    """Notes what is left out. Returns the outputs that `publish-metrics` comes to."""
    plugins = config.get("plugins") or {}
    if not isinstance(plugins, Mapping):
        compiler.wrong("config.plugins", f"expected plugins by their names, got {plugins!r}")
        return []
    for name, settings in plugins.items():
        if name not in _HERE:
            compiler.note(f"config.plugins.{name} is not known here, and without effect")
        else:
            _look_at_settings(f"config.plugins.{name}", settings, _HERE[name], compiler)
    for name in ("ensure", "apdex"):
        _look_at_settings(f"config.{name}", config.get(name), _HERE[name], compiler)
    if config.get("engines"):
        others = [name for name in config["engines"] if name not in ("http", "ws", "socketio")]
        for name in others:
            compiler.note(f"config.engines.{name} is not known here, and without effect")
    return _published(plugins.get("publish-metrics"), compiler)


def _look_at_settings(place: str, settings: Any, known: tuple[str, ...] | None, compiler: Compiler) -> None:
    if known is None or not isinstance(settings, Mapping):
        return
    for key in settings:
        if key not in known:
            compiler.note(f"{place}.{key} is not known here, and without effect")


def _published(reporters: Any, compiler: Compiler) -> list[str]:
    outputs = []
    listed = reporters if isinstance(reporters, list) else [reporters] if reporters else []
    for index, reporter in enumerate(listed):
        place = f"config.plugins.publish-metrics[{index}]"
        kind = reporter.get("type") if isinstance(reporter, Mapping) else None
        _look_at_settings(place, reporter, _REPORTED.get(str(kind)), compiler)
        if kind == "statsd":
            outputs.append(f"statsd={reporter.get('host') or '127.0.0.1'}:{reporter.get('port') or 8125}")
        elif kind in ("open-telemetry", "opentelemetry"):
            metrics = reporter.get("metrics") or {}
            _look_at_settings(f"{place}.metrics", metrics, ("endpoint",), compiler)
            endpoint = metrics.get("endpoint")
            outputs.append(f"otel={endpoint}" if endpoint else "otel")
            if reporter.get("traces"):
                compiler.note(
                    f"{place}.traces: no traces are sent; http.distributedTracing marks the requests"
                )
        elif kind in _INSTEAD:
            compiler.note(f"{place}: {kind} is not published to; use --output {_INSTEAD[kind]}")
        else:
            compiler.note(
                f"{place}: {kind} is not published to; loadgen run --help has the outputs there are"
            )
    return outputs
