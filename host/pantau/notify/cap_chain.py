"""Which CAP messages an alert makes: a chain of Alert, Updates and a Cancel. I/O-free.

The chain follows from the log of decisions and the time alone, so that nothing is kept beside it: a message is the same
whenever it is asked for. A message expires two hours after it was sent; while the alert stands it is renewed each hour,
so a bridge that is gone leaves no warning behind that nobody takes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pantau.alerts.reads import Entry

VALID_MS, RENEW_MS = 7_200_000, 3_600_000
ALERT, UPDATE, CANCEL = "Alert", "Update", "Cancel"
ENDED, WITHDRAWN, ASIDE = "ended", "withdrawn", "aside"  # why a Cancel
_WHY = {"clear": ENDED, "withdraw": WITHDRAWN}
_NEWS = frozenset({"reopen", "escalate", "deescalate", "confirm", "update"})  # what changes for the public
_MOST_REFERENCES = 100


class Ref(NamedTuple):
    """What names a message for ever, beside its sender."""

    alert: int
    decision: int
    decided_s: int  # a store that begins anew counts anew: the time keeps its identifiers apart
    renewal: int = 0

    def identifier(self, city: str) -> str:
        """Return the text; without spaces, commas, < and &, which the standard forbids."""
        return f"{city}.{self.alert}.{self.decision}.{self.decided_s}.{self.renewal}"

    @classmethod
    def parse(cls, city: str, identifier: str) -> Ref | None:
        """Return what `identifier` returned, None for what it never returns."""
        head, *numbers = identifier.rsplit(".", 4)
        if head != city or len(numbers) != len(cls._fields):
            return None
        if not all(n.isascii() and n.isdigit() and len(n) < 16 for n in numbers):
            return None
        ref = cls(*map(int, numbers))
        return ref if ref.identifier(city) == identifier else None


class Message(NamedTuple):
    """One message. `told` is the decision whose sentence it says: never one that names staff. `why` is of a Cancel only."""

    ref: Ref
    kind: str
    sent_ms: int
    entry: Entry
    told: Entry
    references: tuple[tuple[Ref, int], ...] = ()  # with when each was sent
    why: str = ""

    @property
    def expires_ms(self) -> int:
        """Return until when it holds unless another follows."""
        return self.sent_ms + VALID_MS


class _Link(NamedTuple):
    """A message that a decision made, and until when it is renewed (None: still; its own time for a Cancel)."""

    message: Message
    until_ms: int | None

    def sent(self, before_ms: int, after_ms: int) -> Iterator[tuple[Ref, int]]:
        """Yield this message and its renewals that were sent in after_ms..before_ms, ends excluded and included."""
        first, ref = self.message.sent_ms, self.message.ref
        number = max(0, (after_ms - first) // RENEW_MS + 1)
        while (at_ms := first + number * RENEW_MS) <= before_ms and (self.until_ms is None or at_ms < self.until_ms):
            yield ref._replace(renewal=number), at_ms
            number += 1


def newest(entries: Sequence[Entry], now_ms: int) -> Message | None:
    """Return the message that stands for an alert now, None when the public was never told of it."""
    chain = _chain(entries)
    if not chain:
        return None
    link = chain[-1]
    number = 0 if link.message.kind == CANCEL else max(0, now_ms - link.message.sent_ms) // RENEW_MS
    return _renewed(chain, link, number) if number else link.message


def named(entries: Sequence[Entry], ref: Ref, now_ms: int) -> Message | None:
    """Return the message of this name, None when there is none, or not yet."""
    chain = _chain(entries)
    link = next((one for one in chain if one.message.ref == ref._replace(renewal=0)), None)
    if link is None or not ref.renewal:
        return link.message if link is not None else None
    at_ms = link.message.sent_ms + ref.renewal * RENEW_MS
    if link.message.kind == CANCEL or at_ms > now_ms or (link.until_ms is not None and at_ms >= link.until_ms):
        return None
    return _renewed(chain, link, ref.renewal)


def _renewed(chain: Sequence[_Link], link: _Link, number: int) -> Message:
    at_ms = link.message.sent_ms + number * RENEW_MS
    upto = chain[: chain.index(link) + 1]
    return link.message._replace(
        ref=link.message.ref._replace(renewal=number), kind=UPDATE, sent_ms=at_ms, references=_standing(upto, at_ms - 1)
    )


def _chain(entries: Sequence[Entry]) -> list[_Link]:
    """Return what the decisions of one alert, in order, told the public."""
    chain: list[_Link] = []
    shelved = published = False
    told = None
    for entry in entries:
        told = entry if not entry.by or told is None else told
        shelved = _shelved(entry, before=shelved)
        why = _WHY.get(entry.action, ASIDE if entry.past or entry.muted or shelved else "")
        if published and (why or entry.action in _NEWS):
            _add(chain, CANCEL if why else UPDATE, entry, told, why)
        elif not published and not why:
            _add(chain, ALERT, entry, told, "")
        published = not why
    return chain


def _shelved(entry: Entry, *, before: bool) -> bool:
    """Return whether somebody has put the alert aside. What gets worse is taken off its shelf, but for a gathered alert."""
    if entry.action in {"shelve", "unshelve"}:
        return entry.action == "shelve"
    return before and (entry.action != "escalate" or entry.explanation["station"] == "city")


def _add(chain: list[_Link], kind: str, entry: Entry, told: Entry, why: str) -> None:
    sent_ms = entry.decided_ms // 1000 * 1000
    references: tuple[tuple[Ref, int], ...] = ()
    if chain:
        sent_ms = max(sent_ms, chain[-1].message.sent_ms)
    if kind != ALERT:
        chain[-1] = chain[-1]._replace(until_ms=sent_ms)
        references = _standing(chain, sent_ms)
    ref = Ref(entry.alert, entry.number, entry.decided_ms // 1000)
    message = Message(ref, kind, sent_ms, entry, told, references, why)
    chain.append(_Link(message, sent_ms if kind == CANCEL else None))


def _standing(chain: Sequence[_Link], at_ms: int) -> tuple[tuple[Ref, int], ...]:
    """Return what was sent since the last Alert and holds at `at_ms`: what a receiver may have, all of which is superseded."""
    first = max(index for index, link in enumerate(chain) if link.message.kind == ALERT)
    found: list[tuple[Ref, int]] = []
    for link in chain[first:]:
        found.append((link.message.ref, link.message.sent_ms))
        found += link.sent(at_ms, max(at_ms - VALID_MS, link.message.sent_ms))
    holding = [(ref, sent_ms) for ref, sent_ms in found if sent_ms + VALID_MS > at_ms]
    return tuple((holding or found[-1:])[-_MOST_REFERENCES:])
