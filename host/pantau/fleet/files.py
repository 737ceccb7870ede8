"""The folder of a fleet: what is in it, and how it is made and kept.

fleet.toml               the city and its broker, in the clear
ca.pem ca.der crl.pem    the authority's certificate for brokers and for nodes, and what it has revoked
ca.vault release-0.vault release-1.vault   the private keys of authority and releases, sealed by the operator's passphrase
trust.json               the public halves of both release keys, which every node gets
keys.vault keys.secret   the nodes' keys, and the key that opens them: the bridge has both, the broker neither
bridge.password          the bridge's and the operator's logins at the broker
broker/                  the broker's files, to be copied to its machine
"""

from __future__ import annotations

import json
import secrets
import shutil
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, ValidationError

from pantau import durable, vault
from pantau.fleet import release_keys
from pantau.fleet.brokers import BRIDGE, OPERATOR, Setup, permissions, writer
from pantau.fleet.ca import Authority, pem_of
from pantau.fleet.keystore import Keystore, StoreError
from pantau.problems import ConfigError, Problem, Table, explain
from pantau.tomlfile import read_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import rsa

    from pantau.vault import Secret

_PUBLIC, _PRIVATE = 0o644, 0o600
_PASSWORD_BYTES = 18
_TAKEN_ALONG = ("fleet.toml", "ca.pem", "ca.der", "crl.pem", "trust.json")  # by a technician


class FleetTable(Table):
    """fleet.toml."""

    city: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,16}$")]
    broker: Annotated[str, Field(pattern=r"^[a-z]+$")] = "mosquitto"
    hosts: Annotated[list[str], Field(min_length=1)]  # names and addresses of the broker, the first is what nodes dial
    certificates: bool = False
    folder: str = "/etc/mosquitto/pantau"  # of the broker's files, on its machine


class Fleet(NamedTuple):
    """A fleet's folder, read. `authority` is None until it is unsealed."""

    folder: Path
    table: FleetTable
    store: Keystore

    @property
    def trust(self) -> list[str]:
        """Return the moduli of the two release keys, hex."""
        return release_keys.trusted(self.folder)

    @property
    def ca_der(self) -> bytes:
        """Return the authority's certificate."""
        return (self.folder / "ca.der").read_bytes()

    def authority(self, secret: Secret) -> Authority:
        """Unseal the authority. Raises VaultError."""
        path = self.folder / "ca.vault"
        if not path.exists():
            raise StoreError(f"{path} is not here, so no certificate can be issued: enrol the node in the office")
        return Authority.load(self.ca_der, vault.read(path, secret))

    def release_key(self, index: int, secret: Secret) -> rsa.RSAPrivateKey:
        """Unseal a release key. Raises VaultError; StoreError for one that is kept elsewhere."""
        return release_keys.unseal(self.folder, index, secret)


def make(folder: Path, table: FleetTable, passphrase: Secret, now: datetime) -> Fleet:
    """Write a new fleet into `folder`, whole or not at all. StoreError where something is."""
    if folder.exists() and any(folder.iterdir()):
        what = "has a fleet already" if (folder / "fleet.toml").exists() else "is not empty"
        raise StoreError(f"{folder} {what} and is left as it is; name another folder")
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)  # what an interrupted start left: nobody was given any of it
    beside.mkdir(parents=True, mode=0o700)
    _fill(beside, table, passphrase, now)
    beside.replace(folder)
    durable.sync_folder(folder.parent)
    return load(folder)


def _fill(folder: Path, table: FleetTable, passphrase: Secret, now: datetime) -> None:
    authority = Authority.make(table.city, now)
    vault.write(folder / "ca.vault", authority.key_der, passphrase)
    durable.write(folder / "ca.pem", authority.pem.decode(), mode=_PUBLIC)
    (folder / "ca.der").write_bytes(authority.der)
    release_keys.make(folder, passphrase)
    secret = vault.new_secret()
    vault.save_secret(folder / "keys.secret", secret)
    store = Keystore.create(folder / "keys.vault", secret)
    logins = {user: secrets.token_urlsafe(_PASSWORD_BYTES) for user in (BRIDGE, OPERATOR)}
    for user, password in logins.items():
        durable.create(folder / f"{user}.password", password + "\n", mode=_PRIVATE)
    hosts = ", ".join(json.dumps(host) for host in table.hosts)
    text = (
        f'city = "{table.city}"\nbroker = "{table.broker}"\nhosts = [{hosts}]\n'
        f"certificates = {str(table.certificates).lower()}\nfolder = {json.dumps(table.folder)}\n"
    )
    durable.create(folder / "fleet.toml", text, mode=_PUBLIC)
    fleet = Fleet(folder, table, store)
    renew_server(fleet, authority, now)
    publish(fleet, authority, now)


def load(folder: Path, unlock: Callable[[], Secret] | None = None) -> Fleet:
    """Return the fleet in a folder; `unlock` is asked for the passphrase of a technician's copy. ConfigError lists what is wrong."""
    path = folder / "fleet.toml"
    try:
        table = FleetTable.model_validate(read_toml(path))
    except ValidationError as error:
        raise ConfigError(explain(path, FleetTable, error.errors())) from None
    store = folder / "keys.vault"
    if vault.by_passphrase(store):
        if unlock is None:
            raise ConfigError([Problem(str(store), "", "is a technician's copy, which opens with its passphrase only")])
        return Fleet(folder, table, Keystore.open(store, unlock()))
    return Fleet(folder, table, Keystore.open(store))


def copy(fleet: Fleet, folder: Path, secret: Secret, nodes: Iterable[str]) -> list[str]:
    """Write what a technician needs into a new folder, whole or not at all: these nodes, what is public, no other secret; return the nodes."""
    if folder.exists():
        raise StoreError(f"{folder} is there already and is left as it is; name another folder")
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True, mode=0o700)
    for name in _TAKEN_ALONG:
        shutil.copy2(fleet.folder / name, beside / name)
    written = fleet.store.export(beside / "keys.vault", secret, nodes)
    beside.replace(folder)
    durable.sync_folder(folder.parent)
    return written


def renew_server(fleet: Fleet, authority: Authority, now: datetime) -> None:
    """Issue the broker a certificate, and the bridge one of its own where clients show one."""
    here = fleet.folder / "broker"
    here.mkdir(exist_ok=True, mode=0o700)
    for name, issued in (
        ("server", authority.server(fleet.table.hosts, now)),
        ("bridge", authority.client(BRIDGE, now)),
        ("operator", authority.client(OPERATOR, now)),
    ):
        certificate, key = pem_of(issued)
        place = here if name == "server" else fleet.folder
        durable.write(place / f"{name}.pem", certificate.decode(), mode=_PUBLIC)
        durable.write(place / f"{name}.key", key.decode(), mode=_PRIVATE)


def publish(fleet: Fleet, authority: Authority | None, now: datetime) -> list[str]:
    """Write the broker's files for the nodes of now; the list of what is revoked is renewed with an authority. Return their names.

    In a technician's copy there are none, and none are written: they are made where the copy is imported.
    """
    if not (fleet.folder / f"{BRIDGE}.password").exists():
        return []
    here = fleet.folder / "broker"
    here.mkdir(exist_ok=True, mode=0o700)
    nodes = fleet.store.nodes
    logins = {
        user: (fleet.folder / f"{user}.password").read_text(encoding="ascii").strip() for user in (BRIDGE, OPERATOR)
    }
    passwords = {**logins, **{node: fleet.store.secrets(node).mqtt_password for node in nodes}}
    setup = Setup(
        fleet.table.city, fleet.table.folder, permissions(fleet.table.city, nodes), passwords, fleet.table.certificates
    )
    files = writer(fleet.table.broker).files(setup)
    if authority is not None:
        crl = authority.revocations(
            [(number, datetime.fromisoformat(since)) for number, since in fleet.store.withdrawn], now
        )
        durable.write(fleet.folder / "crl.pem", crl.decode(), mode=_PUBLIC)
    for name in ("ca.pem", "crl.pem"):
        files[name] = (fleet.folder / name).read_text(encoding="ascii")
    for name, text in files.items():
        durable.write(here / name, text, mode=_PRIVATE)
    return sorted([*files, "server.pem", "server.key"])
