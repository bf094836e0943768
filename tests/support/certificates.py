"""A certificate authority for the tests, and what it signs: right, expired, for another name, for clients."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

HERE = ("localhost", "127.0.0.1", "::1")
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate with its chain, and its key, in PEM files."""

    certificate: Path
    key: Path

    def server_context(self, *alpn: str) -> ssl.SSLContext:
        """For a server that shows this certificate and speaks these protocols."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


class Certificates:
    """Each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.authority = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.authority)

    @cached_property
    def good(self) -> Leaf:
        return self._write("good", self._authority.issue_cert(*HERE))

    @cached_property
    def expired(self) -> Leaf:
        leaf = self._authority.issue_cert(*HERE, not_before=NOW - 2 * DAY, not_after=NOW - DAY)
        return self._write("expired", leaf)

    @cached_property
    def not_yet_valid(self) -> Leaf:
        leaf = self._authority.issue_cert(*HERE, not_before=NOW + DAY, not_after=NOW + 2 * DAY)
        return self._write("not-yet-valid", leaf)

    @cached_property
    def other_name(self) -> Leaf:
        return self._write("other-name", self._authority.issue_cert("elsewhere.example"))

    @cached_property
    def stranger(self) -> Leaf:
        """Signed by an authority that nobody has heard of."""
        return self._write("stranger", trustme.CA().issue_cert(*HERE))

    @cached_property
    def client(self) -> Leaf:
        return self._write("client", self._authority.issue_cert("client@test.example"))

    @cached_property
    def self_signed(self) -> Leaf:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        leaf = self._leaf("self-signed")
        leaf.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        leaf.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return leaf

    def _leaf(self, name: str) -> Leaf:
        return Leaf(self._folder / f"{name}.pem", self._folder / f"{name}-key.pem")

    def _write(self, name: str, made: trustme.LeafCert) -> Leaf:
        leaf = self._leaf(name)
        leaf.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        made.private_key_pem.write_to_path(leaf.key)
        return leaf
