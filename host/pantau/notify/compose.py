"""From what waits in the outbox to the notice that a channel tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.alerts.desk import CITY
from pantau.alerts.reads import Entry
from pantau.alerts.track import Alert
from pantau.notify import GATHERED, TEST, Notice, Place, text
from pantau.notify.plan import News

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.notify import Context
    from pantau.notify.outbox import Waiting

LATE_MS = 300_000  # after what was due then people must be told that it is old


def notice(rows: Sequence[Waiting], key: str, context: Context, now_ms: int) -> Notice:
    """Return what to tell of `rows`, which go under `key`; of several one that has them as members, in order of time."""
    members = tuple(_one(row, context, now_ms) for row in rows)
    if len(members) == 1:
        return members[0]
    worst = max(members, key=lambda member: member.severity)
    said = text.gathered(members, held=any(row.held for row in rows))
    return worst._replace(
        key=key, action=GATHERED, english=said.en, indonesian=said.id, link=text.link(context.public_url, None),
        late=any(member.late for member in members), superseded=False, members=members,
    )  # fmt: skip


def trial(context: Context, channel: str, by: str, now_ms: int) -> Notice:
    """Return a notice that says of itself that it is a test."""
    english = f"Test of the channel {channel} of {context.title}, asked for by {by}. There is no alert; nothing is to be done."
    indonesian = f"Uji coba saluran {channel} dari {context.title}, diminta oleh {by}. Tidak ada peringatan; tidak perlu tindakan."
    entry = Entry(0, 0, TEST, 1, True, False, False, now_ms, now_ms, by, english, indonesian, _NOTHING)
    alert = Alert(0, TEST, TEST, CITY, "", 1, 1, "", "", True, False, False, now_ms, now_ms)
    key = f"{context.city}-test-{channel}-{now_ms}"
    link = text.link(context.public_url, None)
    place = Place(CITY, context.title)
    said = (text.plain(english), text.plain(indonesian))
    return Notice(key, TEST, 1, entry, alert, place, *said, context.zone, link, test=True)


_NOTHING: dict[str, object] = {"station": "city", "figures": [], "limits": {}}


def _one(row: Waiting, context: Context, now_ms: int) -> Notice:
    news: News = row.news
    late = now_ms - row.due_ms > LATE_MS
    before = text.remarks(
        news, context.zone, action=row.action, number=row.reminder, held=row.held, late=late, superseded=row.superseded
    )
    said = text.sentences(news, context.zone, before=before)
    return Notice(
        row.key, row.action, row.severity, news.entry, news.alert, news.place, said.en, said.id, context.zone,
        text.link(context.public_url, news.entry.alert), late=late, superseded=row.superseded, done=row.done,
    )  # fmt: skip
