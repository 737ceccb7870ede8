"""A backup put back: verified first, nothing overwritten, and in words what the nodes will do then."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from pantau import config as config_file
from pantau.followers import SCHEMA as FOLLOWERS_SCHEMA
from pantau.ops.backup import CITY, FOLLOWERS, SPOOL, BackupError, Entry, Manifest, named_files, unpacked, verify
from pantau.sinks.sqlite import SCHEMA as CITY_SCHEMA
from pantau.spool_schema import SCHEMA as SPOOL_SCHEMA

if TYPE_CHECKING:
    from pantau.config import Config

_CONFIG = "config/pantau.toml"
_KNOWN = {SPOOL: SPOOL_SCHEMA, CITY: CITY_SCHEMA, FOLLOWERS: FOLLOWERS_SCHEMA}

WHAT_NOW = """What happens when this bridge starts:
- Nodes send again what was not acknowledged to them; what the backup has already is recognised and stored once.
- What was acknowledged after the backup ({made}) is gone from the nodes. It is lost, unless a sink that is not in this backup
  has it (a city platform, another bridge): the bridge counts those frames as gone, by node, and goes on.
- The city store, alerts and followers are as of the backup and catch up from the spool by themselves.
- Only one bridge may run with these keys and this client_prefix: stop the old one for good first."""


class Restored(NamedTuple):
    """What was put where."""

    manifest: Manifest
    config: Path
    written: list[Path]
    missing: list[str]


def restore(source: Path, into: Path) -> Restored:
    """Put the backup `source` back, its configuration into the folder `into`, all else where that configuration says.

    Raises BackupError, with everything as it was, when a file is in the way or the backup is not whole.
    """
    config_path = into / "pantau.toml"
    if config_path.exists():
        raise BackupError(
            f"{config_path} is there already; restore into another folder, or move it away. Nothing was changed"
        )
    written: list[Path] = []
    try:
        _put(config_path, _peek(source), written)
        config, _ = config_file.draft(config_path)
        data_dir = config.bridge.data_dir
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        with tempfile.TemporaryDirectory(prefix=".restore.", dir=data_dir) as name:
            folder = unpacked(source, Path(name))
            manifest = verify(folder)
            _too_new(manifest)
            places = [(folder / e.path, _target(e, config)) for e in manifest.files if e.path != _CONFIG]
            _in_the_way([target for _, target in places])
            for file, target in places:
                _put(target, file, written)
    except OSError as error:
        _undo(written)
        raise BackupError(
            f"{error.filename or into}: {error.strerror or error}; nothing was kept of the restore"
        ) from None
    except BaseException:
        _undo(written)
        raise
    missing = [f"{role}: {path}" for role, path in named_files(config) if not path.exists()]
    return Restored(manifest, config_path, written, missing)


def _peek(source: Path) -> bytes:
    """Return the text of the configuration in the backup, which says where everything else goes."""
    try:
        if source.is_dir():
            return (source / _CONFIG).read_bytes()
        with tarfile.open(source) as archive:
            file = archive.extractfile(_CONFIG)
            if file is not None:
                return file.read(1 << 20)
    except (OSError, tarfile.TarError, KeyError) as error:
        raise BackupError(f"{source} is no backup of a bridge: {error}") from None
    raise BackupError(f"{source} is no backup of a bridge: {_CONFIG} is no file")


def _target(entry: Entry, config: Config) -> Path:
    """Return where one file goes."""
    kind, _, name = entry.role.partition(":")
    if kind == "data":
        place = PurePosixPath(name)
        if len(place.parts) != 1:
            raise BackupError(f"{entry.role} leads out of the data folder; use another backup")
        return config.store_path if name == CITY else config.bridge.data_dir / name
    known = dict(named_files(config))
    if entry.role not in known:
        raise BackupError(f"{entry.path}: this Pantau knows no {entry.role}; a newer one made the backup")
    inner = PurePosixPath(entry.path).parts
    # config/<role>/<file> was in a folder that the configuration names, config/<role>-<name> is the file itself
    return known[entry.role].joinpath(*inner[2:]) if inner[1] == entry.role else known[entry.role]


def _too_new(manifest: Manifest) -> None:
    for entry in manifest.files:
        schema = _KNOWN.get(PurePosixPath(entry.path).name)
        if schema is not None and entry.version is not None and entry.version > schema.version:
            raise BackupError(
                f"{entry.path} has {schema.what} version {entry.version}, this Pantau knows {schema.version}: restore with the "
                f"Pantau that made it ({manifest.pantau}) or a newer one. Nothing was changed"
            )


def _in_the_way(targets: list[Path]) -> None:
    """Refuse to overwrite, and to put a store beside the write-ahead log of another."""
    beside = [target.with_name(f"{target.name}{end}") for target in targets for end in ("-wal", "-shm", "-journal")]
    there = [str(path) for path in (*targets, *beside) if path.exists()]
    if there:
        raise BackupError("\n".join(["these are in the way; move them aside. Nothing was changed:", *there]))


def _put(target: Path, content: bytes | Path, written: list[Path]) -> None:
    """Write one file that only its owner can read, durably; it must not exist."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        written.append(target)
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, file)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _undo(written: list[Path]) -> None:
    for path in written:
        path.unlink(missing_ok=True)
