"""The key store of a fleet: what every node was given, encrypted at rest. The bridge reads it; technicians and operators write it.

A node's signing keys have ids 0 to 3. A rotation adds the next id beside the one in use. The bridge accepts both and goes on signing with
the old one, for a node that has not been given the new one yet must still believe its acknowledgements; the node is given both and signs
with the new one. Once it does, the rotation is settled and the old key counts for nothing. A revoked node stays in the store, so that
its id is not given to another, and its keys count for nothing.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from pantau import vault
from pantau.fleet.brokers import BRIDGE, OPERATOR
from pantau.fleet.ca import serial
from pantau.keys import Enrolled, Keys, StoreFile
from pantau.problems import explain
from pantau.vault import VaultError
from pantau_wire.topics import valid_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from pantau.fleet.ca import Authority
    from pantau.vault import Secret

KEY_BYTES = 32
_KEY_IDS = 4
_TAKEN = frozenset({BRIDGE, OPERATOR})  # users of the broker beside the nodes
_PASSWORD_BYTES = 18  # 144 bits


class StoreError(Exception):
    """What was asked of the key store cannot be; says why and what to do."""


class Secrets(NamedTuple):
    """What one node is given. `keys` by id, `key_id` the one that it signs with; certificate and key DER, b"" without one."""

    node: str
    keys: dict[int, bytes]
    key_id: int
    mqtt_password: str
    cert_der: bytes
    key_der: bytes
    made: str

    def __repr__(self) -> str:
        return f"<Secrets of {self.node}>"

    @property
    def key(self) -> bytes:
        """Return the key that the node signs with."""
        return self.keys[self.key_id]


class Keystore:
    """One file, opened. Each change reads, changes and writes it while others wait."""

    def __init__(self, path: Path, secret: Secret) -> None:
        """Use `open` or `create`."""
        self.path, self._secret = path, secret
        self._file = StoreFile()
        self._together = False

    def __repr__(self) -> str:
        return f"<Keystore {self.path}>"

    @classmethod
    def create(cls, path: Path, secret: Secret) -> Keystore:
        """Make an empty store; StoreError where there is one, or anything else."""
        if path.exists():
            raise StoreError(f"{path} is there already and is left as it is")
        store = cls(path, secret)
        store._save()
        return store

    @classmethod
    def open(cls, path: Path, secret: Secret | None = None) -> Keystore:
        """Open a store, with the key that vault.secret_file finds where none is given. Raises VaultError."""
        store = cls(path, secret or vault.load_secret(vault.secret_file(path)))
        store._read()
        return store

    @property
    def nodes(self) -> list[str]:
        """Return every node that is enrolled and not revoked, in order."""
        return sorted(node for node, entry in self._file.nodes.items() if not entry.revoked)

    @property
    def revoked(self) -> dict[str, str]:
        """Return {node: since when} of those that are out."""
        return {node: entry.revoked for node, entry in sorted(self._file.nodes.items()) if entry.revoked}

    @property
    def withdrawn(self) -> list[tuple[int, str]]:
        """Return (serial number, since when) of every certificate that counts no more: of nodes that are out, and replaced ones.

        One that was replaced still counts while its node may not have the new one.
        """
        found = []
        for _, entry in sorted(self._file.nodes.items()):
            if entry.revoked or entry.next_id is None:
                found += [(int(number, 16), entry.revoked or entry.made) for number in entry.retired]
            if entry.revoked and entry.tls_cert:
                found.append((serial(bytes.fromhex(entry.tls_cert)), entry.revoked))
        return found

    @property
    def turning(self) -> dict[str, int]:
        """Return {node: id of its new key} of those whose rotation is not settled."""
        found = self._file.nodes.items()
        return {n: e.next_id for n, e in sorted(found) if e.next_id is not None and not e.revoked}

    def __contains__(self, node: str) -> bool:
        return node in self._file.nodes and not self._file.nodes[node].revoked

    def keys(self) -> Keys:
        """Return the keys as the bridge uses them."""
        return Keys({n: (self.secrets(n).keys, self._file.nodes[n].key_id) for n in self.nodes})

    def secrets(self, node: str) -> Secrets:
        """Return what a node was given. StoreError for one that is not enrolled."""
        entry = self._file.nodes.get(node)
        if entry is None:
            raise StoreError(f"{node} is not in {self.path}: enrol it first")
        keys = {int(key_id): bytes.fromhex(key) for key_id, key in entry.keys.items()}
        return Secrets(
            node,
            keys,
            _newest(entry),
            entry.mqtt_password,
            bytes.fromhex(entry.tls_cert),
            bytes.fromhex(entry.tls_key),
            entry.made,
        )

    def enrol(self, node: str, now: datetime, authority: Authority | None = None, *, anew: bool = False) -> Secrets:
        """Give a node keys, password and, with an authority, a certificate; what it has already is given once more unless `anew`.

        StoreError for an id that no topic can carry, or one that was revoked: a new board gets a new id.
        """
        if not valid_id(node):
            raise StoreError(f"{node!r} is no node id: 1 to 23 of a-z, 0-9 and hyphen")
        if node in _TAKEN:
            raise StoreError(f"{node} is a user of the broker beside the nodes: name the node otherwise")

        def change(file: StoreFile) -> None:
            there = file.nodes.get(node)
            if there is not None and there.revoked:
                raise StoreError(f"{node} was revoked on {there.revoked}: choose another id for another board")
            if there is None or anew:
                issued = authority.client(node, now) if authority is not None else None
                retired = _retired(there) if there is not None else []
                file.nodes[node] = Enrolled(
                    keys={"0": _new_key()}, key_id=0, mqtt_password=secrets.token_urlsafe(_PASSWORD_BYTES), made=now.isoformat(), retired=retired,
                    tls_cert=issued.certificate.hex() if issued else "", tls_key=issued.key.hex() if issued else "",
                )  # fmt: skip

        self._change(change)
        return self.secrets(node)

    def rotate(self, node: str, now: datetime, authority: Authority | None = None) -> Secrets:
        """Give a node its next signing key, and a new certificate with an authority; the bridge accepts both keys meanwhile.

        StoreError while an earlier rotation is not finished.
        """

        def change(file: StoreFile) -> None:
            entry = self._known(file, node)
            if entry.next_id is not None:
                raise StoreError(
                    f"{node} has two keys already: finish the rotation before, or provision the node over its cable"
                )
            following = (entry.key_id + 1) % _KEY_IDS
            new = {"keys": {**entry.keys, str(following): _new_key()}, "next_id": following, "made": now.isoformat()}
            if authority is not None:
                issued = authority.client(node, now)
                new |= {
                    "tls_cert": issued.certificate.hex(), "tls_key": issued.key.hex(), "retired": _retired(entry)
                }  # fmt: skip
            file.nodes[node] = entry.model_copy(update=new)

        self._change(change)
        return self.secrets(node)

    def settle(self, node: str) -> None:
        """End a rotation: only the newest key counts from now on. A node that does not have it yet is heard no more: see `turning`."""

        def change(file: StoreFile) -> None:
            entry = self._known(file, node)
            newest = _newest(entry)
            only = {"keys": {str(newest): entry.keys[str(newest)]}, "key_id": newest, "next_id": None}
            file.nodes[node] = entry.model_copy(update=only)

        self._change(change)

    def revoke(self, node: str, now: datetime) -> None:
        """Let a node's keys count for nothing; StoreError for one that is not there or is out already."""

        def change(file: StoreFile) -> None:
            file.nodes[node] = self._known(file, node).model_copy(update={"revoked": now.isoformat()})

        self._change(change)

    def export(self, path: Path, secret: Secret, nodes: Iterable[str] | None = None) -> list[str]:
        """Write a store of its own with these nodes, or all, sealed with another secret; return which. StoreError where a file is."""
        wanted = sorted(self._file.nodes if nodes is None else nodes)
        out = Keystore(path, secret)
        out._file = StoreFile(nodes={node: self._known(self._file, node, revoked=True) for node in wanted})
        if path.exists():
            raise StoreError(f"{path} is there already and is left as it is")
        out._save()
        return wanted

    def merge(self, other: Keystore) -> tuple[list[str], list[str]]:
        """Take over what another store has and this has not; return (taken, in conflict). What differs is left as it is here."""
        taken: list[str] = []
        conflicts: list[str] = []

        def change(file: StoreFile) -> None:
            for node, entry in sorted(other._file.nodes.items()):
                mine = file.nodes.get(node)
                if mine is None and node not in _TAKEN:
                    file.nodes[node] = entry
                    taken.append(node)
                elif mine != entry:
                    conflicts.append(node)

        self._change(change)
        return taken, conflicts

    def _known(self, file: StoreFile, node: str, *, revoked: bool = False) -> Enrolled:
        entry = file.nodes.get(node)
        if entry is None or (entry.revoked and not revoked):
            raise StoreError(f"{node} is not enrolled" + (f": it was revoked on {entry.revoked}" if entry else ""))
        return entry

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make all changes of a block with one reading and one writing: all of them, or with an exception none."""
        with vault.alone(self.path):
            if self.path.exists():
                self._read()
            before, self._together = self._file.model_copy(update={"nodes": dict(self._file.nodes)}), True
            try:
                yield
                self._save()
            except BaseException:
                self._file = before
                raise
            finally:
                self._together = False

    def _change(self, change: Callable[[StoreFile], None]) -> None:
        with contextlib.nullcontext() if self._together else self.together():
            change(self._file)

    def _read(self) -> None:
        data = vault.read(self.path, self._secret)
        try:
            self._file = StoreFile.model_validate(json.loads(data))
        except ValidationError as error:
            raise VaultError(explain(self.path, StoreFile, error.errors())) from None

    def _save(self) -> None:
        text = json.dumps(self._file.model_dump(), indent=1, sort_keys=True)
        vault.write(self.path, text.encode(), self._secret)


def _retired(entry: Enrolled) -> list[str]:
    """Return what is retired once the entry's certificate is."""
    return [*entry.retired, *([f"{serial(bytes.fromhex(entry.tls_cert)):x}"] if entry.tls_cert else [])]


def _newest(entry: Enrolled) -> int:
    return entry.key_id if entry.next_id is None else entry.next_id


def _new_key() -> str:
    return secrets.token_hex(KEY_BYTES)
