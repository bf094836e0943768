"""`otel[=URL]`: OpenTelemetry metrics over OTLP/HTTP, through OpenTelemetry's own exporter and its variables.

Counts are cumulative, so that a moment that was dropped costs none.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from loadgen._engine import __version__
from loadgen.outputs.family import families
from loadgen.outputs.output import Output, Refused
from loadgen.outputs.post import read_url
from loadgen.outputs.reading import BOUNDS_S, Buckets, shown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen.outputs.family import Family, Point
    from loadgen.outputs.reading import Reading
    from loadgen.progress import Opening

EXAMPLE = "http://127.0.0.1:4318/v1/metrics"
TIMEOUT_S = 3.0
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1", "": "1"}
_CUMULATIVE = AggregationTemporality.CUMULATIVE


class OpenTelemetry(Output):
    """Without a URL, where OTEL_EXPORTER_OTLP_ENDPOINT says."""

    live = True

    def __init__(self, argument: str) -> None:
        if argument and argument.partition("://")[2].strip("/").count("/") == 0:
            argument = f"{argument.rstrip('/')}/v1/metrics"
        shown = read_url(argument, EXAMPLE)[1] if argument else "collector"
        super().__init__(f"otel {shown}")
        self._answers = _Answers()
        self._exporter = OTLPMetricExporter(endpoint=argument or None, timeout=TIMEOUT_S)
        self._closed = False
        self._resource = Resource({})
        self._started_ns = 0

    def open(self) -> None:
        """What the exporter has to say is for us."""
        self._answers.listen()

    def begin(self, opening: Opening) -> None:
        """Which run this is."""
        name = shown_name(opening.plan.name)
        self._resource = Resource.create({"service.name": "loadgen", "loadgen.run": name})
        self._started_ns = round(opening.started_at * 1e9)

    def send(self, readings: Sequence[Reading]) -> None:
        """The last moment: it has all that was before it."""
        reading = readings[-1]
        found = [self._metric(family, reading.at_ns) for family in families(reading.total, reading.now)]
        scope = ScopeMetrics(InstrumentationScope("loadgen", __version__), found, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        self._answers.refusal = None
        if self._exporter.export(data) is not MetricExportResult.SUCCESS:
            if self._answers.refusal is not None:
                raise Refused(f"it answered {self._answers.refusal}")
            raise OSError("it cannot be reached, or does not answer")

    def _metric(self, family: Family[Buckets], at_ns: int) -> Metric:
        points = [self._number(point, at_ns) for point in family.points]
        data: Sum | Gauge | Histogram = Gauge(points)
        if family.kind == "counter":
            data = Sum(points, _CUMULATIVE, is_monotonic=True)
        elif family.kind == "histogram":
            data = Histogram([self._histogram(point, at_ns) for point in family.points], _CUMULATIVE)
        return Metric(family.name, family.help, _UNITS[family.unit], data)

    def _number(self, point: Point[Buckets], at_ns: int) -> NumberDataPoint:
        return NumberDataPoint(_attributes(point), self._started_ns, at_ns, float(point.value))

    def _histogram(self, point: Point[Buckets], at_ns: int) -> HistogramDataPoint:
        latency = point.latency
        assert latency is not None
        ends = [*latency.at_most, latency.count]
        return HistogramDataPoint(
            attributes=_attributes(point),
            start_time_unix_nano=self._started_ns,
            time_unix_nano=at_ns,
            count=latency.count,
            sum=latency.sum_s,
            bucket_counts=[end - before for before, end in zip([0, *ends[:-1]], ends, strict=True)],
            explicit_bounds=list(BOUNDS_S),
            # Not known of the whole run; the exporter leaves out what is not a number.
            min=None,  # type: ignore[arg-type]
            max=None,  # type: ignore[arg-type]
        )

    def abort(self) -> None:
        """Wait no longer."""
        self._shut()

    def close(self) -> None:
        """No more."""
        self._shut()
        self._answers.leave()

    def _shut(self) -> None:
        if not self._closed:
            self._closed = True
            self._exporter.shutdown()


def _attributes(point: Point[Buckets]) -> dict[str, str]:
    return {name: value for name, value in point.labels.items() if value}


class _Answers(logging.Handler):
    """Why the exporter failed it tells a log only. What we need of it is kept; nothing reaches a screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.refusal: str | None = None
        self._logger = logging.getLogger("opentelemetry.exporter.otlp.proto.http.metric_exporter")

    def emit(self, record: logging.LogRecord) -> None:
        """A status that it will not ask about again."""
        found = re.search(r"code: (\d+)", record.getMessage())
        self.refusal = found[1] if found else self.refusal

    def listen(self) -> None:
        """Instead of whoever would."""
        self._logger.addHandler(self)
        self._logger.propagate = False

    def leave(self) -> None:
        """As it was."""
        self._logger.removeHandler(self)
        self._logger.propagate = True
