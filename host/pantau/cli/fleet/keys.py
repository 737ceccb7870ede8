"""`pantau fleet keys`: what a fleet's folder holds, until when it is valid, and what is kept elsewhere. Never a secret."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau.cli.fleet._fleet import folder_option, now, passphrase, told
from pantau.cli.node._field import json_option, tell

if TYPE_CHECKING:
    from pantau.fleet.files import Fleet

_NAMED = 10  # nodes of a kind that people are told by name


@click.command("keys")
@folder_option
@click.option(
    "--take-away", nargs=2, type=(click.IntRange(0, 1), click.Path(dir_okay=False, path_type=Path)), metavar="KEY FILE",
    help="Move release key 0 or 1, sealed as it is, to FILE on another disk.",
)  # fmt: skip
@json_option
@told
def command(folder: Path, take_away: tuple[int, Path] | None, as_json: bool) -> None:
    """List the fleet's certificates with their ends, its release keys, and its nodes by the state of their keys."""
    from pantau.fleet import files, release_keys

    fleet = files.load(folder, lambda: passphrase(None))
    if take_away is not None:
        release_keys.take_away(folder, *take_away)
    found = _found(fleet)
    tell(found, _text(found), as_json=as_json)


def _found(fleet: Fleet) -> dict[str, Any]:
    from pantau.fleet import release_keys
    from pantau.fleet.ca import WARN_DAYS, expires

    store, places = fleet.store, {"authority": "ca.pem", "broker": "broker/server.pem", "bridge": "bridge.pem"}
    ends = {name: _pem_end(fleet.folder / place) for name, place in places.items()}
    nodes = {node: expires(der) for node in store.nodes if (der := store.secrets(node).cert_der)}
    soon = sorted(node for node, end in nodes.items() if (end - now()).days < WARN_DAYS)
    return {
        "certificates": {name: end.isoformat() if end else None for name, end in ends.items()},
        "ending": sorted(name for name, end in ends.items() if end and (end - now()).days < WARN_DAYS) + soon,
        "release_keys": {str(i): release_keys.place(fleet.folder, i).exists() for i in release_keys.INDEXES},
        "nodes": store.nodes,
        "first_node_end": min(nodes.values()).isoformat() if nodes else None,
        "turning": store.turning,
        "revoked": store.revoked,
    }


def _pem_end(path: Path) -> datetime | None:
    from cryptography import x509

    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc if path.exists() else None


def _text(found: dict[str, Any]) -> str:
    lines = [
        f"{name:<11} until {end[:10] if end else '- (no certificate)'}" for name, end in found["certificates"].items()
    ]
    lines += [
        f"release {i}   {'here, sealed' if here else 'kept off-line'}" for i, here in found["release_keys"].items()
    ]
    if all(found["release_keys"].values()):
        lines.append("            both are here: move one to a safe, with --take-away 1 FILE")
    first = f"; the first certificate ends on {found['first_node_end'][:10]}" if found["first_node_end"] else ""
    lines.append(f"nodes       {len(found['nodes'])}{first}")
    for kind, what in (("turning", "not settled"), ("revoked", "revoked"), ("ending", "ends soon")):
        if names := list(found[kind]):
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            lines.append(f"{what:<11} {', '.join(names[:_NAMED])}{more}")
    return "\n".join(lines)
