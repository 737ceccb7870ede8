"""A fleet's folder: made whole or not at all, what is in it, what leaves it, and what its commands say."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from needs import need
from pantau.cli import pantau
from pantau.fleet import files, release_keys
from pantau.fleet.brokers import BRIDGE, OPERATOR, mosquitto, permissions
from pantau.fleet.ca import serial
from pantau.fleet.keystore import StoreError
from pantau.fleet.turning import signing
from pantau.model import StoredFrame
from pantau.problems import ConfigError
from pantau.vault import Secret, VaultError
from pantau_wire import topics
from unit.host import bridge_kit as kit
from unit.host import release_pair

NOW = datetime(2027, 2, 1, tzinfo=UTC)
PHRASE = Secret(passphrase="empat kata yang panjang")


@pytest.fixture(autouse=True)
def known_keys():
    with release_pair.known():
        yield


@pytest.fixture
def fleet(tmp_path):
    table = files.FleetTable(city="tng", hosts=["mqtt.kota.example", "10.0.0.2"])
    return files.make(tmp_path / "fleet", table, PHRASE, NOW)


def command(*words, phrase=None, code=0):
    done = CliRunner().invoke(
        pantau, ["fleet", *map(str, words)], env={"PANTAU_FLEET_PASSPHRASE_FILE": str(phrase) if phrase else None}
    )
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def phrase(tmp_path):
    path = tmp_path / "phrase"
    path.write_text(PHRASE.passphrase + "\n")
    path.chmod(0o600)
    return path


def test_a_folder_is_private_and_nothing_secret_in_it_is_in_the_clear(fleet):
    assert fleet.folder.stat().st_mode & 0o777 == 0o700
    authority = fleet.authority(PHRASE)
    open_to_all = {path.name for path in fleet.folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077}
    assert open_to_all <= {
        "fleet.toml",
        "ca.pem",
        "ca.der",
        "crl.pem",
        "trust.json",
        "bridge.pem",
        "operator.pem",
        "server.pem",
    }
    private = [authority.key_der, *(key.private_numbers().p.to_bytes(192, "big") for key in release_pair.pair())]
    for path in fleet.folder.rglob("*"):
        assert not path.is_file() or not any(secret in path.read_bytes() for secret in private), path
    with pytest.raises(VaultError, match="another passphrase"):
        fleet.authority(Secret(passphrase="lain"))


def test_an_interrupted_start_leaves_no_fleet_and_is_begun_anew(tmp_path, monkeypatch):
    table = files.FleetTable(city="tng", hosts=["h"])
    with monkeypatch.context() as broken:
        broken.setattr(files, "publish", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            files.make(tmp_path / "fleet", table, PHRASE, NOW)
    assert not (tmp_path / "fleet").exists()
    files.make(tmp_path / "fleet", table, PHRASE, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["fleet"]
    with pytest.raises(StoreError, match="has a fleet already"):
        files.make(tmp_path / "fleet", table, PHRASE, NOW)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").touch()
    with pytest.raises(StoreError, match="is not empty"):
        files.make(tmp_path / "other", table, PHRASE, NOW)


def test_the_brokers_certificate_carries_all_its_names(fleet):
    made = x509.load_pem_x509_certificate((fleet.folder / "broker" / "server.pem").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mqtt.kota.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.2"]
    made.verify_directly_issued_by(x509.load_der_x509_certificate(fleet.ca_der))


def test_openssl_takes_the_chain_and_refuses_what_is_revoked(fleet, tmp_path):
    openssl = need("openssl", "openssl")
    authority = fleet.authority(PHRASE)
    for node in ("flood-01", "flood-02"):
        der = fleet.store.enrol(node, NOW, authority).cert_der
        (tmp_path / f"{node}.pem").write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    fleet.store.revoke("flood-02", NOW)
    files.publish(fleet, authority, NOW)

    def verdict(node):
        words = [
            openssl,
            "verify",
            "-attime",
            str(int(NOW.timestamp()) + 60),
            "-crl_check",
            "-CAfile",
            fleet.folder / "ca.pem",
            "-CRLfile",
            fleet.folder / "crl.pem",
        ]
        return subprocess.run([*words, tmp_path / f"{node}.pem"], capture_output=True, text=True, check=False)

    assert verdict("flood-01").returncode == 0, verdict("flood-01").stderr
    assert "revoked" in verdict("flood-02").stderr


def test_a_certificate_that_was_replaced_is_withdrawn_once_its_rotation_is_settled(fleet):
    authority, store = fleet.authority(PHRASE), fleet.store
    first = serial(store.enrol("flood-01", NOW, authority).cert_der)
    second = serial(store.rotate("flood-01", NOW, authority).cert_der)
    assert store.withdrawn == []  # the node may not have the new one
    store.settle("flood-01")
    assert [number for number, _ in store.withdrawn] == [first]
    third = serial(store.enrol("flood-01", NOW, authority, anew=True).cert_der)
    assert [number for number, _ in store.withdrawn] == [first, second]
    store.revoke("flood-01", NOW)
    files.publish(fleet, authority, NOW)
    crl = x509.load_pem_x509_crl((fleet.folder / "broker" / "crl.pem").read_bytes())
    assert {entry.serial_number for entry in crl} == {first, second, third}
    # A list that ran out would shut out everybody.
    assert crl.next_update_utc is not None and crl.next_update_utc > NOW + timedelta(days=20 * 365)


def test_changes_together_are_all_there_or_none(fleet):
    with fleet.store.together():
        for number in range(3):
            fleet.store.enrol(f"flood-{number}", NOW)
    before = (fleet.folder / "keys.vault").read_bytes()

    def twice():
        with fleet.store.together():
            fleet.store.revoke("flood-0", NOW)
            fleet.store.revoke("flood-0", NOW)

    with pytest.raises(StoreError, match="revoked on"):
        twice()
    assert (fleet.folder / "keys.vault").read_bytes() == before
    assert fleet.store.nodes == files.load(fleet.folder).store.nodes == ["flood-0", "flood-1", "flood-2"]


def test_users_of_the_broker_are_no_nodes(fleet, tmp_path):
    for name in (BRIDGE, OPERATOR):
        with pytest.raises(StoreError, match="beside the nodes"):
            fleet.store.enrol(name, NOW)


def test_everybody_has_lines_of_their_own_and_nobody_a_pattern_but_bridge_and_operator():
    found = {one.user: one for one in permissions("tng", ["flood-01", "flood-02"])}
    for node in ("flood-01", "flood-02"):
        assert found[node].publish == tuple(topics.topic("tng", node, what) for what in ("up", "res", "will"))
        assert found[node].subscribe == tuple(topics.topic("tng", node, what) for what in ("ack", "cmd"))
        assert not any("+" in topic or "#" in topic for topic in found[node].publish + found[node].subscribe)
    assert found[OPERATOR].publish == ()
    assert not any("#" in topic for one in found.values() for topic in one.publish + one.subscribe)


def test_a_password_is_hashed_as_mosquitto_passwd_does(tmp_path):
    path = tmp_path / "passwd"
    subprocess.run([need("mosquitto_passwd", "mosquitto"), "-b", "-c", str(path), "x", "kata sandi"], check=True)
    line = path.read_text().strip().partition(":")[2]
    _, kind, rounds, salt, digest = line.split("$")
    assert (kind, int(rounds)) == ("7", mosquitto._ROUNDS)
    assert mosquitto.hashed("kata sandi", b64decode(salt)) == line
    assert len(b64decode(digest)) == hashlib.sha512().digest_size


def test_a_release_key_leaves_whole_or_stays(fleet, tmp_path, monkeypatch):
    stick = tmp_path / "stick"
    stick.mkdir()
    with monkeypatch.context() as full:
        full.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            release_keys.take_away(fleet.folder, 1, stick / "one")
    assert release_keys.place(fleet.folder, 1).exists() and not (stick / "one").exists()
    said = json.loads(command("keys", "-d", fleet.folder, "--take-away", 1, stick / "one", "--json"))
    assert said["release_keys"] == {"0": True, "1": False}
    with pytest.raises(StoreError, match="kept off-line"):
        fleet.release_key(1, PHRASE)
    assert "nothing can be signed" in command("keys", "-d", fleet.folder, "--take-away", 0, stick / "two", code=1)
    shutil.copy(stick / "one", release_keys.place(fleet.folder, 1))
    assert fleet.release_key(1, PHRASE).public_key() == release_pair.pair()[1].public_key()
    shutil.copy(release_keys.place(fleet.folder, 0), release_keys.place(fleet.folder, 1))
    with pytest.raises(StoreError, match="no release key of this fleet"):
        fleet.release_key(1, PHRASE)


def test_what_a_fleet_holds_is_listed_without_a_secret(fleet, phrase):
    command("enrol", "-d", fleet.folder, "flood-01", "flood-02", "air-03", phrase=phrase)
    command("rotate", "-d", fleet.folder, "flood-02")
    command("revoke", "-d", fleet.folder, "air-03")
    said = command("keys", "-d", fleet.folder)
    assert "broker      until 2029-05-" in said and "both are here" in said
    assert "not settled flood-02" in said and "revoked     air-03" in said
    found = json.loads(command("keys", "-d", fleet.folder, "--json"))
    assert found["nodes"] == ["flood-01", "flood-02"] and found["turning"] == {"flood-02": 1}
    store = files.load(fleet.folder).store
    secrets = [store.secrets(node) for node in ("flood-01", "flood-02")]
    assert not any(one.mqtt_password in said or one.key.hex() in said for one in secrets)


def test_a_technicians_folder_has_the_nodes_named_and_no_other_secret_and_comes_back(fleet, phrase, tmp_path):
    place, laptop = fleet.folder, tmp_path / "laptop"
    command("enrol", "-d", place, "flood-01", "flood-02", phrase=phrase)
    said = json.loads(command("export", "-d", place, laptop, "--laptop", "--node", "flood-01", "--json", phrase=phrase))
    assert said["nodes"] == ["flood-01"]
    assert {path.name for path in laptop.iterdir()} == {*files._TAKEN_ALONG, "keys.vault"}
    assert "there already" in command("export", "-d", place, laptop, "--laptop", phrase=phrase, code=1)
    with pytest.raises(ConfigError, match="technician's copy"):
        files.load(laptop)
    copied = files.load(laptop, lambda: PHRASE)
    assert copied.store.nodes == ["flood-01"] and copied.trust == fleet.trust and copied.ca_der == fleet.ca_der
    with pytest.raises(StoreError, match="enrol the node in the office"):
        copied.authority(PHRASE)
    command("enrol", "-d", laptop, "flood-03", phrase=phrase)
    assert not (laptop / "broker").exists()
    assert "1 nodes are new here: flood-03" in command("import", "-d", place, laptop, phrase=phrase)
    assert "user flood-03" in (place / "broker" / "acl").read_text()


def test_a_folder_that_is_no_fleet_or_damaged_is_told(fleet, tmp_path):
    assert "fleet.toml: cannot be read" in command("keys", "-d", tmp_path / "nowhere", code=2)
    text = (fleet.folder / "fleet.toml").read_text()
    (fleet.folder / "fleet.toml").write_text(text.replace("hosts", "host"))
    assert "did you mean hosts?" in command("keys", "-d", fleet.folder, code=2)
    (fleet.folder / "fleet.toml").write_text(text)
    store = fleet.folder / "keys.vault"
    store.write_bytes(store.read_bytes()[:-9])
    assert "keys.vault" in command("keys", "-d", fleet.folder, code=2)


@pytest.mark.parametrize(
    "mode, text, says", [(0o644, "empat kata yang panjang", "chmod 600"), (0o600, "pendek", "at least")]
)
def test_a_passphrase_is_private_and_long(tmp_path, mode, text, says):
    path = tmp_path / "phrase"
    path.write_text(text)
    path.chmod(mode)
    said = command("init", tmp_path / "f", "--city", "tng", "--host", "h", phrase=path, code=2)
    assert says in said and not (tmp_path / "f").exists() and text not in said


class Log:
    """The newest frames of a log, read in steps."""

    def __init__(self, payloads):
        self.frames = [StoredFrame(at, node, 1, at, 0, payload) for at, (node, payload) in enumerate(payloads, start=1)]

    def last_id(self):
        return len(self.frames)

    def read(self, after, limit):
        return self.frames[after : after + limit]


def test_the_newest_frame_says_which_key_a_node_signs_with(monkeypatch):
    monkeypatch.setattr("pantau.fleet.turning._STEP", 2)
    old, new = kit.records(1), kit.records(2, key_id=1)
    log = Log([("a", old), ("b", old), ("a", new), ("c", old), ("a", new), ("b", old)])
    assert signing(log, {"a", "b", "d"}) == {"a": 1, "b": 0}
    assert signing(log, {"a", "c"}, most=2) == {"a": 1}
    assert signing(Log([]), {"a"}) == {}
