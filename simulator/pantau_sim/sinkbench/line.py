"""The reference of the line protocol sink: curl, writing bodies that were prepared beforehand, as large as the sink's."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pantau.sinks import _line_text, line
from pantau.sinks.items import measured
from pantau.sinks.line import LineTable
from pantau_sim.servers import Missing, influx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Context, Sink
    from pantau_sim.servers.influx import Server

REFERENCE = "curl of /write"
_DATABASE = "city"
_REFERENCES = itertools.count(1)
_LONGEST_S = 600


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Run InfluxDB 1.x as Debian sets it up, with a database."""
    with influx.running(folder) as server:
        _create(server, _DATABASE)
        yield server


def open(server: Server, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on that database."""
    return line.open_sink(_table(server), context)


def reference(server: Server, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the wall seconds in which curl writes the lines of `batches`, over one connection, into an empty database."""
    if shutil.which("curl") is None:
        raise Missing("curl", "curl")
    folder.mkdir(parents=True, exist_ok=True)
    database = f"reference{next(_REFERENCES)}"
    _create(server, database)
    most = _table(server).batch
    transfers: list[str] = []
    for batch in batches:
        lines = [_line_text.point(seen, texts=True) for _, seen in measured(batch)]
        for at in range(0, len(lines), most):
            sent = folder / f"{len(transfers)}.lines"
            sent.write_text("\n".join(lines[at : at + most]))
            transfers.append(
                f'url = "{server.url}/write?db={database}&precision=ms"\ndata-binary = "@{sent}"\n'
                'header = "Expect:"\nsilent\nshow-error\nfail\n'
            )
    config = folder / "curl.config"
    config.write_text("next\n".join(transfers))
    began = time.perf_counter()
    subprocess.run(["curl", "--config", config], check=True, timeout=_LONGEST_S)
    return time.perf_counter() - began


def _table(server: Server) -> LineTable:
    return LineTable(url=server.url, lab_plain=True, db=_DATABASE)


def _create(server: Server, database: str) -> None:
    url = f"{server.url}/query?q=CREATE+DATABASE+{database}"
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30).close()  # noqa: S310  our own server
