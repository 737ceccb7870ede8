from __future__ import annotations

import datetime as dt
import signal
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integration.bridge_env import BridgeProcess, Broker, free_port
from needs import need


def certify(folder, name, issuer=None):
    """Write <name>.pem and <name>.key; a CA without an issuer, else a certificate for `localhost`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(private)
    return certificate, key


@pytest.fixture
def broker(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    ca = certify(folder, "ca")
    certify(folder, "server", ca)
    certify(folder, "stranger")
    passwords = folder / "passwords"
    subprocess.run([need("mosquitto_passwd", "mosquitto"), "-b", "-c", str(passwords), "bridge", "secret"], check=True)
    made = Broker(
        folder,
        "listener {port} 127.0.0.1\n"
        f"certfile {folder}/server.pem\nkeyfile {folder}/server.key\nallow_anonymous false\npassword_file {passwords}\n",
    ).start()
    yield made
    made.stop()


def bridge_with(tmp_path, broker, mqtt, host="localhost", password="secret"):
    folder = tmp_path / f"bridge-{free_port()}"
    folder.mkdir()
    (folder / "password").write_text(password + "\n")
    (folder / "password").chmod(0o600)
    return BridgeProcess(folder, broker.port, f'user = "bridge"\npassword_file = "password"\n{mqtt}', host)


def test_tls_with_the_citys_ca_and_a_password(tmp_path, broker):
    bridge = bridge_with(tmp_path, broker, f'ca = "{broker.folder}/ca.pem"')
    try:
        assert bridge.call("bridge", "check").returncode == 0
        bridge.start().ready()
        # Ours here ends within the time of warning, and the operator hears of it.
        assert "certificate" in " ".join(bridge.until_health("the broker's certificate ends in"))
        assert 'pantau_certificate_expires_seconds{of="broker"}' in bridge.get("/metrics")
        assert bridge.stop() == 0
    finally:
        bridge.stop(signal.SIGKILL)


@pytest.mark.parametrize(
    "ca, host, password, mode, code, says",
    [
        ("stranger.pem", "localhost", "secret", 0o600, 3, "its certificate does not fit"),
        ("ca.pem", "127.0.0.1", "secret", 0o600, 3, "check [mqtt] ca and server_name"),
        ("ca.pem", "localhost", "wrong", 0o600, 3, "correct [mqtt] user and password_file"),
        ("none.pem", "localhost", "secret", 0o600, 2, "none.pem cannot be used"),
        ("ca.pem", "localhost", "secret", 0o644, 2, "chmod 600"),
    ],
)
def test_check_says_what_is_wrong_with_the_way_in(tmp_path, broker, ca, host, password, mode, code, says):
    bridge = bridge_with(tmp_path, broker, f'ca = "{broker.folder}/{ca}"', host, password)
    (bridge.folder / "password").chmod(mode)
    said = bridge.call("bridge", "check")
    assert says in said.stderr
    assert said.returncode == code


def test_plain_to_a_tls_port_and_tls_to_a_plain_port(tmp_path, broker):
    plain = bridge_with(tmp_path, broker, "tls = false\nlab_plain = true")
    assert plain.call("bridge", "check").returncode == 3
    folder = tmp_path / "other"
    folder.mkdir()
    other = Broker(folder).start()
    try:
        said = bridge_with(tmp_path, other, f'ca = "{broker.folder}/ca.pem"').call("bridge", "check")
        assert said.returncode == 3
        assert "is this its TLS port?" in said.stderr or "cannot be reached" in said.stderr
    finally:
        other.stop()
