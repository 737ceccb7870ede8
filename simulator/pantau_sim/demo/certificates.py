"""A throw-away certificate authority and what it issues for loopback (X.509, ECDSA P-256)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

SERVER_NAME = "localhost"
LIFETIME = timedelta(days=90)  # beyond what the bridge warns of (pantau.fleet.ca.WARN_DAYS)
_SLACK = timedelta(hours=1)


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, since: timedelta) -> x509.CertificateBuilder:
    start = datetime.now(UTC) + since
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFETIME)
    )


class Authority:
    """Issues certificates as long as it lives: its key is never written. since: start of its validity, from now."""

    def __init__(self, since: timedelta = -_SLACK) -> None:
        self._name = "Pantau demo CA"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (
            _builder(self._name, self._name, self._key, since)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, SHA256())
        )

    def issue(self, subject: str, since: timedelta = -_SLACK) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Return certificate and key for a host name (loopback's addresses too) or a node id."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(subject), x509.IPAddress(IPv4Address("127.0.0.1"))])
        made = _builder(subject, self._name, key, since).add_extension(names, critical=False)
        return made.sign(self._key, SHA256()), key

    def write(self, folder: Path, since: timedelta = -_SLACK) -> None:
        """Write ca.pem and ca.der (for nodes), server.pem and server.key (mode 0600) into folder."""
        (folder / "ca.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        (folder / "ca.der").write_bytes(self.certificate.public_bytes(Encoding.DER))
        server, key = self.issue(SERVER_NAME, since)
        (folder / "server.pem").write_bytes(server.public_bytes(Encoding.PEM))
        private = folder / "server.key"
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def make(folder: Path) -> None:
    """Write the certificates of a new authority into folder: ca.pem, ca.der, server.pem and server.key (mode 0600)."""
    Authority().write(folder)
