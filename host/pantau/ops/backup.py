"""Backup of a running bridge: its stores, its configuration, its keys, with a manifest that says what each file must be.

**Order.** The copies are taken one after the other while frames keep coming, so each is of another moment. They are taken against
the flow: first what remembers how far a reader has come (notices, followers, alerts), then the city store, last the spool. Each copy is then
at least as new as those that follow it, and restored it is the state after a crash in which the followers lost their last seconds:
they start at an earlier frame, the spool has that frame, and each sink knows what it is given again. The other way round a follower
could stand behind the end of its log and pass over the frames that will get those numbers. What could still go wrong is that the
spool lets go of frames between two copies that the earlier copy had not taken; `complete` finds that, and the backup is made again.

SQLite's online backup copies each file as of one commit, and holds up no writer. Sinks that live elsewhere are not in the backup.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from pantau import __version__
from pantau.ops.migrate import version_of
from pantau.problems import Table
from pantau.spool import SpoolReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.config import Config

MANIFEST = "manifest.json"
LAST = "last-backup"  # in the data folder; its date is that of the last backup
_BUSY_S = 30.0
_CHUNK = 1 << 20
_SECRET_STORES = {"access.sqlite3"}  # hashes of passwords: guessed at leisure by whoever has them
SPOOL, CITY, FOLLOWERS, NOTICES = "spool.sqlite3", "city.sqlite3", "followers.sqlite3", "notices.sqlite3"
_SECRETS = {
    "keys",
    "keys_secret",
    "private_key",
    "password_file",
    "secret_file",
    "token_file",
    "credentials_file",
    "nkey_file",
}  # ends of key paths
_DATA = {"bridge.data_dir", "sinks.sqlite.path", "sinks.files.path"}  # paths that are no part of the configuration
_TRIES = 3


class BackupError(Exception):
    """The backup cannot be made or used; the text says why and what to do."""


def _inside(place: str) -> str:
    if ".." in PurePosixPath(place).parts:
        msg = "leads out of the backup"
        raise ValueError(msg)
    return place


class Entry(Table):
    """One file: its place in the backup, what it is (the key path in pantau.toml, or data:<name>), and its content's hash."""

    path: Annotated[str, Field(pattern=r"^(config|data)/"), AfterValidator(_inside)]
    role: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    secret: bool = False
    version: int | None = None  # of a store


class Manifest(Table):
    """What a backup holds."""

    format: Literal[1]
    pantau: str
    city: str
    made: str
    files: tuple[Entry, ...]


class Made(NamedTuple):
    """A finished backup."""

    target: Path
    manifest: Manifest


def make(config: Config, config_file: Path, target: Path, *, keys: bool = True) -> Made:
    """Write a backup to `target`: a folder, or one file when its name ends in .tar. Raises BackupError with nothing left.

    It holds secrets unless `keys` is false; either way nobody but its owner can read it.
    """
    if target.exists():
        raise BackupError(f"{target} is there already; name another target, or move it away")
    stores = [path for path in _stores(config) if keys or path.name not in _SECRET_STORES]
    if config.spool_path not in stores:
        raise BackupError(f"{config.spool_path} does not exist: there is nothing to back up; look at [bridge] data_dir")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _room(target.parent, stores)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
            folder = Path(name) / "backup"
            folder.mkdir(mode=0o700)
            manifest = _fill(folder, config, config_file, stores, keys=keys)
            if target.suffix == ".tar":
                folder = _packed(folder, manifest)
            folder.replace(target)
        _sync(target.parent)
        (config.bridge.data_dir / LAST).touch()
    except OSError as error:
        raise BackupError(f"{error.filename or target}: {error.strerror or error}; nothing was kept") from None
    except sqlite3.Error as error:
        raise BackupError(
            f"a store cannot be copied: {error}; is the user allowed to read {config.bridge.data_dir}?"
        ) from None
    return Made(target, manifest)


def backup_figures(data_dir: Path) -> dict[str, float]:
    """Return when the last backup was finished."""
    try:
        return {"backup_time_seconds": (data_dir / LAST).stat().st_mtime}
    except OSError:
        return {"backup_time_seconds": 0.0}


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of an unpacked backup."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise BackupError(f"{folder} is no backup of a bridge: {MANIFEST}: {error.strerror}") from None
    except ValidationError as error:
        raise BackupError(
            f"{folder / MANIFEST} cannot be used: {error.errors()[0]['msg']}; a newer Pantau may have made it"
        ) from None


def verify(folder: Path) -> Manifest:
    """Return the manifest when each file is there, has its hash, and each store is sound. Raises BackupError naming all faults."""
    manifest = read_manifest(folder)
    faults = []
    for entry in manifest.files:
        path = folder / entry.path
        if not path.is_file() or path.is_symlink():
            faults.append(f"{entry.path} is missing")
        elif _sha256(path) != entry.sha256:
            faults.append(f"{entry.path} is not what was backed up: its hash differs")
        elif entry.version is not None and (said := _unsound(path, entry.version)):
            faults.append(f"{entry.path}: {said}")
    if faults:
        raise BackupError("\n".join([f"{len(faults)} faults; use another backup:", *faults]))
    return manifest


def unpacked(source: Path, into: Path) -> Path:
    """Return the folder of a backup, unpacked below `into` when it is one file. Nothing in it can lead outside."""
    if source.is_dir():
        return source
    try:
        with tarfile.open(source) as archive:
            archive.extractall(into, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise BackupError(f"{source} cannot be unpacked: {error}; use another backup") from None
    return into


def _stores(config: Config) -> list[Path]:
    """Return the SQLite files in the order in which they are to be copied."""
    here = set(config.bridge.data_dir.glob("*.sqlite3"))
    folder = config.bridge.data_dir
    rank = {folder / NOTICES: -1, folder / FOLLOWERS: 0, config.store_path: 2, config.spool_path: 3}
    here |= {config.store_path} if config.store_path.exists() else set()
    return sorted(here, key=lambda path: (rank.get(path, 1), path.name))


def _fill(folder: Path, config: Config, config_file: Path, stores: list[Path], *, keys: bool) -> Manifest:
    (folder / "data").mkdir(mode=0o700)
    (folder / "config").mkdir(mode=0o700)
    for _ in range(_TRIES):
        first = first_frame(config.spool_path)
        data = [_copy_store(path, folder / "data" / _kept_name(path, config)) for path in stores]
        if complete(folder / "data", first):
            break
    else:
        raise BackupError(
            "the spool let go of frames while its followers were copied, three times: a sink is days behind; "
            "make it work again, or raise [retention] spool_min_days"
        )
    texts = [
        _copy_file(source, folder, f"config/{name}", role)
        for role, source, name in _texts(config, config_file)
        if keys or not _secret(role)
    ]
    files = (*texts, *data)
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    manifest = Manifest(format=1, pantau=__version__, city=config.bridge.city, made=made, files=files)
    path = folder / MANIFEST
    path.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    path.chmod(0o600)
    _sync(path)
    return manifest


def first_frame(spool: Path) -> int:
    """Return the id of the oldest frame in the spool, 0 for an empty one."""
    reader = SpoolReader(spool)
    try:
        return next((frame.id for frame in reader.read(0, 1)), 0)
    finally:
        reader.close()


def complete(data: Path, first_before: int) -> bool:
    """Return whether no follower copied here misses a frame that the spool let go of since it began with `first_before`.

    Who was behind even that is none of ours any more: a sink that was taken out of the configuration.
    """
    first = first_frame(data / SPOOL)
    return all(position >= first - 1 or position < first_before - 1 for position in _positions(data))


def _positions(data: Path) -> Iterator[int]:
    """Yield how far each follower has come, as its own file says."""
    for name, query in (
        (CITY, "SELECT value FROM meta WHERE key = 'position'"),
        (FOLLOWERS, "SELECT position FROM cursors"),
    ):
        path = data / name
        if path.exists():
            with closing(sqlite3.connect(path)) as db:
                yield from (int(row[0]) for row in db.execute(query))


def _kept_name(path: Path, config: Config) -> str:
    return CITY if path == config.store_path else path.name


def _texts(config: Config, config_file: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield (role, file, name in the backup) of the configuration and of each file and folder that it names."""
    yield "config", config_file, "pantau.toml"
    for role, path in named_files(config):
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    yield role, file, f"{role}/{file.relative_to(path).as_posix()}"
        elif path.is_file():
            yield role, path, f"{role}-{path.name}"


def named_files(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield (key path, path) for each path in a configuration but those of data."""
    for name in type(model).model_fields:
        value: Any = getattr(model, name)
        key = f"{prefix}{name}"
        if isinstance(value, BaseModel):
            yield from named_files(value, f"{key}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from named_files(item, f"{key}.{index}.")
        elif isinstance(value, Path) and key not in _DATA:
            yield key, value


def _secret(role: str) -> bool:
    return role.rpartition(".")[2] in _SECRETS


def _copy_store(source: Path, target: Path) -> Entry:
    """Copy one SQLite file as of one commit, without holding up whoever writes to it."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S)) as db,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        db.execute("PRAGMA query_only = 1")
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        version = version_of(copy)
    _sync(target)
    return _entry(
        target, f"data:{target.name}", f"data/{target.name}", secret=target.name in _SECRET_STORES, version=version
    )


def _copy_file(source: Path, folder: Path, place: str, role: str) -> Entry:
    target = folder / PurePosixPath(place)
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file, target.open("xb") as copy:
        target.chmod(0o600)
        shutil.copyfileobj(file, copy)
    _sync(target)
    return _entry(target, role, place, secret=_secret(role))


def _entry(path: Path, role: str, place: str, *, secret: bool = False, version: int | None = None) -> Entry:
    size = path.stat().st_size
    return Entry(path=place, role=role, bytes=size, sha256=_sha256(path), secret=secret, version=version)


def _packed(folder: Path, manifest: Manifest) -> Path:
    """Return the backup as one file beside its folder; each part is taken away once it is in, so that it fits a smaller disk."""
    target = folder.with_suffix(".tar")
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for place in (MANIFEST, *(entry.path for entry in manifest.files)):
                archive.add(folder / place, place, recursive=False)
                (folder / place).unlink()
        file.flush()
        os.fsync(file.fileno())
    return target


def _room(folder: Path, stores: list[Path]) -> None:
    wanted = 2 * sum(path.stat().st_size for path in stores) if stores else 0
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise BackupError(
            f"{folder} has {free >> 20} MiB free and {wanted >> 20} MiB are wanted; name a target on another disk"
        )


def _unsound(path: Path, version: int) -> str:
    """Return what is wrong with a store, "" when it is sound."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            said = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            if said != "ok":
                return said
            return "" if version_of(db) == version else "its version is not that of the manifest"
    except sqlite3.Error as error:
        return str(error)


def _sha256(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            hashed.update(part)
    return hashed.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
