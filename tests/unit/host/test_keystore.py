"""Secrets at rest: what opens them and what does not, who waits for whom, and what the bridge makes of them."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from pantau import keys, vault
from pantau.fleet.ca import Authority, expires
from pantau.fleet.keystore import Keystore, StoreError
from pantau.problems import ConfigError
from pantau.vault import Secret, VaultError

NOW = datetime(2027, 2, 1, tzinfo=UTC)


@pytest.fixture
def place(tmp_path):
    """A key store with the key of its vault beside it."""
    path = tmp_path / "keys.vault"
    vault.save_secret(tmp_path / "keys.secret", vault.new_secret())
    Keystore.create(path, vault.load_secret(tmp_path / "keys.secret"))
    return path


def test_what_is_enrolled_is_there_again_and_nowhere_in_the_clear(place):
    store = Keystore.open(place)
    made = store.enrol("flood-01", NOW, Authority.make("tangerang", NOW))
    assert Keystore.open(place).secrets("flood-01") == made == store.enrol("flood-01", NOW + timedelta(days=9))
    text = place.read_text()
    for secret in (made.key.hex(), made.mqtt_password, made.key_der.hex(), "flood-01"):
        assert secret not in text
    assert made.key.hex() not in repr(made) and made.mqtt_password not in f"{made} {store!r}"
    assert place.stat().st_mode & 0o777 == 0o600


def test_the_bridge_opens_it_unattended_beside_or_as_a_credential(place, tmp_path, monkeypatch):
    made = Keystore.open(place).enrol("flood-01", NOW)
    assert keys.load(place).find("flood-01", 0) == made.key
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (tmp_path / "keys.secret").rename(credentials / "keys.secret")
    with pytest.raises(ConfigError, match=r"keys\.secret: cannot be read"):
        keys.load(place)
    (credentials / "keys.secret").chmod(0o440)  # as systemd shows what an access list opens to one user
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert keys.load(place).find("flood-01", 0) == made.key
    (credentials / "keys.secret").rename(credentials / "pantau_keys.secret")  # as the unit that we ship loads a folder
    assert keys.load(place).find("flood-01", 0) == made.key
    (credentials / "pantau_keys.secret").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o600)
    with pytest.raises(ConfigError, match=r"keys\.secret: cannot be read"):
        keys.load(place)
    assert keys.load(place, tmp_path / "elsewhere").find("flood-01", 0) == made.key
    monkeypatch.setenv("PANTAU_KEYS_SECRET", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        keys.load(place)


def test_a_revoked_node_counts_for_nothing_and_its_id_is_not_given_again(place):
    store = Keystore.open(place)
    store.enrol("flood-01", NOW)
    store.revoke("flood-01", NOW)
    assert "flood-01" not in keys.load(place) and store.nodes == [] and "flood-01" not in store
    for again in (
        lambda: store.enrol("flood-01", NOW),
        lambda: store.revoke("flood-01", NOW),
        lambda: store.rotate("flood-01", NOW),
    ):
        with pytest.raises(StoreError, match="revoked on 2027-02-01"):
            again()


def test_a_rotation_keeps_both_keys_until_it_is_settled(place):
    store = Keystore.open(place)
    old = store.enrol("flood-01", NOW).key
    new = store.rotate("flood-01", NOW)
    assert (new.key_id, new.keys[0]) == (1, old) and new.key != old
    loaded = keys.load(place)
    assert loaded.find("flood-01", 0) == old and loaded.find("flood-01", 1) == new.key
    assert loaded.signing("flood-01") == (0, old) == store.keys().signing("flood-01")  # until the node has the other
    assert store.turning == {"flood-01": 1}
    with pytest.raises(StoreError, match="two keys already"):
        store.rotate("flood-01", NOW)
    store.settle("flood-01")
    assert keys.load(place).find("flood-01", 0) is None and store.turning == {}
    assert keys.load(place).signing("flood-01") == (1, new.key)
    for expected in (2, 3, 0):
        assert store.rotate("flood-01", NOW).key_id == expected
        store.settle("flood-01")


def test_an_export_opens_with_its_passphrase_and_merges_without_replacing(place, tmp_path):
    store = Keystore.open(place)
    for node in ("a", "b", "c"):
        store.enrol(node, NOW)
    phrase = Secret(passphrase="hujan deras di hulu")
    assert store.export(tmp_path / "laptop.vault", phrase, ["a", "b"]) == ["a", "b"]
    with pytest.raises(StoreError, match="there already"):
        store.export(tmp_path / "laptop.vault", phrase)
    with pytest.raises(VaultError, match="another passphrase"):
        Keystore.open(tmp_path / "laptop.vault", Secret(passphrase="lain"))
    with pytest.raises(VaultError, match="opens with a passphrase"):
        Keystore.open(tmp_path / "laptop.vault", vault.new_secret())
    laptop = Keystore.open(tmp_path / "laptop.vault", phrase)
    assert laptop.nodes == ["a", "b"]
    laptop.enrol("d", NOW)
    laptop.rotate("a", NOW)
    before = store.secrets("a")
    assert store.merge(laptop) == (["d"], ["a"])
    assert Keystore.open(place).nodes == ["a", "b", "c", "d"] and Keystore.open(place).secrets("a") == before


def test_every_changed_byte_is_a_vault_that_does_not_open():
    secret = vault.new_secret()
    data = vault.seal(b"water", secret)
    assert vault.unseal(data, secret, "x") == b"water"
    for at in range(len(data) - 1):
        for changed in (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], data[:at]):
            with pytest.raises(VaultError, match="x:"):
                vault.unseal(changed, secret, "x")
    with pytest.raises(VaultError, match="another key"):
        vault.unseal(data, vault.new_secret(), "x")


def test_a_vault_that_asks_for_endless_work_is_refused():
    data = vault.seal(b"x", Secret(passphrase="p"))
    head = json.loads(data.partition(b"\n")[0]) | {"n": 1 << 40}
    with pytest.raises(VaultError, match="damaged"):
        vault.unseal(
            json.dumps(head, separators=(",", ":")).encode() + b"\n" + data.partition(b"\n")[2],
            Secret(passphrase="p"),
            "x",
        )


def test_an_interrupted_write_leaves_the_old_store(place, monkeypatch):
    store = Keystore.open(place)
    store.enrol("flood-01", NOW)
    before = place.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(VaultError, match="No space left"):
        store.enrol("flood-02", NOW)
    assert place.read_bytes() == before and [p.name for p in place.parent.iterdir() if p.name.endswith(".new")] == []


def test_two_writers_lose_nothing(place):
    def enrol(prefix):
        store = Keystore.open(place)
        for k in range(10):
            store.enrol(f"{prefix}-{k}", NOW)

    threads = [threading.Thread(target=enrol, args=(prefix,)) for prefix in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Keystore.open(place).nodes) == 30


def test_bad_ids_and_strangers_are_told(place):
    store = Keystore.open(place)
    for node in ("", "Flood", "x" * 24, "a/b"):
        with pytest.raises(StoreError, match="no node id"):
            store.enrol(node, NOW)
    with pytest.raises(StoreError, match="enrol it first"):
        store.secrets("nobody")


def test_what_the_authority_issues_is_bound_to_name_use_and_time():
    authority = Authority.make("tangerang", NOW)
    again = Authority.load(authority.der, authority.key_der)
    node = again.client("flood-01", NOW)
    assert expires(node.certificate) == NOW + timedelta(days=5 * 365)
    assert node.key[:1] == b"\x30" and "flood-01" not in repr(authority)
    assert b"BEGIN X509 CRL" in again.revocations([(1, NOW)], NOW)
