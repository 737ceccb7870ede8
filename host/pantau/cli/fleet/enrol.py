"""`pantau fleet enrol`: keys, login and certificate of nodes before they are made: in the office, for a crate of boards."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pantau.cli.fleet._fleet import after, folder_option, now, passphrase, phrase_option, signal_broker, told
from pantau.cli.node._field import json_option, tell


@click.command("enrol")
@folder_option
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...")
@click.option(
    "--anew", is_flag=True, help="New ones for a node that has some: what it was given before counts no more."
)
@click.option("--reload", "pid", type=int, metavar="PID", help="Tell a broker on this machine to read its files again.")
@phrase_option
@json_option
@told
def command(
    folder: Path, nodes: tuple[str, ...], anew: bool, pid: int | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Give NODE its secrets, in the key store only; `pantau node provision` brings them to the board. Twice gives the same."""
    from pantau.fleet import files

    fleet = files.load(folder, lambda: passphrase(passphrase_file))
    authority = fleet.authority(passphrase(passphrase_file)) if fleet.table.certificates else None
    fresh = [node for node in nodes if anew or node not in fleet.store]
    with fleet.store.together(), click.progressbar(nodes, label="Enrolling", file=sys.stderr) as each:
        for node in each:
            fleet.store.enrol(node, now(), authority, anew=anew)
    names = files.publish(fleet, authority, now())
    signal_broker(pid)
    text = f"Enrolled: {', '.join(nodes)}.\n{after(fleet, names)}"
    tell({"enrolled": list(nodes), "new": fresh}, text, as_json=as_json)
