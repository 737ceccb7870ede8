"""The tables in PostgreSQL: made, raised to this version, with a partition for each month. Idempotent, safe beside other bridges."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from pantau.sinks.items import TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pantau.sinks._postgres_link import Connection

VERSION = 1
# {n: script that takes version n to n + 1}, run as the script that makes it; never changed once released.
_STEPS: dict[int, str] = {}
_MONTH_NOW = "SELECT extract(year FROM t)::integer, extract(month FROM t)::integer FROM (SELECT now() AT TIME ZONE 'UTC') AS x (t)"  # fmt: skip

# With an advisory lock two bridges make a thing one after the other; the second finds it made.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_POSTGIS = "SELECT to_regtype('geometry') IS NOT NULL"


class Month(NamedTuple):
    """A month of receipt, in UTC."""

    year: int
    month: int

    def next(self) -> Month:
        """Return the month after it."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}_{self.month:02}"

    def begin(self) -> str:
        """Return its first instant as SQL."""
        return f"{self.year:04}-{self.month:02}-01 00:00:00+00"


def bring_up(db: Connection, schema: str) -> None:
    """Make the tables in `schema`, or raise them to this version. Raises TargetTrouble where that cannot be."""
    with db.transaction():
        db.execute(_LOCK, (f"pantau {schema}",))
        version = _version(db, schema)
        if version == VERSION:
            return
        if version > VERSION:
            raise TargetTrouble(
                f"schema {schema} has version {version}, this Pantau knows {VERSION} and older: use the Pantau that wrote it, "
                "or one that is newer; nothing was changed"
            )
        if version == 0:
            _postgis(db)
        _in_schema(db, schema)
        for script in [_script("_postgres.sql")] if version == 0 else [_STEPS[n] for n in range(version, VERSION)]:
            db.execute(script.encode())
        db.execute("UPDATE about SET version = %s", (VERSION,))


def ensure(db: Connection, schema: str, months: Iterable[Month]) -> None:
    """Make the partitions of `months` that are missing.

    Attached, not created in place: that would wait for every reader of the table and let all others wait behind it.
    """
    for month in months:
        with db.transaction():
            db.execute(_LOCK, (f"pantau {schema}",))
            name = f'"{schema}".observations_{month}'
            row = db.execute("SELECT to_regclass(%s)", (name,)).fetchone()
            if row is not None and row[0] is not None:
                continue
            # Room on the pages: the next frame often revises the last reading of the one before it.
            db.execute(f'CREATE TABLE {name} (LIKE "{schema}".observations) WITH (fillfactor = 90)'.encode())
            span = f"FROM ('{month.begin()}') TO ('{month.next().begin()}')"
            db.execute(f'ALTER TABLE "{schema}".observations ATTACH PARTITION {name} FOR VALUES {span}'.encode())


def now(db: Connection) -> Month:
    """Return the server's month."""
    row = db.execute(_MONTH_NOW).fetchone()
    assert row is not None
    return Month(*row)


def _version(db: Connection, schema: str) -> int:
    """Return the version of the tables in `schema`, 0 for none. Raises TargetTrouble when they are somebody else's."""
    table = f'"{schema}".about'
    row = db.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    if row == (True,):
        found = db.execute(f"SELECT version FROM {table}".encode()).fetchone()  # noqa: S608  a checked name
        if found is not None and isinstance(found[0], int):
            return found[0]
    used = db.execute(
        "SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s",
        (schema,),
    ).fetchone()
    if used != (0,):
        raise TargetTrouble(
            f"schema {schema} holds tables that are not Pantau's; name another with schema in [sinks.postgres]"
        )
    return 0


def _postgis(db: Connection) -> None:
    if db.execute(_POSTGIS).fetchone() == (True,):
        return
    offered = db.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'").fetchone()
    if offered == (0,):
        raise TargetTrouble("PostGIS is not installed on the server; on Debian: apt install postgresql-15-postgis-3")
    may = db.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if may != (True,):
        raise TargetTrouble("PostGIS is not in this database; as its superuser, run there: CREATE EXTENSION postgis")
    db.execute("CREATE EXTENSION postgis")


def _in_schema(db: Connection, schema: str) -> None:
    """Make `schema` if need be, and the place where this transaction makes things; PostGIS is found where it was."""
    made = db.execute("SELECT to_regnamespace(%s) IS NOT NULL", (f'"{schema}"',)).fetchone()
    if made != (True,):  # only then, for a role that owns the schema need not be allowed to make one
        db.execute(f'CREATE SCHEMA "{schema}"'.encode())
    db.execute(f"""SELECT set_config('search_path', '"{schema}", ' || current_setting('search_path'), true)""".encode())


def _script(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
