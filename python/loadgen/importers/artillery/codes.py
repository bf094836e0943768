"""What Node calls what has gone wrong: under these codes Artillery counts it."""

from __future__ import annotations

_CODES = {
    "connect_refused": "ECONNREFUSED",
    "connect_timeout": "ETIMEDOUT",
    "timeout": "ETIMEDOUT",
    "reset": "ECONNRESET",
    "closed": "ECONNRESET",
    "name_not_resolved": "ENOTFOUND",
    "no_descriptors": "EMFILE",
    "no_ports": "EADDRNOTAVAIL",
    "tls_expired": "CERT_HAS_EXPIRED",
    "tls_wrong_name": "ERR_TLS_CERT_ALTNAME_INVALID",
    "tls_untrusted": "DEPTH_ZERO_SELF_SIGNED_CERT",
}


def node_code(kind: str) -> str:
    """`ECONNREFUSED` for `connect_refused`."""
    return _CODES.get(kind, f"E{kind.replace('_', '').upper()}")
