"""`pantau bridge backup` and `restore`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from pantau import config as config_file
from pantau.cli.report import FailedError
from pantau.ops import backup as backups
from pantau.ops.view import size


def back_up(config_path: Path, target: Path, *, keys: bool) -> None:
    """Make a backup and say what it holds."""
    try:
        made = backups.make(config_file.load(config_path), config_path, target, keys=keys)
    except backups.BackupError as error:
        raise FailedError(str(error)) from None
    _told(made.manifest, f"Wrote {made.target}")
    if any(entry.secret for entry in made.manifest.files):
        click.echo("It holds the nodes' keys: keep it as secret as they are (its mode lets only its owner read it).")
    else:
        click.echo("It holds no keys: without them a restored bridge refuses every node.")


def check(source: Path) -> None:
    """Say whether a backup can be restored."""
    try:
        with tempfile.TemporaryDirectory(prefix=".check.", dir=source.absolute().parent) as name:
            manifest = backups.verify(backups.unpacked(source, Path(name)))
    except backups.BackupError as error:
        raise FailedError(str(error)) from None
    except OSError as error:
        raise FailedError(
            f"{source} cannot be checked: {error.strerror}; it is unpacked beside itself for that"
        ) from None
    _told(manifest, f"{source} is whole")


def restore(source: Path, folder: Path) -> None:
    """Put a backup back and say what happens now."""
    from pantau.ops import restore as restores

    try:
        done = restores.restore(source, folder)
    except backups.BackupError as error:
        raise FailedError(str(error)) from None
    _told(done.manifest, f"Restored {len(done.written)} files; configuration in {done.config}")
    for missing in done.missing:
        click.echo(f"Not in the backup, put it there before the start: {missing}")
    click.echo(restores.WHAT_NOW.format(made=done.manifest.made))
    click.echo(f"Give the files to the user of the bridge, then: pantau bridge check -c {done.config}")


def _told(manifest: backups.Manifest, head: str) -> None:
    total = size(sum(entry.bytes for entry in manifest.files))
    click.echo(
        f"{head}: {len(manifest.files)} files, {total}, of {manifest.city} at {manifest.made}, Pantau {manifest.pantau}"
    )
