"""The line protocol sink on a real InfluxDB 1.x, read back by its query API."""

from __future__ import annotations

import json
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pantau.sinks import Context, Sink
from pantau.sinks.line import LineTable, open_sink
from pantau_sim.servers import influx
from sinks.kit import LOG, Row, registry

DB = "city"


class Kit:
    name = "line"
    keyed_by = "time"
    holds_null = False
    holds_undated = False
    takes_revisions = True
    can_lose = True
    overwrites = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.server = self._stack.enter_context(influx.running(folder / "influx"))

    def settings(self, **given: Any) -> LineTable:
        return LineTable(url=self.server.url, lab_plain=True, db=DB, create=True, **given)

    def open(self, folder: Path | None = None, **given: Any) -> Sink:
        context = Context("tng", LOG, folder or self.folder / "sink", registry())
        return open_sink(self.settings(**given), context)

    def rows(self) -> list[Row]:
        """The points; one without a value would be a verdict laid over nothing, and shows."""
        told = self.query("SELECT * FROM /.*/")
        return [
            Row(
                point["node"], None, None, None, series["name"], point["value"], point["time"],
                None if point["quality"] is None else int(point["quality"]),
            )
            for series in told
            if series["name"] != "pantau_bridge"
            for values in series["values"]
            for point in [dict(zip(series["columns"], values, strict=True))]
        ]  # fmt: skip

    def query(self, text: str, method: str = "GET") -> list[dict[str, Any]]:
        asked = urlencode({"db": DB, "epoch": "ms", "q": text})
        request = urllib.request.Request(f"{self.server.url}/query?{asked}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            result = json.load(answer)["results"][0]
        return result.get("series", [])

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()

    def lose(self) -> None:
        self.query(f'DROP DATABASE "{DB}"', "POST")

    def close(self) -> None:
        self._stack.close()
