"""PostgreSQL's own bulk tool: the same observations by psql's \\copy, into the same tables on the same server."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from pantau.registry import Registry
from pantau.sinks import Context, postgres

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Sink
    from pantau_sim.servers.postgres import Server

REFERENCE = "\\copy pantau.observations"
_LOG = "bench"


def open_sink(server: Server, database: str, folder: Path, registry: Registry | None = None) -> Sink:
    """Return the sink on a database of `server` that exists."""
    table = {"host": server.host, "port": server.port, "dbname": database, "user": server.user, "lab_plain": True}
    context = Context("bench", _LOG, folder, registry or Registry([], []))
    return postgres.open_sink(postgres.PostgresTable.model_validate(table), context)


def reference(server: Server, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the seconds that psql takes to copy all observations of `batches` from a file into the empty table.

    The rows are those that the sink makes of them: indexes, partitions and numbers are the same. One \\copy is one
    transaction, the best case; neither frames nor latest values nor positions are written by it.
    """
    database, file = "reference", folder / "observations.txt"
    server.create(database)
    sink = open_sink(server, database, folder)
    for batch in batches:
        bad = [verdict for verdict in sink.deliver(batch) if verdict.kind != "stored"]
        assert not bad, bad[0]
    sink.close()
    try:
        _psql(server, database, f"\\copy (SELECT * FROM pantau.observations ORDER BY frame) TO '{file}'")
        _psql(server, database, "TRUNCATE pantau.observations")
        _psql(server, database, "CHECKPOINT")
        began = time.perf_counter()
        _psql(server, database, f"\\copy pantau.observations FROM '{file}'")
        return time.perf_counter() - began
    finally:
        file.unlink(missing_ok=True)
        server.drop(database)


def _psql(server: Server, database: str, script: str) -> None:
    subprocess.run([*server.psql_command(database), "-c", script], check=True, capture_output=True)
