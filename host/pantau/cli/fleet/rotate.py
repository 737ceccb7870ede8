"""`pantau fleet rotate`: the next signing key, password and certificate of nodes, before the old ones get old or known."""

from __future__ import annotations

from pathlib import Path

import click

from pantau.cli.fleet._fleet import after, folder_option, now, passphrase, phrase_option, signal_broker, told
from pantau.cli.node._field import json_option, tell
from pantau.cli.report import UsageError


@click.command("rotate")
@folder_option
@click.argument("nodes", nargs=-1, metavar="[NODE]...")
@click.option("--all", "everyone", is_flag=True, help="Every node.")
@click.option("--settle", is_flag=True, help="End a rotation: the old key counts no longer.")
@click.option("--server", is_flag=True, help="The broker's, the bridge's and the operator's certificates.")
@click.option("--reload", "pid", type=int, metavar="PID", help="Tell a broker on this machine to read its files again.")
@phrase_option
@json_option
@told
def command(
    folder: Path,
    nodes: tuple[str, ...],
    everyone: bool,
    settle: bool,
    server: bool,
    pid: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make the next key of NODE. Both keys count until `--settle`; the node gets the new one over its cable: `pantau node provision`."""
    from pantau.fleet import files

    if bool(nodes) + everyone + server != 1:
        raise UsageError("name nodes, or --all, or --server")
    fleet = files.load(folder)
    chosen = fleet.store.nodes if everyone else list(nodes)
    if settle:
        for node in chosen:
            fleet.store.settle(node)
        tell({"settled": chosen}, f"Only the newest key counts of {len(chosen)} nodes.", as_json=as_json)
        return
    authority = fleet.authority(passphrase(passphrase_file))
    if server:
        files.renew_server(fleet, authority, now())
    for node in chosen:
        fleet.store.rotate(node, now(), authority)
    names = files.publish(fleet, authority, now())
    signal_broker(pid)
    text = (
        f"{len(chosen)} nodes have another key beside the old one: provision each over its cable, then `--settle`.\n"
        if chosen
        else ""
    )
    tell({"rotated": chosen, "server": server}, text + after(fleet, names), as_json=as_json)
