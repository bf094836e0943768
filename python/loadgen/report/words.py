"""What errors, verdicts and doubts are called, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.errors import ExitCode
from loadgen.units import counted, format_count

if TYPE_CHECKING:
    from loadgen.result import Result

ERROR_WORDS = {
    "connect_refused": "connection refused",
    "name_not_resolved": "the name of the host has no address",
    "connect_timeout": "no connection within the timeout",
    "connect_failed": "connection failed",
    "no_descriptors": "no descriptor left on this machine",
    "no_ports": "no local port left on this machine",
    "reset": "connection reset",
    "closed": "closed before the response was complete",
    "timeout": "no complete response within the timeout",
    "bad_response": "not an HTTP response",
    "header_too_large": "the response's header is too large",
    "body_too_large": "the response's body is too large",
    "script_error": "an exception in the script",
    "tls_expired": "the certificate is expired, or not valid yet",
    "tls_wrong_name": "the certificate is for another name",
    "tls_untrusted": "nobody who is trusted vouches for the certificate",
    "tls_failed": "the TLS handshake failed",
    "proxy_failed": "the proxy refused, or is none",
    "protocol_error": "the peer broke the rules of HTTP/2 or 3, or does not speak it",
    "stream_reset": "the peer gave up the request",
    "goaway": "the peer gave up the connection before it looked at the request",
    "body_unreadable": "the file of the body has become shorter, or cannot be read",
    "breaker_open": "held back by the circuit breaker",
    "too_many_redirects": "redirected too often",
    "ws_refused": "the answer to the handshake was not 101",
    "ws_bad_handshake": "the handshake was accepted wrongly",
    "ws_protocol": "the peer broke the rules of WebSockets",
    "ws_bad_utf8": "the peer sent a text that is not UTF-8",
    "ws_too_large": "the peer sent a message above the limit",
    "ws_no_pong": "no pong within the timeout",
    "ws_close_timeout": "a close was not answered within the timeout",
    "ws_abnormal_close": "the connection ended without a close",
    "ws_closed": "the peer closed the socket",
    "rejected": "the script says that it failed",
}


_ENDINGS = {
    ExitCode.UNREACHABLE: "Failed: the target could not be reached",
    ExitCode.SCRIPT_FAILED: "Failed: the scenario's own errors stopped the run",
}


def headline(result: Result) -> str:
    """How the run ended, in a sentence or two."""
    asked = len(result.thresholds)
    missed = sum(one.passed is False for one in result.thresholds)
    unknown = sum(one.passed is None for one in result.thresholds)
    if result.exit_code in _ENDINGS:
        text = _ENDINGS[ExitCode(result.exit_code)]
    elif result.verdict == "invalid":
        limited = result.generator.verdict == "client-limited"
        text = "Invalid: the generator was the limit" if limited else "Invalid: the run is incomplete"
    elif missed:
        text = f"Failed: {format_count(missed)} of {counted(asked, 'threshold')} not met"
    elif result.verdict == "fail":
        text = "Failed"
    elif result.verdict == "no-data":
        text = f"No verdict: {counted(unknown, 'threshold')} without data" if unknown else "No verdict"
    else:
        text = "Passed: " + (f"{counted(asked, 'threshold')} met" if asked else "no threshold was set")
    if result.exit_code == ExitCode.INTERRUPTED:
        text = f"Interrupted. {text}"
    failed, whole, noun = result.requests.failed, result.requests.total, "request"
    if not failed and result.plan.counts_iterations and result.arrivals.failed:
        failed, whole, noun = result.arrivals.failed, result.arrivals.sent, "iteration"
    if not whole:
        return f"{text}. Nothing was sent."
    if not failed:
        return f"{text}. No request failed."
    many = "All" if failed == whole > 1 else f"{format_count(failed)} of"
    return f"{text}. {many} {counted(whole, noun)} failed."


def trust(result: Result) -> str:
    """Whether the numbers can be trusted, in a sentence."""
    generator = result.generator
    if result.verdict == "invalid" and generator.verdict != "client-limited":
        return "Do not rely on these numbers: the run is incomplete."
    return {
        "valid": "The numbers can be trusted: the generator kept up.",
        "degraded": "Read the numbers with care: the generator was not at its best.",
        "client-limited": "Do not rely on these numbers: the generator was the limit, not the target.",
    }[generator.verdict]


def changed_by_hand(result: Result) -> str | None:
    """That the load was another one than its plan's, where it was."""
    if not result.changes:
        return None
    first = f"{result.changes[0].at_s:.1f} s"
    when = f"at {first}" if len(result.changes) == 1 else f"{len(result.changes)} times from {first} on"
    return f"changed by hand {when}: this was not the load of the plan"
