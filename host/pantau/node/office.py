"""What the office knows of a station and its boards: registry, key store, and which board was given which node. Files, no board."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pantau import durable
from pantau import registry as registry_file
from pantau.fleet import files
from pantau.node import provision
from pantau.node.trouble import RefusedError
from pantau.registry.edit import EditError, place_node, replace_node

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from pantau.fleet.ca import Authority
    from pantau.fleet.files import Fleet
    from pantau.fleet.keystore import Secrets
    from pantau.registry import Registry, Station

BOARDS = "boards.json"  # in the fleet's folder: {unique id of a board: {"node", "station"}}; no secret
_PUBLIC = 0o644
_NAMED = 12


class Stand(NamedTuple):
    """Who stands at a station now."""

    station: Station
    there: list[str]


class Office:
    """A fleet's folder and a registry, opened for one board."""

    def __init__(self, fleet: Fleet, registry: Path, at: datetime) -> None:
        """at: now."""
        self.fleet, self.path, self.at = fleet, registry, at
        self._at_ms = round(at.timestamp() * 1000)
        self._boards = _boards(fleet.folder / BOARDS)

    @property
    def registry(self) -> Registry:
        """Return the registry as it is now."""
        return registry_file.load(self.path)

    def stations(self) -> list[str]:
        """Return the ids of all stations, those without a node first."""
        registry = self.registry
        return sorted(registry.stations, key=lambda one: (bool(registry.nodes_at(one, self._at_ms)), one))

    def stand(self, station: str) -> Stand:
        """Return a station and who is there. RefusedError where the registry has no such."""
        registry = self.registry
        if station not in registry.stations:
            known = self.stations()
            more = ", ..." if len(known) > _NAMED else ""
            said = ", ".join(known[:_NAMED]) + more
            raise RefusedError("provision.station", registry=self.path, station=station, known=said)
        return Stand(registry.stations[station], sorted(registry.nodes_at(station, self._at_ms)))

    def propose(self, station: str, board: str) -> str:
        """Return an id for a board's node at a station: the same again for the same board."""
        store = self.fleet.store
        at_station = {one: row["node"] for one, row in self._boards.items() if row["station"] == station}
        given = {one: node for one, node in at_station.items() if node not in store.revoked}
        placed = [n for n in self.stand(station).there if n not in store.revoked]
        # Enrolled in the office for a crate of boards, and never anywhere yet.
        placed += [n for n in store.nodes if provision.numbered(n, station) and n not in self.registry.nodes]
        taken = {*store.nodes, *store.revoked, *self.registry.nodes, *self._others("")}
        free = [node for node in placed if node not in self._others("")]
        return provision.propose(station, board, given, free, taken)

    def check(self, node: str, station: str, board: str) -> None:
        """Raise RefusedError where a board cannot be this node at this station."""
        provision.checked(node, board, {b: row["node"] for b, row in self._boards.items()}, self.fleet.store.revoked)
        place = self.registry.station_of(node, self._at_ms)
        if place is not None and place.id != station:
            raise RefusedError("provision.elsewhere", node=node, station=place.id)

    def enrol(self, node: str, station: str, board: str, authority: Callable[[], Authority]) -> tuple[Secrets, bool]:
        """Return a node's secrets, and whether they are new: then the broker's files are written anew. authority: asked for only then.

        Which board it is for is noted before: a second run proposes the same id.
        """
        if board and self._boards.get(board, {}).get("node") != node:
            self._boards[board] = {"node": node, "station": station}
            durable.write(self.fleet.folder / BOARDS, json.dumps(self._boards, indent=1) + "\n", mode=_PUBLIC)
        fresh = node not in self.fleet.store
        issuer = authority() if fresh and self.fleet.table.certificates else None
        secrets = self.fleet.store.enrol(node, self.at, issuer)
        if fresh:
            files.publish(self.fleet, issuer, self.at)
        return secrets, fresh

    def place(self, node: str, station: str, replaces: str | None) -> str:
        """Write into the registry that a node stands at a station; return "placed", "replaced", or "" where it says so already."""
        content = self.path.read_bytes()
        if node in self.stand(station).there:
            return ""
        try:
            if replaces is None:
                text = place_node(content.decode(), station, node, self.at)
            else:
                text = replace_node(content.decode(), station, new=node, old=replaces, at=self.at).text
        except EditError as error:
            raise RefusedError("board.refused", said=str(error)) from None
        if not durable.edit(self.path, content, text):
            raise RefusedError("provision.registry_changed", registry=self.path)
        return "placed" if replaces is None else "replaced"

    def _others(self, board: str) -> set[str]:
        return {row["node"] for one, row in self._boards.items() if one != board}


def _boards(path: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found
