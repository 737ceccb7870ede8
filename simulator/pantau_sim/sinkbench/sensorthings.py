"""The reference of the SensorThings sink: curl, sending CreateObservations bodies that were prepared beforehand."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from pantau.registry import Registry
from pantau.sinks import sensorthings
from pantau.sinks._http import Http
from pantau.sinks._sta_catalog import Catalog
from pantau.sinks._sta_client import Client
from pantau.sinks._sta_ids import NotProvided
from pantau.sinks._sta_rows import Row, array
from pantau.sinks.items import measured
from pantau.sinks.kept import Kept
from pantau.sinks.sensorthings import SensorThingsTable
from pantau_sim.servers import Missing
from pantau_sim.servers import sensorthings as servers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Context, Sink
    from pantau_sim.servers.sensorthings import Server

REFERENCE = "curl of CreateObservations"
serve = servers.running
_ROWS = 1_000  # to a request, for both
_LONGEST_S = 600


def open(server: Server, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on `server`, without later verdicts: curl sends none, and here many are about what only curl sent."""
    table = SensorThingsTable(url=server.url, lab_plain=True, batch=_ROWS, revisions=False)
    return sensorthings.open_sink(table, context)


def reference(server: Server, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the wall seconds in which curl sends `batches`, as many rows to a request as the sink, over one connection.

    The Datastreams must be there: the sink made them. RuntimeError when the server did not store every row.
    """
    if shutil.which("curl") is None:
        raise Missing("curl", "curl")
    folder.mkdir(parents=True, exist_ok=True)
    transfers = []
    for number, body in enumerate(_bodies(server.url, batches, folder)):
        sent, answer = folder / f"{number}.json", folder / f"{number}.answer"
        sent.write_bytes(body)
        transfers.append(
            f'url = "{server.url}/CreateObservations"\ndata-binary = "@{sent}"\noutput = "{answer}"\n'
            'header = "Content-Type: application/json"\nheader = "Expect:"\nsilent\nshow-error\nfail\n'
        )
    config = folder / "curl.config"
    config.write_text("next\n".join(transfers))
    began = time.monotonic()
    subprocess.run(["curl", "--config", config], check=True, timeout=_LONGEST_S)
    took_s = time.monotonic() - began
    for number in range(len(transfers)):
        if "error" in json.loads((folder / f"{number}.answer").read_bytes()):
            raise RuntimeError(
                f"the server did not store all of {folder / f'{number}.json'}; it must know the Datastreams"
            )
    return took_s


def _bodies(url: str, batches: Sequence[Sequence[Decoded]], folder: Path) -> Iterable[bytes]:
    """Yield the requests that the sink would send, but for Datastreams that it has not made yet: they are few."""
    http = Http(SensorThingsTable(url=url, lab_plain=True), "reference")
    kept = Kept(folder, "ids")
    catalog = Catalog(Client(http), kept, Registry([], []), provision=False, definitions=None)
    for batch in batches:
        made = []
        for place, (_, seen) in enumerate(measured(batch)):
            with contextlib.suppress(NotProvided):
                row = Row(place, 0, seen, catalog.stream(seen).id, catalog.feature(seen.station), 0, 0)
                made.append(row)
        made.sort(key=lambda row: row.stream)
        for at in range(0, len(made), _ROWS):
            yield array(made[at : at + _ROWS], intervals=False)[0]
    http.close()
    kept.close()
