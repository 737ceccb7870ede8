"""The NGSI-LD sink on the broker stub, which is ours: there is no broker to install."""

from __future__ import annotations

import json
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pantau import mapping
from pantau.sinks import Context
from pantau.sinks import _ngsi_entities as sdm
from pantau.sinks.ngsi_ld import NgsiLdTable, open_sink
from pantau_sim.servers import ngsi_stub
from pantau_wire import names as wire
from sinks.kit import CITY, LOG, Row, registry

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.sinks import Sink

_PROPERTIES = {
    (row.type, row.attribute, row.part): (name, row)
    for name, *_ in wire.PROPERTIES.values()
    for row in mapping.attributes(name)
    if row.type != "DeviceMeasurement"
}


class Kit:
    """A broker that records each change of the current state; what is late goes to it by the temporal API."""

    name = "ngsi_ld"
    keyed_by = "time"
    holds_null = holds_undated = False
    takes_revisions = True
    can_lose = True
    omits = frozenset({"time_offset"})

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.server = self._stack.enter_context(ngsi_stub.running(folder / "broker"))

    def open(self, folder: Path | None = None) -> Sink:
        settings = NgsiLdTable(url=self.server.url, lab_plain=True, timeout_s=5.0)
        return open_sink(settings, Context(CITY, LOG, folder or self.folder / "sink", registry()))

    def rows(self) -> list[Row]:
        with urllib.request.urlopen(f"{self.server.url}/ngsi-ld/v1/temporal/entities") as answer:
            entities = json.load(answer)
        return [row for entity in entities for row in _rows(entity)]

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()

    def lose(self) -> None:
        self.server.lose()

    def close(self) -> None:
        self._stack.close()


def _rows(entity: dict) -> list[Row]:
    """Return the readings in an entity's history; a correction of the current state is an instance beside the first."""
    kind, _, node, *rest = entity["id"].split(":")[2:]
    part = rest[0] if rest else None
    rows: dict[tuple, list[Row]] = {}
    for attribute, instances in entity.items():
        if kind == "DeviceMeasurement":
            found = (part, mapping.generic(part)) if attribute == "numValue" else None
        else:
            found = _PROPERTIES.get((kind, attribute, part))
        for one in instances if found else []:
            value, quality = one["value"], one[sdm.QUALITY]["value"]
            boot, seq, index = map(int, one[sdm.RECORD]["value"].split("/"))
            name, row = found
            value = row.words.index(value) + 1.0 if row.words else value / row.scale
            told = Row(node, boot, seq, index, name, value, sdm.milliseconds(one["observedAt"]), quality)
            same = rows.setdefault((name, told.observed_at_ms), [])
            same[:] = [r for r in same if r.quality == told.quality]
            same.append(told)
    return [row for same in rows.values() for row in same]
