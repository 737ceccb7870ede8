"""The secret keys of the nodes, from keys.json or a fleet's key store. Readable by its owner only, written whole or not at all, never printed."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationError

from pantau import durable, vault
from pantau.problems import ConfigError, Problem, Table, explain, key_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
KeyId = Annotated[str, Field(pattern=r"^[0-3]$")]
NodeId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,23}$")]  # what the wire and the topics can carry
HexKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _NodeKeys(Table):
    keys: dict[KeyId, HexKey]
    key_id: int


class Enrolled(_NodeKeys):
    """A node as the key store of a fleet has it: with what it was given beside its keys, and whether it is revoked."""

    mqtt_password: str
    tls_cert: str = ""  # DER as hex, and so the key
    tls_key: str = ""
    made: str  # RFC 3339
    next_id: int | None = None  # the key that the node gets next; we sign with key_id until it has it
    retired: list[str] = Field(
        default_factory=list
    )  # serial numbers, hex, of the certificates that tls_cert came after
    revoked: str = ""


class _File(Table):
    version: Literal[1]
    nodes: dict[NodeId, _NodeKeys]


class StoreFile(Table):
    """What is in the vault of a fleet's key store."""

    version: Literal[1] = 1
    nodes: dict[NodeId, Enrolled] = Field(default_factory=dict)


class Keys:
    """Keys by node and key id. A node has several while a rotation is under way; it signs with any, we sign with one."""

    __slots__ = ("_current", "_keys")

    def __init__(self, nodes: Mapping[str, tuple[Mapping[int, bytes], int]]) -> None:
        """Take {node: ({key id: 32-byte key}, id of the key that we sign with)}."""
        self._keys = {node: dict(keys) for node, (keys, _) in nodes.items()}
        self._current = {node: current for node, (_, current) in nodes.items()}

    def __contains__(self, node: str) -> bool:
        return node in self._keys

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return every node that has a key."""
        return tuple(self._keys)

    def find(self, node: str, key_id: int) -> bytes | None:
        """Return the key that `node` calls `key_id`, None when there is none."""
        return self._keys.get(node, {}).get(key_id)

    def all_of(self, node: str) -> tuple[bytes, ...]:
        """Return every key of `node`."""
        return tuple(self._keys.get(node, {}).values())

    def signing(self, node: str) -> tuple[int, bytes] | None:
        """Return (key id, key) for what we send to `node`, None when it has no key."""
        key_id = self._current.get(node)
        return None if key_id is None else (key_id, self._keys[node][key_id])

    def to_json(self) -> str:
        """Return the file's text."""
        nodes = {
            node: {"keys": {str(key_id): key.hex() for key_id, key in keys.items()}, "key_id": self._current[node]}
            for node, keys in sorted(self._keys.items())
        }
        return json.dumps({"version": 1, "nodes": nodes}, indent=1) + "\n"


def load(path: Path, secret: Path | None = None) -> Keys:
    """Return the keys in `path`; ConfigError lists every mistake, first of all a file that others may read.

    The file is keys.json in the clear, or the key store of a fleet, which opens with the key in the file
    `secret`, left out: in the one that vault.secret_file finds.
    """
    problems = _privacy(path)
    content: object = None
    file: _File | StoreFile | None = None
    try:
        data = path.read_bytes()
        if vault.is_vault(data):
            data = vault.unseal(data, vault.load_secret(secret or vault.secret_file(path)), str(path))
            content = json.loads(data)
            file = StoreFile.model_validate(content)
        else:
            content = json.loads(data)
            file = _File.model_validate(content)
    except OSError as error:
        problems = problems or [Problem(str(path), "", f"cannot be read ({error.strerror})")]
    except ValidationError as error:
        problems += explain(path, _File, error.errors())
    except RecursionError:
        problems.append(Problem(str(path), "", "is nested too deeply to be meant; restore it from its backup"))
    except ValueError as error:  # covers JSON and UTF-8 errors
        problems.append(Problem(str(path), "", f"is not JSON: {error}; restore it from its backup"))
    problems += [Problem(str(path), key, "names a key that is not among keys") for key in _dangling(content)]
    if problems or file is None:
        raise ConfigError(problems)
    return Keys(
        {
            node: ({int(key_id): bytes.fromhex(key) for key_id, key in entry.keys.items()}, entry.key_id)
            for node, entry in file.nodes.items()
            if not getattr(entry, "revoked", "")
        }
    )


def _dangling(content: object) -> list[str]:
    """Return the key path of each key_id without its key, whatever is wrong beside it."""
    nodes = content.get("nodes") if isinstance(content, dict) else None
    return [
        key_path(("nodes", node, "key_id"))
        for node, entry in (nodes.items() if isinstance(nodes, dict) else ())
        if isinstance(entry, dict) and type(entry.get("key_id")) is int and isinstance(entry.get("keys"), dict)
        if str(entry["key_id"]) not in entry["keys"]
    ]


def require_private(path: Path) -> None:
    """Raise ConfigError unless `path` is a file that only its owner can read and write."""
    if problems := _privacy(path):
        raise ConfigError(problems)


def _privacy(path: Path) -> list[Problem]:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return [Problem(str(path), "", f"cannot be read ({error.strerror})")]
    # What systemd hands over lies here, opened to one user by an access list, which shows as a mode for the group.
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not mode & _OTHERS or (credentials and path.is_relative_to(credentials)):
        return []
    problem = f"is open to other users (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
    return [Problem(str(path), "", problem)]


def save(path: Path, keys: Keys) -> None:
    """Replace `path` by `keys`, mode 0600: after a power cut it holds the old keys or the new ones, never a part."""
    durable.write(path, keys.to_json(), mode=_MODE)
