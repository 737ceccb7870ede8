"""access.sqlite3: people, their sessions, machines' tokens and the log of what was changed.

Of sessions and tokens only the SHA-256 is kept: they are 256 bits of chance, which nobody guesses, and a copy of the file
opens nothing. Roles are looked up at each request, so that one that is taken away is gone at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import sqlite3
import threading
from typing import TYPE_CHECKING, NamedTuple

from pantau.access import passwords
from pantau.access.model import Role, Who, sender_of
from pantau.access.passwords import Passwords
from pantau.access.throttle import Throttle
from pantau.ops.migrate import Schema, bring_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "access.sqlite3"  # in the data folder
TOKEN = "pantau_"  # noqa: S105  how every token begins, so that a leaked one is recognised
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_DAY_MS = 86_400_000
_IDLE_MS = 12 * 3_600_000
_LONGEST_MS = 7 * _DAY_MS
_SEEN_EVERY_MS = 60_000  # a session's last use is written so often
_MOST_AUDIT = 200_000  # rows; the oldest go first
_BUSY_S = 5.0
_AT_ONCE = 8  # passwords that are looked at; more would take the threads of those who read
_SHORT = 500

SCHEMA = Schema(
    "access",
    1,
    create="""
-- Times are Unix milliseconds UTC.
CREATE TABLE people (name TEXT PRIMARY KEY, hash TEXT NOT NULL, role INTEGER NOT NULL, created_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    secret BLOB PRIMARY KEY,
    name TEXT NOT NULL REFERENCES people (name),
    created_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    secret BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    used_ms INTEGER
);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    name TEXT NOT NULL,
    via TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TRIGGER audit_is_final BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the log is written once'); END;
""",
    steps={},
)


class AccessError(ValueError):
    """What was asked cannot be done; the text says why and what to do."""


class LoginError(Exception):
    """Nobody is logged in. `wait_ms` above 0: too many tries, not before then."""

    def __init__(self, wait_ms: int = 0) -> None:
        """Tell no more than that: not whether there is such a name."""
        super().__init__("wrong name or password")
        self.wait_ms = wait_ms


class Person(NamedTuple):
    """Somebody who may log in."""

    name: str
    role: Role
    created_ms: int


class Token(NamedTuple):
    """What a machine shows instead of a password; the secret itself is not kept."""

    id: int
    name: str
    role: Role
    created_ms: int
    expires_ms: int | None
    used_ms: int | None


class Audited(NamedTuple):
    """One line of the log."""

    number: int
    at_ms: int
    name: str
    via: str
    address: str
    action: str
    subject: str
    detail: str


class AccessStore:
    """The file, for any thread and beside other processes. Raises sqlite3.Error, and StoreError for a newer one's file."""

    def __init__(self, path: Path, hasher: Passwords | None = None) -> None:
        self.path = path
        self._passwords = hasher or Passwords()
        self._throttle = Throttle()
        self._verifying = 0
        self._lock = threading.RLock()
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA foreign_keys = ON")
            bring_up(self._db, path, SCHEMA)
            self._db.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def login(self, name: str, password: str, address: str, now_ms: int) -> tuple[str, Who]:
        """Return a new session's secret and who it is of. Raises LoginError. Takes as long for a name that there is not."""
        sender = sender_of(address)
        with self._lock:
            wait_ms = self._throttle.wait_ms(name, sender, now_ms)
            if not wait_ms and self._verifying >= _AT_ONCE:
                wait_ms = 1000  # readers' sessions are looked up in the same threads
            if wait_ms:
                raise LoginError(wait_ms)
            # A failure until it is known to be none: many guesses at once wait as those one after the other do.
            self._throttle.failed(name, sender, now_ms)
            row = self._db.execute("SELECT hash FROM people WHERE name = ?", (name,)).fetchone()
            self._verifying += 1
        try:
            good = self._passwords.verify(row[0] if row else None, password)
        finally:
            with self._lock:
                self._verifying -= 1
        stored = self._passwords.hash(password) if good and self._passwords.outdated(row[0]) else row and row[0]
        with self._transaction():
            # As it is now: while we verified, the password may have been changed or the name removed.
            now = self._db.execute("SELECT hash, role FROM people WHERE name = ?", (name,)).fetchone()
            good = good and now is not None and now[0] == row[0]
            if not good:
                self._note(now_ms, name, "", address, "login refused", "", "")
            else:
                secret = secrets.token_urlsafe(32)
                self._db.execute("UPDATE people SET hash = ? WHERE name = ?", (stored, name))
                self._db.execute("DELETE FROM sessions WHERE abs(? - created_ms) > ?", (now_ms, _LONGEST_MS))
                self._db.execute("INSERT INTO sessions VALUES (?,?,?,?)", (_digest(secret), name, now_ms, now_ms))
                self._note(now_ms, name, "session", address, "login", "", "")
        if not good:
            raise LoginError
        with self._lock:
            self._throttle.worked(name, sender)
        return secret, Who(name, Role(now[1]), "session")

    def session(self, secret: str, now_ms: int) -> Who | None:
        """Return whose session this is, None when it is none or has ended."""
        found = """SELECT s.name, p.role, s.created_ms, s.seen_ms FROM sessions AS s JOIN people AS p ON p.name = s.name
            WHERE s.secret = ?"""
        digest = _digest(secret)
        with self._lock:
            row = self._db.execute(found, (digest,)).fetchone()
            if row is None:
                return None
            # Either way: a session made while the clock was far ahead must not hold until it gets there again.
            if abs(now_ms - row[2]) > _LONGEST_MS or now_ms - row[3] > _IDLE_MS:
                self._db.execute("DELETE FROM sessions WHERE secret = ?", (digest,))
                return None
            if abs(now_ms - row[3]) > _SEEN_EVERY_MS:
                self._used("UPDATE sessions SET seen_ms = ? WHERE secret = ?", (now_ms, digest))
        return Who(row[0], Role(row[1]), "session")

    def logout(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._db.execute("DELETE FROM sessions WHERE secret = ?", (_digest(secret),))

    def token(self, secret: str, now_ms: int) -> Who | None:
        """Return whose token this is, None when it is none, was revoked or has run out."""
        digest = _digest(secret)
        with self._lock:
            row = self._db.execute(
                "SELECT id, name, role, expires_ms, used_ms FROM tokens WHERE secret = ?", (digest,)
            ).fetchone()
            if row is None or (row[3] is not None and now_ms >= row[3]):
                return None
            if abs(now_ms - (row[4] or 0)) > _SEEN_EVERY_MS:
                self._used("UPDATE tokens SET used_ms = ? WHERE id = ?", (now_ms, row[0]))
        return Who(row[1], Role(row[2]), "token")

    def known(self) -> bool:
        """Return whether there is anybody who could log in."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM people LIMIT 1").fetchone() is not None

    def people(self) -> list[Person]:
        """Return everybody, by name."""
        with self._lock:
            rows = self._db.execute("SELECT name, role, created_ms FROM people ORDER BY name").fetchall()
        return [Person(name, Role(role), created_ms) for name, role, created_ms in rows]

    def add_person(self, name: str, password: str, role: Role, by: Who, now_ms: int) -> None:
        """Let somebody log in. Raises AccessError, BadPasswordError."""
        if not _NAME.fullmatch(name):
            raise AccessError(f"{name[:40]!r} is no name: small letters, digits, dot, dash and underscore, 32 at most")
        if role is Role.PUBLIC:
            raise AccessError("everybody is public; give viewer, operator or admin")
        passwords.check(name, password)
        stored = self._passwords.hash(password)
        with self._transaction():
            if self._db.execute("SELECT 1 FROM people WHERE name = ?", (name,)).fetchone():
                raise AccessError(f"there is {name} already; change the role or the password")
            self._db.execute("INSERT INTO people VALUES (?,?,?,?)", (name, stored, role, now_ms))
            self._note(now_ms, by.name, by.via, "", "add person", name, role.name.lower())

    def set_role(self, name: str, role: Role, by: Who, now_ms: int) -> None:
        """Change what somebody may do, at once. Raises AccessError."""
        with self._transaction():
            if not self._db.execute("UPDATE people SET role = ? WHERE name = ?", (role, name)).rowcount:
                raise AccessError(f"there is nobody named {name[:40]}")
            self._note(now_ms, by.name, by.via, "", "change role", name, role.name.lower())

    def set_password(self, name: str, password: str, by: Who, now_ms: int) -> None:
        """Change a password and end all sessions. Raises AccessError, BadPasswordError."""
        passwords.check(name, password)
        stored = self._passwords.hash(password)
        with self._transaction():
            if not self._db.execute("UPDATE people SET hash = ? WHERE name = ?", (stored, name)).rowcount:
                raise AccessError(f"there is nobody named {name[:40]}")
            self._db.execute("DELETE FROM sessions WHERE name = ?", (name,))
            self._note(now_ms, by.name, by.via, "", "change password", name, "")

    def remove_person(self, name: str, by: Who, now_ms: int) -> None:
        """Let somebody log in no more, and end their sessions. Raises AccessError."""
        with self._transaction():
            self._db.execute("DELETE FROM sessions WHERE name = ?", (name,))
            if not self._db.execute("DELETE FROM people WHERE name = ?", (name,)).rowcount:
                raise AccessError(f"there is nobody named {name[:40]}")
            self._note(now_ms, by.name, by.via, "", "remove person", name, "")

    def add_token(self, name: str, role: Role, days: int | None, by: Who, now_ms: int) -> str:
        """Return a new token, which is shown this once. Raises AccessError."""
        if not _NAME.fullmatch(name):
            raise AccessError(f"{name[:40]!r} is no name: small letters, digits, dot, dash and underscore, 32 at most")
        secret = TOKEN + secrets.token_urlsafe(32)
        expires_ms = None if days is None else now_ms + days * _DAY_MS
        with self._transaction():
            row = (_digest(secret), name, role, now_ms, expires_ms)
            self._db.execute("INSERT INTO tokens (secret, name, role, created_ms, expires_ms) VALUES (?,?,?,?,?)", row)
            self._note(now_ms, by.name, by.via, "", "add token", name, role.name.lower())
        return secret

    def tokens(self) -> list[Token]:
        """Return every token, the oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, name, role, created_ms, expires_ms, used_ms FROM tokens ORDER BY id"
            ).fetchall()
        return [Token(number, name, Role(role), *times) for number, name, role, *times in rows]

    def revoke(self, number: int, by: Who, now_ms: int) -> None:
        """Make a token open nothing any more. Raises AccessError."""
        with self._transaction():
            row = self._db.execute("DELETE FROM tokens WHERE id = ? RETURNING name", (number,)).fetchone()
            if row is None:
                raise AccessError(f"there is no token {number}")
            self._note(now_ms, by.name, by.via, "", "revoke token", f"{number} {row[0]}", "")

    def audit(self, who: Who, action: str, subject: str, detail: str, now_ms: int, address: str = "") -> None:
        """Write down what somebody did."""
        with self._transaction():
            self._note(now_ms, who.name, who.via, address, action, subject, detail)

    def log(self, limit: int = 100, before: int | None = None) -> list[Audited]:
        """Return what was done, the newest first; `before` is the last number of the page before."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?", (before or 1 << 62, limit)
            ).fetchall()
        return [Audited(*row) for row in rows]

    def _used(self, update: str, values: tuple[object, ...]) -> None:
        """Write the last use where that can be written: on a full disk people still read."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._db.execute(update, values)

    def _note(self, at_ms: int, name: str, via: str, address: str, action: str, subject: str, detail: str) -> None:
        row = (at_ms, *(text[:_SHORT] for text in (name, via, address, action, subject, detail)))
        number = self._db.execute(
            "INSERT INTO audit (at_ms, name, via, address, action, subject, detail) VALUES (?,?,?,?,?,?,?)", row
        ).lastrowid
        self._db.execute("DELETE FROM audit WHERE number <= ?", ((number or 0) - _MOST_AUDIT,))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
