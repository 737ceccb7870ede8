"""PostgreSQL with PostGIS: history in monthly partitions, latest values, stations as points; for SQL, GIS and dashboards.

One delivery is one transaction with the log's position in it. A frame that comes again is known by (node, boot, seq).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pantau.problems import ConfigError, Problem
from pantau.settings import FilePath, Port, Secured, read_secret
from pantau.sinks.about import About

if TYPE_CHECKING:
    from pantau.sinks import Context, Sink

ABOUT = About(
    title="PostgreSQL with PostGIS",
    key="identity",
    late="a row like any other, in the partition of the month of its receipt; the latest value stays the newest",
    undated="a row without a date, which gets it when the boot's clock is known",
    missing="a row whose value is NULL",
    revisions="change the row, and the latest value with it",
    receipt="the commit, which has the log's position in it",
    holds_undated=True,
    holds_null=True,
)
_TABLE = "sinks.postgres"


class PostgresTable(Secured):
    """How to reach it. TLS with a verified name unless `lab_plain` admits plain, or `host` is a folder with a Unix socket.

    `host` may name several, with commas: the one that can be written to is taken. Without `ca` the system's authorities
    are believed.
    """

    host: Annotated[str, Field(min_length=1)]
    port: Port = 5432
    dbname: Annotated[str, Field(min_length=1)]
    user: Annotated[str, Field(min_length=1)]
    password_file: FilePath | None = None
    namespace: Annotated[str, Field(alias="schema", pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "pantau"
    connect_timeout_s: Annotated[int, Field(ge=2, le=60)] = 10  # libpq takes no less than 2
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0  # of one delivery

    def conninfo(self) -> dict[str, str | int]:
        """Return what libpq is told, without the password."""
        told: dict[str, str | int] = {
            "host": self.host, "port": self.port, "dbname": self.dbname, "user": self.user,
            "connect_timeout": self.connect_timeout_s, "application_name": "pantau", "client_encoding": "UTF8",
            "target_session_attrs": "read-write", "sslmode": "disable" if self.lab_plain else "verify-full",
        }  # fmt: skip
        if not self.lab_plain:
            told["sslrootcert"] = "system" if self.ca is None else str(self.ca)
        if self.certificate is not None and self.private_key is not None:
            told |= {"sslcert": str(self.certificate), "sslkey": str(self.private_key)}
        return told


def open_sink(settings: PostgresTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet. Raises ConfigError for a password that cannot be read, or without the extra."""
    try:
        from pantau.sinks._postgres_link import Link
        from pantau.sinks._postgres_sink import PostgresSink
    except ImportError as error:
        message = f"needs psycopg, which is not installed ({error}); run: pip install 'pantau[postgres]'"
        raise ConfigError([Problem("", _TABLE, message)]) from None
    told = settings.conninfo()
    if settings.password_file is not None:
        told["password"] = read_secret(settings.password_file, f"{_TABLE}.password_file")
    return PostgresSink(Link(told, settings.timeout_s), settings.namespace, context)
