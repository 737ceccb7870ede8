"""The SensorThings sink on a real server, read back from the server's own database."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pantau.registry import Registry
from pantau.sinks import Context
from pantau.sinks.sensorthings import SensorThings, SensorThingsTable
from pantau_sim.servers import sensorthings
from sinks.kit import CITY, LOG, Row, registry

PREFIX = "sensorthings_v1_1_django_backend_"
ROWS = f"""
SELECT d.name, o.parameters, o.result, o.phenomenon_time_begin, f.name
FROM {PREFIX}observation o JOIN {PREFIX}datastream d ON d.id = o.datastream_id
JOIN {PREFIX}featureofinterest f ON f.id = o.feature_of_interest_id ORDER BY d.name, o.phenomenon_time_begin
"""


class Kit:
    name = "sensorthings"
    keyed_by = "identity"
    holds_null = False
    holds_undated = False
    takes_revisions = True
    can_lose = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.server = self._stack.enter_context(sensorthings.running(folder / "server"))

    def open(
        self, folder: Path | None = None, url: str | None = None, places: Registry | None = None, **given: Any
    ) -> SensorThings:
        settings = SensorThingsTable(url=url or self.server.url, lab_plain=True, timeout_s=10.0, **given)
        return SensorThings(settings, Context(CITY, LOG, folder or self.folder / "sink", places or registry()))

    def rows(self) -> list[Row]:
        return [row for row, _ in self.placed()]

    def placed(self) -> list[tuple[Row, str]]:
        """Every observation with the name of its FeatureOfInterest."""
        out = []
        for stream, text, value, time, feature in self.sql(ROWS):
            node, _, name = stream.partition("/")
            told = json.loads(text)
            when = datetime.fromisoformat(time).replace(tzinfo=UTC)
            at_ms = round(when.timestamp() * 1000)
            row = Row(node, told["boot"], told["seq"], told["index"], name, value, at_ms, told["quality"])
            out.append((row, feature))
        return out

    def sql(self, statement: str) -> list[tuple]:
        """Run one statement on the server's database, behind its back."""
        with contextlib.closing(sqlite3.connect(self.server.database, timeout=10, isolation_level=None)) as db:
            return db.execute(statement).fetchall()

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()

    def lose(self) -> None:
        self.server.lose()

    def close(self) -> None:
        self._stack.close()
