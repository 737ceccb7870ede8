"""The city's own certificate authority: X.509, ECDSA P-256, for the broker, the bridge and every node.

Nodes keep the CA's certificate for as long as they live, so it is a long one; what it issues is renewed, and what is revoked is on its list.
Certificates begin a day early: a node's clock may be hours off.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

CA_DAYS = 30 * 365
NODE_DAYS = 5 * 365
SERVER_DAYS = 825  # what common TLS libraries accept of a server at most
CRL_DAYS = CA_DAYS  # it is replaced at each revocation; one that ran out would shut out everybody
WARN_DAYS = 45
_EARLY = timedelta(days=1)
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Issued(NamedTuple):
    """A certificate and its private key, both DER; the key as SEC 1 wraps it, which a node's TLS reads."""

    certificate: bytes
    key: bytes


class Authority:
    """Issues and revokes. `now` is UTC."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate, self._key = certificate, key

    def __repr__(self) -> str:
        return f"<Authority {self.certificate.subject.rfc4514_string()}>"

    @classmethod
    def make(cls, city: str, now: datetime) -> Authority:
        """Return a new authority of a city."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Pantau {city} CA")
        made = _builder(name, name, key.public_key(), now, CA_DAYS)
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(made.add_extension(usage, critical=True).sign(key, SHA256()), key)

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Authority:
        """Return the authority of a certificate and its private key, both DER. Raises ValueError."""
        private = load_der_private_key(key, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("the CA's key is not one of P-256")  # noqa: TRY004  as bad as no key
        return cls(x509.load_der_x509_certificate(certificate), private)

    @property
    def key_der(self) -> bytes:
        """Return the private key: for a vault only."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def der(self) -> bytes:
        """Return the certificate, as nodes keep it."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """Return the certificate, as brokers read it."""
        return self.certificate.public_bytes(Encoding.PEM)

    def client(self, name: str, now: datetime, days: int = NODE_DAYS) -> Issued:
        """Return a certificate for a client of the broker; its CN is the MQTT user."""
        return self._issue(name, [], _CLIENT, now, days)

    def server(self, hosts: Iterable[str], now: datetime, days: int = SERVER_DAYS) -> Issued:
        """Return a certificate for the broker under all its names and addresses, the first of which is its CN."""
        names = list(hosts)
        return self._issue(names[0], names, _SERVER, now, days)

    def revocations(self, serials: Iterable[tuple[int, datetime]], now: datetime) -> bytes:
        """Return the list of revoked certificates, PEM."""
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - _EARLY)
            .next_update(now + timedelta(days=CRL_DAYS))
        )
        for serial, since in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
            made = made.add_revoked_certificate(entry)
        return made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def _issue(self, name: str, hosts: list[str], use: x509.ObjectIdentifier, now: datetime, days: int) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(_name(name), self.certificate.subject, key.public_key(), now, days)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        made = made.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        if hosts:
            made = made.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        der = made.sign(self._key, SHA256()).public_bytes(Encoding.DER)
        return Issued(der, key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()))


def pem_of(issued: Issued) -> tuple[bytes, bytes]:
    """Return certificate and key in PEM."""
    key = load_der_private_key(issued.key, None)
    certificate = x509.load_der_x509_certificate(issued.certificate)
    return certificate.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def expires(der: bytes) -> datetime:
    """Return until when a certificate is valid, UTC. Raises ValueError."""
    return x509.load_der_x509_certificate(der).not_valid_after_utc


def serial(der: bytes) -> int:
    """Return a certificate's serial number. Raises ValueError."""
    return x509.load_der_x509_certificate(der).serial_number


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _EARLY)
        .not_valid_after(now.astimezone(UTC) + timedelta(days=days))
    )
