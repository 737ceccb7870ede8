"""`pantau fleet revoke`: a node that was stolen, or is no more, is out."""

from __future__ import annotations

from pathlib import Path

import click

from pantau.cli.fleet._fleet import after, folder_option, now, passphrase, phrase_option, signal_broker, told
from pantau.cli.node._field import json_option, tell


@click.command("revoke")
@folder_option
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...")
@click.option("--reload", "pid", type=int, metavar="PID", help="Tell a broker on this machine to read its files again.")
@phrase_option
@json_option
@told
def command(folder: Path, nodes: tuple[str, ...], pid: int | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Take NODE's keys out of the bridge, its login out of the broker, and put its certificate on the list of revoked ones."""
    from pantau.fleet import files

    fleet = files.load(folder)
    # First whoever is to be out is out for the bridge; a passphrase that is not at hand must not hold that up.
    with fleet.store.together():
        for node in nodes:
            fleet.store.revoke(node, now())
    authority = fleet.authority(passphrase(passphrase_file)) if fleet.table.certificates else None
    names = files.publish(fleet, authority, now())
    signal_broker(pid)
    gone = ", ".join(nodes)
    tell(
        {"revoked": list(nodes)},
        f"Revoked: {gone}. The bridge refuses what they sign from its next look at the store on.\n{after(fleet, names)}",
        as_json=as_json,
    )
