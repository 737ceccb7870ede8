"""PostgreSQL with PostGIS, a cluster of its own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from pantau.sinks import Context, postgres
from pantau_sim.servers.postgres import running
from sinks.kit import CITY, LOG, Row, registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau.registry import Registry
    from pantau.sinks._postgres_sink import PostgresSink

DATABASE, _BLANK = "city", "blank"
# Tests do not cut the power: without fsync a commit costs microseconds.
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=20", "shared_buffers=64MB", "autovacuum=off")
_ROWS = """SELECT node, boot, seq, idx, property, value, (extract(epoch FROM observed_at) * 1000)::bigint, quality
    FROM pantau.readings"""


class Kit:
    """One database `city`; the sink has `timeout_s` for a delivery."""

    name = "postgres"
    keyed_by = "identity"
    holds_null = True
    holds_undated = True
    takes_revisions = True
    can_lose = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # The server's own user must get there, and pytest's folders are closed to others.
        self._place = Path(tempfile.mkdtemp(prefix="pantau-postgres-"))
        self._stack = contextlib.ExitStack()
        try:
            self.server = self._stack.enter_context(running(self._place, settings=SETTINGS))
            self.server.create(_BLANK)
            self.lose()
        except BaseException:
            self.close()
            raise

    def open(
        self, folder: Path | None = None, places: Registry | None = None, log: str = LOG, **settings: object
    ) -> PostgresSink:
        table = {
            "host": self.server.host, "port": self.server.port, "dbname": DATABASE, "user": self.server.user,
            "lab_plain": True, **settings,
        }  # fmt: skip
        context = Context(CITY, log, folder or self.folder, places or registry())
        return postgres.open_sink(postgres.PostgresTable.model_validate(table), context)

    def ask(self, words: str) -> list[tuple]:
        """What a statement answers; its changes stay."""
        with psycopg.connect(f"{self.server.url}/{DATABASE}", autocommit=True) as db:
            cursor = db.execute(words)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> list[Row]:
        if self.ask("SELECT to_regclass('pantau.readings')") == [(None,)]:
            return []
        return [Row(*row) for row in self.ask(_ROWS)]

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()

    def lose(self) -> None:
        self.server.drop(DATABASE)
        self.server.psql(f"CREATE DATABASE {DATABASE} TEMPLATE {_BLANK}")

    @contextlib.contextmanager
    def another(self) -> Iterator[None]:
        """Another database of the same name meanwhile, that nobody has used."""
        self.server.psql(f"ALTER DATABASE {DATABASE} RENAME TO kept")
        self.lose()
        yield
        self.server.drop(DATABASE)
        self.server.psql(f"ALTER DATABASE kept RENAME TO {DATABASE}")

    def close(self) -> None:
        self._stack.close()
        shutil.rmtree(self._place, ignore_errors=True)
