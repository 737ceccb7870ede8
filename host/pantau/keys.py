"""keys.json: the secret keys of the nodes. Readable by its owner only, written whole or not at all, never printed."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from pantau.problems import ConfigError, Problem, Table, explain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
KeyId = Annotated[str, Field(pattern=r"^(0|[1-9]\d?)$")]
HexKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _NodeKeys(Table):
    keys: dict[KeyId, HexKey]
    key_id: int

    @model_validator(mode="after")
    def _current_exists(self) -> Self:
        if str(self.key_id) not in self.keys:
            msg = "key_id names a key that is not among keys"
            raise ValueError(msg)
        return self


class _File(Table):
    version: Literal[1]
    nodes: dict[str, _NodeKeys]


class Keys:
    """Keys by node and key id. A node has several while a rotation is under way; it signs with any, we sign with one."""

    __slots__ = ("_current", "_keys")

    def __init__(self, nodes: Mapping[str, tuple[Mapping[int, bytes], int]]) -> None:
        """Take {node: ({key id: 32-byte key}, id of the key that we sign with)}."""
        self._keys = {node: dict(keys) for node, (keys, _) in nodes.items()}
        self._current = {node: current for node, (_, current) in nodes.items()}

    def __contains__(self, node: str) -> bool:
        return node in self._keys

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


def load(path: Path) -> Keys:
    """Return the keys in `path`; ConfigError lists every mistake, first of all a file that others may read."""
    require_private(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # covers JSON and UTF-8 errors
        raise ConfigError([Problem(str(path), "", f"is not JSON: {error}; restore it from its backup")]) from None
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        raise ConfigError(explain(path, _File, error.errors())) from None
    return Keys(
        {
            node: ({int(key_id): bytes.fromhex(key) for key_id, key in entry.keys.items()}, entry.key_id)
            for node, entry in file.nodes.items()
        }
    )


def require_private(path: Path) -> None:
    """Raise ConfigError unless `path` is a file that only its owner can read and write."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read ({error.strerror})")]) from None
    if mode & _OTHERS:
        problem = f"is open to other users (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
        raise ConfigError([Problem(str(path), "", problem)])


def save(path: Path, keys: Keys) -> None:
    """Replace `path` by `keys`, mode 0600: after a power cut it holds the old keys or the new ones, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(keys.to_json())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
