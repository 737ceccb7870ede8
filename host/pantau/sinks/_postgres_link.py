"""The connection to PostgreSQL: made when it is needed, cut when it hangs, with errors told apart by what they concern."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from pantau.sinks.items import Refused, TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg.rows import TupleRow

    Connection = psycopg.Connection[TupleRow]

_GRACE_S = 2.0  # for the server's own word that it gave up, before the connection is cut

# Every statement of ours finds its rows by a key, and is planned once, perhaps while the tables are empty: it must not have
# been planned to read them whole. Such costs look worth compiling, hence no jit. A commit does not wait for the server's
# disk: what a crash takes back it takes back with its position, and it is delivered again.
_SESSION = """SELECT set_config('statement_timeout', %s, false), set_config('enable_seqscan', 'off', false),
    set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false),
    set_config('synchronous_commit', 'off', false)"""

# What to do about a refusal to connect: libpq gives these without a code, so the words of an English server help to say more.
_ADVICE = {
    "password": "check user and password_file",
    "pg_hba.conf": "admit this user, database and address in the server's pg_hba.conf",
    "certificate": "check ca",
    "does not support ssl": "switch on TLS at the server, or set lab_plain = true on this machine or in a laboratory",
    "does not exist": "create the role and the database, or correct user and dbname",
    "refused": "start the server, or correct host and port",
    "read-only": "name the primary server in host",
}
_OF_CODE = {
    "25006": "the server is a standby; name the primary in host",
    "42501": "the role may not do this: let it own the schema",
    "53100": "the server's disk is full",
    "57014": "it took too long, or somebody cancelled it; look for what holds locks (pg_stat_activity), or raise timeout_s",
    "58P01": "the server lacks a file; see its log",
}


class SchemaGone(Exception):  # noqa: N818  a state that is mended at once
    """Tables of ours are not there: the database was made anew, or somebody dropped a partition."""


class Link:
    """One connection, held open. `told` is what libpq is told; `timeout_s` bounds a delivery."""

    def __init__(self, told: Mapping[str, str | int], timeout_s: float) -> None:
        self._told = told
        self._timeout_s = timeout_s
        self._db: Connection | None = None
        self._late = False
        self.where = f"PostgreSQL at {told['host']}:{told['port']}/{told['dbname']}"

    @property
    def connected(self) -> bool:
        """Return whether there is a connection that has not failed."""
        return self._db is not None and not self._db.closed

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Connect if need be, and tell what goes wrong: TargetTrouble, Refused or SchemaGone.

        After trouble with the server the connection is gone; it rolls back what was open.
        """
        with self.told():
            db = self._connected()
            handle = socket.socket(fileno=os.dup(db.fileno()))  # ours, so that a number used again cannot be meant
            # A server that is stopped keeps its sockets open and never answers: nobody else would end that wait.
            timer = threading.Timer(self._timeout_s + _GRACE_S, self._cut, (handle,))
            timer.daemon = True
            timer.start()
            try:
                yield db
            finally:
                timer.cancel()
                handle.close()
                if db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    self.close()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raise what psycopg raises inside as what it means for a delivery."""
        try:
            yield
        except psycopg.Error as error:
            judged = self._judged(error)
            if isinstance(judged, TargetTrouble):
                self.close()
            raise judged from error

    def close(self) -> None:
        """Let go of the connection."""
        if self._db is not None:
            with suppress(psycopg.Error):
                self._db.close()
            self._db = None

    def _cut(self, handle: socket.socket) -> None:
        self._late = True
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> Connection:
        if self._db is None or self._db.closed:
            self._db, self._late = None, False
            # A machine that vanished says nothing: TCP's own checks find out.
            self._db = psycopg.connect(
                make_conninfo(
                    "", **self._told, keepalives_idle=10, keepalives_interval=5, keepalives_count=3,
                    tcp_user_timeout=int(self._timeout_s * 1000),
                ),
                autocommit=True,
            )  # fmt: skip
            self._db.execute(_SESSION, (str(int(self._timeout_s * 1000)),))
        return self._db

    def _judged(self, error: psycopg.Error) -> TargetTrouble | Refused | SchemaGone:
        """Return what an error concerns: single rows, our tables, or the server as a whole."""
        code, said = error.sqlstate or "", " ".join(str(error).split())
        if self._late:
            return TargetTrouble(f"{self.where} has not answered for {self._timeout_s:g} s; look at it", ambiguous=True)
        # A row without a partition is a check violation too, one that names no constraint.
        if code in {"42P01", "3F000"} or (code == "23514" and error.diag.constraint_name is None):
            return SchemaGone(said)
        if code[:2] in {"22", "23"} or (isinstance(error, psycopg.DataError) and not code):
            return Refused(f"{said} ({code})" if code else said)
        advice = _OF_CODE.get(code, "look at the server and its log")
        if self._db is None and not code:
            advice = next((todo for words, todo in _ADVICE.items() if words in said.lower()), "check [sinks.postgres]")
        shown = f"{self.where}: {said}{f' ({code})' if code else ''}; {advice}"
        return TargetTrouble(shown, ambiguous=self._db is not None)
