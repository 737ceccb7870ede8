"""`pantau fleet import`: nodes that another key store has."""

from __future__ import annotations

from pathlib import Path

import click

from pantau.cli.fleet._fleet import after, folder_option, now, passphrase, phrase_option, told
from pantau.cli.node._field import json_option, tell
from pantau.cli.report import FailedError


@click.command("import")
@folder_option
@click.argument("file", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@phrase_option
@json_option
@told
def command(folder: Path, file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Take over the nodes of FILE, a key store or a technician's folder, that are new here. What differs is named and left as it is (exit 1)."""
    from pantau.fleet import files
    from pantau.fleet.keystore import Keystore

    fleet = files.load(folder)
    file = file / "keys.vault" if file.is_dir() else file
    taken, conflicts = fleet.store.merge(Keystore.open(file, passphrase(passphrase_file, what=file.name)))
    names = files.publish(fleet, None, now())
    text = f"{len(taken)} nodes are new here: {', '.join(taken) or 'none'}.\n{after(fleet, names)}"
    tell({"taken": taken, "conflicts": conflicts}, text, as_json=as_json)
    if conflicts:
        raise FailedError(
            f"these have other keys here and were left as they are: {', '.join(conflicts)}. Revoke one of the two, or provision the node anew"
        )
