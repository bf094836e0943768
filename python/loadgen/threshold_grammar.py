"""How thresholds are written: `[LABEL:] METRIC OP VALUE [over WINDOW] [after DELAY] [abort]`. It judges none.

    METRIC                                             VALUE
    [KIND.]p50 p99 p99.9 p999 mean min max             a duration with its unit: 250ms
    errors, errors.KIND                                a share, 1%, or a count, 10
    requests ok dropped cancelled unfinished           a count
    rate                                               requests sent per second: 500/s
    burn(OBJECTIVE)                                    a number, 10: how many times faster than the objective
                                                       allows the error budget is spent
    budget(OBJECTIVE)                                  a share, 100%: how much of it was spent

        burn = errors / requests / (1 - OBJECTIVE)     OBJECTIVE is the share of answers to be ok: 99.9%

KIND is response (the default), service, lateness, connect, send, first_byte, receive or connection_wait.

Of a script's run also:

    checks, check(NAME)                                the share of checks that passed, of all or one: 99%
    NAME                                               a counter's sum, what a gauge showed last: 100; the
                                                       share of a rate: 95%
    NAME: p95, mean, min, max; sum, count, last        a trend's statistics, a gauge's, a counter's: 20

There LABEL is a request's template (`GET /items/{id}`), an operation, a group or a scenario: its iterations.

    over WINDOW     judged on every window of that length, sliding by the second: the worst one counts
    after DELAY     what was recorded in the first DELAY of the run does not count
    abort           judged every second as well; where it fails, it ends the run
"""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches

from loadgen.error_kinds import ERROR_WORDS
from loadgen.percentile import percent_of
from loadgen.thresholds import COUNTS, Scale, Threshold, is_check, is_count
from loadgen.units import parse_count, parse_duration_ns, parse_rate, quoted

KINDS = ("response", "service", "lateness", "connect", "send", "first_byte", "receive", "connection_wait")
_EXPRESSION = re.compile(
    r"(?:(?P<label>.+):)?\s*(?P<metric>check\(.+\)|(?:burn|budget)\([^()]*\)|[\w.-]+)"
    r"\s*(?P<op><=|>=|<|>)\s*(?P<value>[^\s<>=]+(?:\s+%)?)"
    r"(?:\s+over\s+(?P<over>\S+))?(?:\s+after\s+(?P<after>\S+))?(?P<abort>\s+abort)?"
)
_STATISTICS = ("mean", "min", "max")
# What a script's own metric has besides, by its name as a label.
_OF_METRIC = ("sum", "count", "last", "share")
_EXAMPLE = 'expected METRIC OP VALUE such as "p99 < 250ms" or "errors < 1%"'
_ORDER = "and after it, in this order: over WINDOW, after DELAY, abort"
_SECOND_NS = 1_000_000_000


def parse_threshold(text: str, *, scripted: bool = False) -> Threshold:
    """Read an expression. Errors say what was expected. A script has metrics of its own, by any name."""
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        order = f", {_ORDER}" if re.search(r"\b(over|after|abort)\b", text) else ""
        raise ValueError(f"{_EXAMPLE}{order}, got {quoted(text)}")
    over_ns = _window_ns(match["over"]) if match["over"] else 0
    after_ns = parse_duration_ns(match["after"]) if match["after"] else 0
    label = match["label"].strip() if match["label"] else None
    allowed = 1.0
    if match["metric"].startswith(("burn(", "budget(")):
        metric, limit, scale, allowed = _of_budget(match["metric"], match["value"], windows=over_ns > 0)
    elif scripted and (of_script := _of_script(label, match["metric"], match["value"])) is not None:
        metric, limit, scale = of_script
    else:
        metric, limit, scale = _metric(match["metric"], match["value"])
    abort = match["abort"] is not None
    expression = " ".join(text.split())
    found = Threshold(expression, label, metric, match["op"], limit, scale, over_ns, after_ns, abort, allowed)
    if abort and found.may_still_hold():
        raise ValueError(
            f"{metric} only grows, so {quoted(text)} would end every run at its first second: "
            'leave "abort" out'
        )
    return found


def _window_ns(text: str) -> int:
    length_ns = parse_duration_ns(text)
    if length_ns == 0 or length_ns % _SECOND_NS:
        raise ValueError(f'over: expected whole seconds such as "30s", got {quoted(text)}')
    return length_ns


def _of_budget(metric: str, value: str, *, windows: bool) -> tuple[str, float, Scale, float]:
    """Of errors, as a multiple of the share of them that an objective allows."""
    name, _, objective = metric.removesuffix(")").partition("(")
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", objective, re.ASCII)
    if match is None or not 0 < Decimal(match[1]) < 100:
        raise ValueError(f'{name}: expected an objective such as "{name}(99.9%)", got {quoted(metric)}')
    allowed = float((100 - Decimal(match[1])) / 100)
    number, share = _plain_number(value), _share(value)
    if name == "burn":
        if number is None or number < 0:
            raise ValueError(f'burn: expected a number such as "10", got {quoted(value)}')
        return "errors", number, "number", allowed
    if share is None:
        raise ValueError(f'budget: expected a share such as "100%", got {quoted(value)}')
    if windows:
        raise ValueError('the budget is that of the whole run: leave "over" out, or ask for its "burn"')
    return "errors", share, "share", allowed


def _of_script(label: str | None, metric: str, value: str) -> tuple[str, float, Scale] | None:
    """What only a script's run has; None for what any run has."""
    if is_check(metric):
        if label is not None:
            raise ValueError(f"{metric}: checks belong to no label: leave {quoted(label)} out")
        share = _share(value)
        if share is None:
            raise ValueError(f'{metric}: expected a share such as "99%", got {quoted(value)}')
        return metric, share, "share"
    if metric == "rate" or is_count(metric):
        return None
    statistic = _latency(metric)
    number, share = _plain_number(value), _share(value)
    if label is None:
        # Alone, p95 and the like are of the response time.
        if statistic is not None or (number is None and share is None):
            return None
        return (metric, share, "share") if share is not None else (metric, number or 0.0, "number")
    if metric in _OF_METRIC or statistic == ("response", metric):
        if share is not None:
            return metric, share, "share"
        if number is not None:
            return metric, number, "number"
    return None


def _share(value: str) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value)
    return float(match[1]) / 100 if match else None


def _plain_number(value: str) -> float | None:
    return float(value) if re.fullmatch(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", value, re.ASCII) else None


def _latency(metric: str) -> tuple[str, str] | None:
    """(kind, statistic) where it is a latency's."""
    kind, dot, statistic = metric.partition(".")
    if not dot or kind not in KINDS:
        kind, statistic = "response", metric
    if statistic not in _STATISTICS:
        try:
            percent_of(statistic)
        except ValueError:
            return None
    return kind, statistic


def _unknown_error(kind: str) -> str:
    near = get_close_matches(kind, ERROR_WORDS, n=1)
    meant = f', did you mean "{near[0]}"?' if near else f": there are {', '.join(ERROR_WORDS)}"
    return f"no error is called {quoted(kind)}{meant}"


def _metric(metric: str, value: str) -> tuple[str, float, Scale]:
    if metric == "rate":
        return metric, parse_rate(value), "per_second"
    if metric in COUNTS:
        return metric, parse_count(value, at_least=0), "count"
    if metric.startswith("errors.") and not is_count(metric):
        raise ValueError(_unknown_error(metric.removeprefix("errors.")))
    if is_count(metric):
        share = _share(value)
        if share is not None:
            return metric, share, "share"
        if not value.isdecimal():
            raise ValueError(
                f'{metric}: expected a share such as "1%" or a count such as "10", got {quoted(value)}'
            )
        return metric, int(value), "count"
    latency = _latency(metric)
    if latency is None:
        raise ValueError(
            f"{quoted(metric)} is not a metric: expected p50 to p99.99, mean, min or max "
            f"(of {', '.join(KINDS)}), errors, rate, {', '.join(COUNTS)}, burn(99.9%), budget(99.9%)"
        )
    if re.fullmatch(r"[\d.]+", value):
        # Elsewhere a plain number is seconds; here people would mean milliseconds as often as not.
        raise ValueError(f'{metric}: expected a duration with its unit such as "250ms", got {quoted(value)}')
    return ".".join(latency), parse_duration_ns(value) / 1e6, "ms"
