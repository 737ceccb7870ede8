"""The reference of the PostgreSQL sink: psql's own copy command, with the same observations, into the same tables."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pantau.registry import Registry
from pantau.sinks import Context, postgres
from pantau_sim.servers.postgres import running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Sink
    from pantau_sim.servers.postgres import Server

REFERENCE = r"psql \copy"
_DATABASE, _REFERENCE = "city", "reference"


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Run a cluster as Debian sets it up, fsync and all, with a database."""
    with running(folder) as server:
        server.create(_DATABASE)
        yield server


def open(server: Server, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the sink on that database."""
    return _open(server, _DATABASE, context)


def reference(server: Server, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the seconds that psql takes to copy all observations of `batches` from a file into the empty table.

    The rows are those that the sink makes of them: numbers, partitions and indexes are the same. It is one transaction,
    the best case; neither frames nor latest values, nodes or positions are written by it.
    """
    file = folder / "observations.txt"
    server.create(_REFERENCE)
    try:
        sink = _open(server, _REFERENCE, Context("bench", "reference", folder, Registry([], [])))
        for batch in batches:
            bad = [verdict for verdict in sink.deliver(batch) if verdict.kind in {"retry", "rejected"}]
            if bad:
                raise RuntimeError(f"the sink did not take its own work: {bad[0]}")
        sink.close()
        _psql(server, rf"\copy (SELECT * FROM pantau.observations ORDER BY frame) TO '{file}'")  # noqa: S608  a path of ours
        _psql(server, "TRUNCATE pantau.observations")
        _psql(server, "CHECKPOINT")
        began = time.perf_counter()
        _psql(server, rf"\copy pantau.observations FROM '{file}'")
        return time.perf_counter() - began
    finally:
        file.unlink(missing_ok=True)
        server.drop(_REFERENCE)


def _open(server: Server, database: str, context: Context) -> Sink:
    table = {"host": server.host, "port": server.port, "dbname": database, "user": server.user, "lab_plain": True}
    return postgres.open_sink(postgres.PostgresTable.model_validate(table), context)


def _psql(server: Server, script: str) -> None:
    subprocess.run([*server.psql_command(_REFERENCE), "-c", script], check=True, capture_output=True)
