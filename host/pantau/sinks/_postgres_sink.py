"""The `postgres` sink: a delivery is one transaction that ends with the log's position.

New frames get numbers greater than all before them, so their rows go by COPY straight into the table: nothing of them can
be there. What comes again goes the slow way, through a table of the session.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pantau.sinks import Verdict, items
from pantau.sinks import _postgres_schema as schemas
from pantau.sinks import _postgres_sql as sql
from pantau.sinks._postgres_link import SchemaGone
from pantau.sinks._postgres_places import put_places
from pantau.sinks._postgres_rows import Bad
from pantau.sinks._postgres_store import Store, Taken
from pantau.sinks.items import Refused, TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.registry import Registry
    from pantau.sinks import Context
    from pantau.sinks._postgres_link import Connection, Link


class _Held(NamedTuple):
    """What the database says of itself: which one it is, and through which frame it holds our log."""

    made: object
    position: int


class PostgresSink:
    """One writer for one log. Readers come by SQL."""

    name = "postgres"

    def __init__(self, link: Link, schema: str, context: Context) -> None:
        self._link = link
        self._schema = schema
        self._log = context.log
        self._registry = context.registry
        self._say = cache(lambda words: str(words).replace("{s}", f'"{schema}"').encode())
        self._store = Store(self._say, schema)
        self._ready = False  # tables and coming partitions are there, for this connection
        self._placed = False  # so is the registry
        self._seen: _Held | None = None  # what the database held after the last delivery

    def position(self) -> int | None:
        """Return through which frame the database holds our log, None when it cannot be asked."""
        try:
            with self._using() as db:
                self._seen = self._held(db)  # who asks is told of a loss so
                return self._seen.position
        except (TargetTrouble, Refused, SchemaGone):
            return None

    def use(self, registry: Registry) -> None:
        """Take over another registry; the next delivery writes it."""
        self._registry, self._placed = registry, False

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Apply `batch` in one transaction and return a verdict for each frame."""
        try:
            try:
                return self._deliver(batch)
            except SchemaGone:
                return self._deliver(batch)  # what is missing is made anew
        except (SchemaGone, Refused) as error:
            trouble = TargetTrouble(f"{self._link.where}: {error}; somebody changes the tables while we deliver")
        except TargetTrouble as error:
            trouble = error
        return items.retry(batch, trouble)

    def find(self, observation: Observation) -> str | None:
        """Return how the view `readings` shows this observation, None when it is not there. Raises TargetTrouble."""
        try:
            with self._using() as db:
                row = db.execute(self._say(sql.SHOWN), observation.key).fetchone()
        except (Refused, SchemaGone) as error:
            raise TargetTrouble(f"{self._link.where}: {error}") from error
        return None if row is None else f"{self._schema}.readings: {row[0]}"

    def figures(self) -> Mapping[str, float]:
        """Return nothing: what the server does is told by its own statistics."""
        return {}

    def close(self) -> None:
        """Let go of the connection; deliveries that returned stay delivered."""
        self._link.close()

    @contextmanager
    def _using(self) -> Iterator[Connection]:
        """Connect, and make sure that the tables are there. After any trouble the next use looks again."""
        try:
            with self._link.use() as db:
                if not self._ready:
                    schemas.bring_up(db, self._schema)
                    self._store.ensure(db, [schemas.now(db)])
                    db.execute(self._say(sql.TEMPORARY))
                    self._ready = True
                yield db
        except BaseException:
            self._ready = self._placed = False
            self._store.forget()
            raise

    def _held(self, db: Connection) -> _Held:
        row = db.execute(self._say(sql.ABOUT), (self._log,)).fetchone()
        if row is None:
            raise TargetTrouble(f"{self._link.where}: {self._schema}.about is empty: restore it, or drop the schema")
        return _Held(row[0], row[1] or 0)

    def _deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        good = {at: decoded for at, decoded in enumerate(batch) if not decoded.error}
        with self._using() as db:
            self._place(db)
            try:
                taken = self._transaction(db, batch, good, sift=False)
            except Refused:  # something of it cannot be held: once more, looking for what
                self._store.forget()
                taken = self._transaction(db, batch, good, sift=True)
        return [_verdict(decoded, taken.get(at)) for at, decoded in enumerate(batch)]

    def _place(self, db: Connection) -> None:
        if self._placed:
            return
        try:
            with self._link.told():
                put_places(db, self._say, self._registry)
        except Refused as error:
            raise TargetTrouble(f"{self._link.where} refuses the registry: {error}; correct registry.toml") from error
        self._placed = True

    def _transaction(
        self, db: Connection, batch: Sequence[Decoded], good: Mapping[int, Decoded], *, sift: bool
    ) -> dict[int, Taken]:
        """Apply the frames of `good`, by their places in `batch`, and note the position."""
        position = max((decoded.id for decoded in batch), default=0)
        with self._link.told(), db.transaction():
            self._store.begin()
            held = self._held(db)
            self._notice_loss(held)
            if sift:
                taken = self._sift(db, list(good.items()))
            else:
                taken = dict(zip(good, self._store.take(db, list(good.values())), strict=True)) if good else {}
            db.execute(self._say(sql.POSITION), (self._log, position))
        self._seen = _Held(held.made, max(held.position, position))
        return taken

    def _notice_loss(self, held: _Held) -> None:
        """Raise TargetTrouble, once, when the database holds less than it did: the follower asks for the position then."""
        before, self._seen = self._seen, held
        if before is None or (held.made == before.made and held.position >= before.position):
            return
        raise TargetTrouble(
            f"{self._link.where} holds log {self._log} through frame {held.position}, and held it through {before.position}: it "
            "was made anew or restored from a copy; it gets again what the log still has"
        )

    def _sift(self, db: Connection, frames: Sequence[tuple[int, Decoded]]) -> dict[int, Taken]:
        """Apply what can be held of `frames`, (place, frame), halving them where the database refuses."""
        if not frames:
            return {}
        try:
            with self._link.told(), db.transaction():
                return dict(zip([at for at, _ in frames], self._store.take(db, [d for _, d in frames]), strict=True))
        except Refused as refused:
            self._store.forget()
            halves = _halves(frames)
            if not halves:
                ((at, decoded),) = frames
                return {at: Taken(new=False, bad=[Bad(next(iter(decoded.observations), None), str(refused))])}
        taken: dict[int, Taken] = {}
        for half in halves:
            for at, one in self._sift(db, half).items():
                before = taken.get(at, Taken(new=False))
                taken[at] = Taken(before.new or one.new, [*before.bad, *one.bad])
        return taken


def _halves(frames: Sequence[tuple[int, Decoded]]) -> list[list[tuple[int, Decoded]]]:
    """Return `frames` in two: frames apart, then observations apart from the rest of their frame, then those in two."""
    if len(frames) > 1:
        middle = len(frames) // 2
        return [list(frames[:middle]), list(frames[middle:])]
    at, decoded = frames[0]
    seen = decoded.observations
    if seen and (decoded.health is not None or decoded.revisions):
        return [[(at, replace(decoded, health=None, revisions=()))], [(at, replace(decoded, observations=()))]]
    if len(seen) > 1:
        middle = len(seen) // 2
        return [[(at, replace(decoded, observations=half))] for half in (seen[:middle], seen[middle:])]
    return []


def _verdict(decoded: Decoded, taken: Taken | None) -> Verdict:
    if taken is None:
        return Verdict("rejected", decoded.error or "")
    if not taken.bad:
        return Verdict("stored" if taken.new else "duplicate")
    of_frame = [reason for seen, reason in taken.bad if seen is None]
    bad = [(items.Item(0, seen), items.Outcome("rejected", reason)) for seen, reason in taken.bad if seen is not None]
    good = [(items.Item(0, seen), items.STORED) for seen in decoded.observations[len(bad) :]]  # to be counted
    said = items.verdicts([decoded], [item for item, _ in bad + good], [outcome for _, outcome in bad + good])[0].reason
    return Verdict("rejected", "; ".join(([said] if bad else []) + of_frame))
