"""What is said of a search: each ending in words, the curve, all of it in 80 columns."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadgen.find_max import EXIT_CODES, Bounds, Found, Outcome, Probe, Search
from loadgen.report.columns import width_of
from loadgen.report.find_max import render_search, search_json
from loadgen.slo import parse_slo
from tests.unit.queues import make_probe

SLO = "p99 < 50ms"


def probe(rate: float, _seconds: float) -> Probe:
    """1 ms at first, twice as much near 5,000/s, and far above it beyond."""
    kept = rate < 5000
    return make_probe(rate, [0.0 if kept else 1.0], p99_ms=1 / (1.01 - rate / 5000) if kept else 900.0)


def found(outcome: Outcome, why: str | None = None, interval: bool = False, **change: float) -> Found:
    fields = {"rate_per_s": None, "low_per_s": None, "high_per_s": None} | change
    probes, exit_code = [make_probe(100, [0.0])], EXIT_CODES[outcome]
    return Found(outcome=outcome, exit_code=exit_code, why=why, is_interval=interval, probes=probes, **fields)


def render(one: Found, slo: str = SLO) -> str:
    text = render_search(one, slo, Path("runs/" + "long" * 50))
    assert [line for line in text.splitlines() if width_of(line) > 80] == []
    return " ".join(text.split())


def test_an_answer_has_its_interval_and_its_curve() -> None:
    bounds = Bounds(lowest=100, highest=1e7, probe_s=15, precision=0.02, budget_s=300)
    one = Search(probe, parse_slo(SLO), bounds).run()
    text = render_search(one, SLO, Path("runs/x"))
    plot = [line for line in text.splitlines() if "|" in line]
    assert len(plot) == 13 and all(":" in line or "o" in line or "x" in line for line in plot)
    assert "x" in plot[0] and "o" in plot[-1], "latency grows to the top and the right"
    said = render(one)
    assert "p99 < 50ms: up to 5,0" in said or "p99 < 50ms: up to 4,9" in said
    assert "with 95 % confidence between 4," in said
    assert "The curve bends at about" in said
    document = msgspec.json.decode(search_json(one, SLO))
    assert document["rate_per_s"] == one.rate_per_s and len(document["probes"]) == len(one.probes)
    assert document["width"] == one.width and document["took_s"] == pytest.approx(one.took_s)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (found("at-least", "why not", rate_per_s=400.0, low_per_s=400.0), "at least 400/s; why not."),
        (found("fails", high_per_s=100.0), "even 100/s fails. A lower --from may not. run"),
        (
            found("client-limited", "too busy", low_per_s=200.0, high_per_s=400.0),
            "because the generator was the limit (too busy). So far: 200/s kept it, 400/s did not. run",
        ),
        (found("unreachable"), "could not be reached. So far: no rate is known to keep it. run"),
        (
            found("broken", "a worker was lost", low_per_s=200.0, high_per_s=400.0),
            "Broken off: a worker was lost. So far: 200/s kept it, 400/s did not. run",
        ),
        (found("interrupted"), "Interrupted. So far: no rate is known to keep it. run"),
        (found("interrupted", low_per_s=100.0, rate_per_s=100.0), "Interrupted. So far: 100/s kept it. run"),
        (
            found("found", "the time was spent", rate_per_s=2.0, low_per_s=100.0, high_per_s=200.0),
            "between 100/s and 200/s; the time was spent.",
        ),
        (
            found("found", "the time was spent", True, low_per_s=90.0, rate_per_s=100.0, high_per_s=110.0),
            "between 90/s and 110/s, which is 11 % either way (1 probe, 13s). But the time was spent. run",
        ),
        (
            found("unreachable", interval=True, low_per_s=95.0, rate_per_s=100.0, high_per_s=105.0),
            "So far: p99 < 50ms: up to 100/s, and with 95 % confidence between 95/s and 105/s, which is 5.1",
        ),
    ],
)
def test_each_ending_is_said_in_words(one: Found, said: str) -> None:
    assert said in render(one)


def test_a_generator_that_was_not_at_its_best_is_said() -> None:
    calm = found("at-least", "why not", rate_per_s=400.0, low_per_s=400.0)
    probes = [*calm.probes, make_probe(200, [0.0], generator="degraded"), make_probe(200, [0.0], exit_code=3)]
    assert "not at its best" not in render(calm)
    disturbed = msgspec.structs.replace(calm, probes=probes)
    assert "In 1 of 2 probes that count the generator was not at its best" in render(disturbed)


def test_hostile_words_do_no_harm() -> None:
    render(found("at-least", rate_per_s=1.0), f"GET /{'long' * 100}\x1b[31m: p99 < 5ms")
