"""`pantau fleet export`: the key store, or some nodes of it, for a technician's laptop or a second host."""

from __future__ import annotations

from pathlib import Path

import click

from pantau.cli.fleet._fleet import folder_option, passphrase, phrase_option, told
from pantau.cli.node._field import json_option, tell


@click.command("export")
@folder_option
@click.argument("out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--node", "nodes", multiple=True, help="Only this node; may repeat. Left out: all.")
@phrase_option
@json_option
@told
def command(folder: Path, out: Path, nodes: tuple[str, ...], passphrase_file: Path | None, as_json: bool) -> None:
    """Write a key store to FILE, sealed with a passphrase of its own. Whoever opens it can speak as these nodes: name few."""
    from pantau.fleet import files

    fleet = files.load(folder)
    written = fleet.store.export(out, passphrase(passphrase_file, new=True, what=out.name), nodes or None)
    tell(
        {"file": str(out), "nodes": written},
        f"Wrote {out}: the keys of {len(written)} nodes. It opens with its passphrase only.",
        as_json=as_json,
    )
