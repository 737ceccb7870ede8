"""`pantau fleet rotate`: the next signing key, password and certificate of nodes, before the old ones get old or known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau.cli.fleet._fleet import after, folder_option, now, passphrase, phrase_option, signal_broker, told
from pantau.cli.node._field import json_option, tell
from pantau.cli.report import FailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from pantau.fleet.files import Fleet


@click.command("rotate")
@folder_option
@click.argument("nodes", nargs=-1, metavar="[NODE]...")
@click.option("--all", "everyone", is_flag=True, help="Every node.")
@click.option(
    "--settle",
    is_flag=True,
    help="End the rotation: the old key counts no longer, of nodes that -c shows to sign with the new one.",
)
@click.option(
    "-c", "--config", "bridge", type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="The bridge's pantau.toml: its log says which key a node signs with.",
)  # fmt: skip
@click.option(
    "--unseen", is_flag=True, help="Settle without looking: a node that has not got the new key is heard no more."
)
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
    bridge: Path | None,
    unseen: bool,
    server: bool,
    pid: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make the next key of NODE. Both count until `--settle`; the node gets the new one over its cable: `pantau node provision`."""
    from pantau.fleet import files

    if bool(nodes) + everyone + server != 1:
        raise UsageError("name nodes, or --all, or --server")
    fleet = files.load(folder)
    chosen = fleet.store.nodes if everyone else list(nodes)
    if settle:
        late = _settle(fleet, chosen, bridge, unseen=unseen, as_json=as_json)
        if fleet.table.certificates:  # those that were replaced are withdrawn now
            files.publish(fleet, fleet.authority(passphrase(passphrase_file)), now())
        if late:
            what = "these do not sign with their new key yet, and keep both"
            raise FailedError(f"{what}: {', '.join(late)}. Provision them over the cable")
        return
    authority = None
    if server or fleet.table.certificates:
        authority = fleet.authority(passphrase(passphrase_file))
    if server and authority is not None:
        files.renew_server(fleet, authority, now())
    if everyone:  # those under way go on as they are
        chosen = [node for node in chosen if node not in fleet.store.turning]
    with fleet.store.together():
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


def _settle(fleet: Fleet, nodes: list[str], bridge: Path | None, *, unseen: bool, as_json: bool) -> list[str]:
    """Settle those that sign with the new key; return the others."""
    if (bridge is None) != unseen:
        raise UsageError("--settle needs -c pantau.toml of the bridge, to see who signs with the new key; or --unseen")
    turning = {node: key_id for node, key_id in fleet.store.turning.items() if node in set(nodes)}
    seen = turning if bridge is None else _signing(bridge, turning)
    ready = [node for node, key_id in turning.items() if seen.get(node) == key_id]
    with fleet.store.together():
        for node in ready:
            fleet.store.settle(node)
    late = sorted(set(turning) - set(ready))
    text = f"Only the newest key counts of {len(ready)} nodes."
    tell({"settled": ready, "not_yet": late}, text, as_json=as_json)
    return late


def _signing(bridge: Path, nodes: Collection[str]) -> dict[str, int]:
    from pantau import config
    from pantau.fleet.turning import signing
    from pantau.spool import SpoolBroken, SpoolReader, SpoolUnavailable

    path = config.load(bridge).spool_path
    if not path.exists():
        raise UsageError(f"{path} does not exist: this bridge has never run")
    reader = SpoolReader(path)
    try:
        return signing(reader, nodes)
    except (SpoolBroken, SpoolUnavailable) as error:
        raise FailedError(str(error)) from None
    finally:
        reader.close()
