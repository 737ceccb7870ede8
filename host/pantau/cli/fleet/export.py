"""`pantau fleet export`: the key store, or some nodes of it, for a technician's laptop or a second host."""

from __future__ import annotations

from pathlib import Path

import click

from pantau.cli.fleet._fleet import folder_option, passphrase, phrase_option, told
from pantau.cli.node._field import json_option, tell


@click.command("export")
@folder_option
@click.argument("out", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--node", "nodes", multiple=True, help="Only this node; may repeat. Left out: all.")
@click.option(
    "--laptop",
    is_flag=True,
    help="Make PATH a folder that a technician's commands take with -d; also for nodes yet to come.",
)
@phrase_option
@json_option
@told
def command(
    folder: Path, out: Path, nodes: tuple[str, ...], laptop: bool, passphrase_file: Path | None, as_json: bool
) -> None:
    """Write a key store to PATH, sealed with a passphrase of its own. Whoever opens it can speak as these nodes: name few."""
    from pantau.fleet import files
    from pantau.fleet.keystore import StoreError

    fleet = files.load(folder)
    if out.exists():  # told before a passphrase is asked for
        raise StoreError(f"{out} is there already and is left as it is; name another")
    secret = passphrase(passphrase_file, new=True, what=out.name)
    written = files.copy(fleet, out, secret, nodes) if laptop else fleet.store.export(out, secret, nodes or None)
    tell(
        {"path": str(out), "nodes": written},
        f"Wrote {out}: the keys of {len(written)} nodes. It opens with its passphrase only.",
        as_json=as_json,
    )
