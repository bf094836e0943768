"""`--output KIND[=ARGUMENT]`: which kinds there are, and from the text to the output. It opens nothing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from loadgen.errors import UsageError
from loadgen.units import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadgen.errors import LoadgenError
    from loadgen.outputs.output import Output


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of output."""

    home: str  # module.Class
    argument: str  # what stands behind "="
    needed: bool
    extra: str = ""  # what it needs beyond loadgen itself
    asks_for: str = ""  # a module of that


KINDS = {
    "prometheus": Kind("prometheus.Prometheus", "[HOST:]PORT", False, "prometheus", "prometheus_client"),
    "remote-write": Kind(
        "remote_write.RemoteWrite", "URL", True, extra="prometheus", asks_for="prometheus_client"
    ),
    "influx": Kind("influx.Influx", "URL or FILE", True),
    "otel": Kind("otel.OpenTelemetry", "URL", False, "otel", "opentelemetry.exporter.otlp.proto.http"),
    "statsd": Kind("statsd.StatsD", "HOST:PORT", False),
    "dogstatsd": Kind("statsd.DogStatsD", "HOST:PORT", False),
    "jsonl": Kind("lines.JsonLines", "FILE", True),
    "csv-live": Kind("lines.CsvLines", "FILE", True),
    "junit": Kind("junit.JUnit", "FILE", True),
    "markdown": Kind("markdown.Markdown", "FILE", True),
    "csv": Kind("table.Table", "FILE", True),
    "locust-csv": Kind("locust.LocustCsv", "PREFIX", True),
}


def make_output(text: str, place: str) -> Output:
    """One output. Raises UsageError, with `place` in it."""
    name, equals, argument = text.partition("=")
    kind = KINDS.get(name.strip())
    if kind is None:
        raise UsageError(f"{place}: {_unknown(name)}")
    if kind.needed and not argument:
        raise UsageError(f"{place}: expected {name}={kind.argument}, got {quoted(text)}")
    if equals and not argument:
        raise UsageError(f"{place}: expected {name} or {name}={kind.argument}, got {quoted(text)}")
    if kind.extra:
        try:
            import_module(kind.asks_for)
        except ImportError:
            raise UsageError(
                f"{place}: {name} needs more than is installed",
                hint=f"pip install 'loadgen[{kind.extra}]'",
            ) from None
    module, _, of_class = kind.home.partition(".")
    try:
        made: Output = getattr(import_module(f"loadgen.outputs.{module}"), of_class)(argument)
    except ValueError as error:
        raise UsageError(f"{place}: {name}: {error}") from None
    return made


def tell_that_it_never_began(outputs: Sequence[str], command: str, error: LoadgenError) -> Iterator[str]:
    """Reports say why there is no run. Yields which of them could not be written, and why."""
    made = []
    for text in outputs:
        with contextlib.suppress(UsageError):  # this very error, or one that is met when it is mended
            made.append(make_output(text, ""))
    files = [file.resolve() for output in made for file in output.files]
    for output in made:
        if any(files.count(file.resolve()) > 1 for file in output.files):
            continue  # the file is another's, too
        try:
            output.never_began(command, error)
        except OSError as problem:
            yield f"{output.name} could not be written: {problem.strerror or problem}"


def _unknown(name: str) -> str:
    if "://" in name:  # a URL without its kind, which may have a password in it
        name = f"{name.partition('://')[0]}://..."
    near = get_close_matches(name, KINDS, n=1)
    meant = f', did you mean "{near[0]}"?' if near else ":"
    return f"no output {quoted(name)}{meant} there are {', '.join(KINDS)}"
