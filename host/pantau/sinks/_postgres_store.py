"""One delivery inside its transaction: frames, observations, latest values, revisions, nodes."""

from __future__ import annotations

import struct
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pantau.sinks import _postgres_rows as rows
from pantau.sinks import _postgres_schema as schemas
from pantau.sinks import _postgres_sql as sql
from pantau.sinks._postgres_nodes import seen
from pantau.sinks._postgres_rows import Bad, Stored
from pantau.sinks._postgres_words import Words
from pantau.sinks.items import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pantau.decode import Decoded
    from pantau.model import Revision
    from pantau.sinks._postgres_link import Connection
    from pantau.sinks._postgres_words import Say

    Identity = tuple[int, int, int]  # node id, boot, seq

_ROWS = 1_000  # sent at once: 100 kB, so that the server begins early and neither side is woken for little


class Taken(NamedTuple):
    """What became of a frame: whether it told the database anything, and what of it cannot be held."""

    new: bool
    bad: Sequence[Bad] = ()


class Store:
    """Applies frames in the transaction that is open, and knows what the database knows. After a rollback: `forget`."""

    def __init__(self, say: Say, schema: str) -> None:
        self.words = Words(say)
        self._say = say
        self._schema = schema
        self._months: set[schemas.Month] = set()  # that have a partition
        self._used: set[str] = set()  # tables of the session that hold rows of this transaction

    def forget(self) -> None:
        """Believe nothing about the database: what was made in this transaction is undone, or it is another one."""
        self.words.forget()
        self._months.clear()

    def begin(self) -> None:
        """Note that a transaction begins."""
        self._used.clear()
        self.words.bound()

    def ensure(self, db: Connection, months: Iterable[schemas.Month]) -> None:
        """Make the partitions of `months`, and in advance of those after them."""
        wanted = {month for first in months for month in (first, first.next())}
        if missing := wanted - self._months:
            schemas.ensure(db, self._schema, sorted(missing))
            self._months |= missing

    def take(self, db: Connection, frames: Sequence[Decoded]) -> list[Taken]:
        """Apply frames, none with an error, in order. Raises Refused for what concerns a frame as a whole."""
        try:
            nodes = self.words.ids(db, "nodes", {decoded.node for decoded in frames})
            received = [rows.micros(decoded.received_ms) for decoded in frames]
            self.ensure(db, {_month(decoded.received_ms) for decoded in frames})
        except (ValueError, OverflowError) as error:
            raise Refused(str(error)) from error
        identities = [(nodes[decoded.node], decoded.boot, decoded.seq) for decoded in frames]
        # The first of each identity; a boot that was dated may have told a frame of this batch once more.
        firsts: dict[Identity, int] = {}
        for at, identity in enumerate(identities):
            firsts.setdefault(identity, at)
        new = self._register(db, {of: (received[at], frames[at].interval_s) for of, at in firsts.items()})
        known = new | self._known(db, firsts.keys() - new.keys())
        taken = [Taken(new=False)] * len(frames)
        fresh = {firsts[identity]: stored for identity, stored in new.items()}
        then: list[tuple[str, tuple[str, ...]]] = []
        if self._store(db, frames, dict(sorted(fresh.items())), taken):
            then.append((sql.LATEST, ()))
        rest = [(at, known[identity]) for at, identity in enumerate(identities) if at not in fresh]
        if rest:
            self._run(db, then)
            then.clear()
        for some in _rounds(rest):
            self._again(db, frames, some, taken)
        if self._revise(db, frames, taken):
            then.append((sql.REVISE, ()))
        self._run(db, [*then, (sql.NODES, (seen(frames, nodes),))])
        return taken

    def _run(self, db: Connection, statements: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        """Execute statements without waiting between them."""
        with db.pipeline():
            for statement, given in statements:
                db.execute(self._say(statement), given)

    def _register(self, db: Connection, frames: Mapping[Identity, tuple[int, int]]) -> dict[Identity, Stored]:
        """Insert those of {identity: (received, interval)} that are not there; return them with their numbers."""
        nodes, boots, seqs = (list(part) for part in zip(*frames, strict=True))
        received, intervals = (list(part) for part in zip(*frames.values(), strict=True))
        found = db.execute(self._say(sql.FRAMES), (nodes, boots, seqs, received, intervals))
        return {(n, b, s): Stored(number, n, frames[n, b, s][0]) for n, b, s, number in found}

    def _known(self, db: Connection, identities: Iterable[Identity]) -> dict[Identity, Stored]:
        """Return frames that are there, as they were received first; their month may have been dropped since."""
        if not (keys := list(identities)):
            return {}
        nodes, boots, seqs = (list(part) for part in zip(*keys, strict=True))
        found = db.execute(self._say(sql.KNOWN), (nodes, boots, seqs)).fetchall()
        self.ensure(db, {_month(rows.millis(received)) for *_, received in found})
        return {(n, b, s): Stored(number, n, received) for n, b, s, number, received in found}

    def _store(self, db: Connection, frames: Sequence[Decoded], some: Mapping[int, Stored], taken: list[Taken]) -> bool:
        """Store frames whose identity is new: nothing of them can be there. Return whether `told` has latest values now.

        They are encoded while the server stores those before them. It cannot be asked for anything meanwhile, so frames with
        a text that is not known yet come after the others.
        """
        encoder = rows.Encoder(self.words.tags, rows.unknown, self.words.station)
        later: dict[int, Stored] = {}
        with db.cursor() as cursor, cursor.copy(self._say(sql.COPY_NEW)) as copy:
            out = [rows.HEAD]
            for at, stored in some.items():
                try:
                    made, bad = encoder.rows(frames[at].observations, stored)
                except LookupError:
                    later[at] = stored
                    continue
                out += made
                taken[at] = Taken(new=True, bad=bad)
                if len(out) > _ROWS:
                    copy.write(b"".join(out))
                    out.clear()
            copy.write(b"".join((*out, rows.TAIL)))
        if later:
            self._copy(db, sql.COPY_NEW, self._encode(db, frames, later, taken, encoder.newest))
            for at in later:
                taken[at] = Taken(new=True, bad=taken[at].bad)
        if encoder.newest:
            self._copy(db, sql.COPY_TOLD, [row for _, row in encoder.newest.values()], "told")
        return bool(encoder.newest)

    def _again(self, db: Connection, frames: Sequence[Decoded], some: Mapping[int, Stored], taken: list[Taken]) -> None:
        """Add what frames that are there did not say before. No frame twice in `some`."""
        out = self._encode(db, frames, some, taken)
        if not out:
            return
        self._copy(db, sql.COPY_TOLD, out, "told")
        told = {number for (number,) in db.execute(self._say(sql.AGAIN))}
        for at, stored in some.items():
            taken[at] = Taken(stored.frame in told, taken[at].bad)

    def _encode(
        self,
        db: Connection,
        frames: Sequence[Decoded],
        some: Mapping[int, Stored],
        taken: list[Taken],
        newest: rows.Newest | None = None,
    ) -> list[bytes]:
        """Return the rows of frames, learning every text that they need."""
        words = self.words
        stations = {seen.station for at in some for seen in frames[at].observations[:1] if seen.station}
        with suppress(ValueError):  # of one that is no text: its observations are told so below
            words.ids(db, "stations", stations)
        encoder = rows.Encoder(
            words.tags, lambda one: words.learn(db, one), lambda name: words.id(db, "stations", name), newest
        )
        out: list[bytes] = []
        for at, stored in some.items():
            made, bad = encoder.rows(frames[at].observations, stored)
            out += made
            taken[at] = Taken(taken[at].new, bad)
        return out

    def _revise(self, db: Connection, frames: Sequence[Decoded], taken: list[Taken]) -> bool:
        """Put into `revised` what became known later about stored observations; return whether there is anything.

        The last word on each counts. Delivered again in the order of the log they end in the same rows.
        """
        last: dict[tuple[str, int, int, int, str], tuple[int, Revision]] = {}
        for at, decoded in enumerate(frames):
            for told in decoded.revisions:
                before = last.get(told.key)
                if before is not None and told.observed_at_ms is None:
                    told = told._replace(observed_at_ms=before[1].observed_at_ms)
                last[told.key] = (at, told)
        out = []
        for at, told in last.values():
            try:
                out.append(self._revision(db, told))
            except LookupError:  # of a property that was never delivered
                continue
            except (ValueError, struct.error) as error:
                reason = f"revision of {told.key[4]}[{told.key[3]}] of frame {told.key[2]}: {error}"
                taken[at] = Taken(taken[at].new, [*taken[at].bad, Bad(None, reason)])
        if out:
            self._copy(db, sql.COPY_REVISED, out, "revised")
        return bool(out)

    def _revision(self, db: Connection, told: Revision) -> bytes:
        node, *key, name = told.key
        number = self.words.known_property(db, name)
        words = (self.words.id(db, "words", told.reason), self.words.id(db, "words", told.tests))
        at = self.words.id(db, "nodes", node)
        return rows.revised(at, (key[0], key[1], key[2]), number, told.quality, words, told.observed_at_ms)

    def _copy(self, db: Connection, statement: str, data: Iterable[bytes], table: str = "") -> None:
        """Copy rows into a table; into one of the session after what this transaction had there before."""
        if table in self._used:
            db.execute(self._say(sql.CLEAR[table]))
        elif table:
            self._used.add(table)
        with db.cursor() as cursor, cursor.copy(self._say(statement)) as copy:
            copy.write(rows.copy(data))


def _rounds(rest: Iterable[tuple[int, Stored]]) -> list[dict[int, Stored]]:
    """Return frames in turns, {place: frame}, none twice in a turn: one statement must not meet a row twice."""
    turns: list[dict[int, Stored]] = []
    met: defaultdict[int, int] = defaultdict(int)
    for at, stored in rest:
        turn = met[stored.frame]
        met[stored.frame] += 1
        if turn == len(turns):
            turns.append({})
        turns[turn][at] = stored
    return turns


def _month(at_ms: int) -> schemas.Month:
    """Return the month of a receipt. ValueError or OverflowError outside the years 1 to 9999."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return schemas.Month(at.year, at.month)
