"""What a notice says, in English and Indonesian: what, where, how bad, since when, value and limit, and where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.alerts import words
from pantau.alerts.desk import CITY
from pantau.alerts.words import Both
from pantau.notify import GATHERED, REMIND, TEST, Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.notify.plan import News

_SUBJECT = 140
_HELD = Both("Held back during the quiet hours.", "Ditahan selama jam tenang.")
_NEWER = Both("Newer news of this alert follows.", "Kabar yang lebih baru menyusul.")


def plain(text: str) -> str:
    """Return `text` on one line, without anything that is no character for people."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def sentences(news: News, zone: str, *, before: Sequence[Both] = ()) -> Both:
    """Return all that is said of one decision; `before` stands first."""
    entry, alert = news.entry, news.alert
    since, at = words.clock(alert.opened_ms, zone), words.clock(entry.at_ms, zone)
    also = Both("", "") if at == since else Both(f"; this at {at}", f"; kabar ini pukul {at}")
    when = Both(f"Since {since}{also.en}.", f"Sejak {since}{also.id}.")
    where = _where(news)
    english = (*(b.en for b in before), entry.english, when.en, where.en)
    indonesian = (*(b.id for b in before), entry.indonesian, when.id, where.id)
    return Both(plain(" ".join(english)), plain(" ".join(indonesian)))


def remarks(news: News, zone: str, *, action: str, number: int, held: bool, late: bool, superseded: bool) -> list[Both]:
    """Return what must be known before the rest: that it is old, held back, or told once more."""
    said = []
    if action == REMIND:
        said.append(
            Both(f"Reminder {number}: nobody has acknowledged this.", f"Pengingat {number}: belum ada yang menerima.")
        )
    if late:
        at = words.clock(news.entry.decided_ms, zone)
        said.append(Both(f"LATE: this was decided at {at}.", f"TERLAMBAT: diputuskan pukul {at}."))
    if held:
        said.append(_HELD)
    if superseded:
        said.append(_NEWER)
    return said


def gathered(members: Sequence[Notice], *, held: bool) -> Both:
    """Return what stands over many notices that are told as one."""
    why = _HELD if held else Both("Many alerts at once.", "Banyak peringatan sekaligus.")
    count = len(members)
    return Both(f"{count} notices in one. {why.en}", f"{count} pemberitahuan dalam satu. {why.id}")


def paragraphs(notice: Notice, language: str) -> list[str]:
    """Return what the notice says for a page of text: what must be known first, what is decided, when and where."""
    whole, said = notice.english, notice.decision.english
    if language == "id":
        whole, said = notice.indonesian, notice.decision.indonesian
    return [part for part in map(str.strip, whole.partition(plain(said))) if part]


def subject(notice: Notice, title: str, language: str) -> str:
    """Return one line for the list of a mail program: how bad, what and where."""
    word = words.severity(notice.severity)
    english = language == "en"
    if notice.action == TEST:
        said = "Test, no alert" if english else "Uji coba, bukan peringatan"
    elif notice.action == GATHERED:
        count, bad = len(notice.members), word.en if english else word.id
        said = f"{count} notices, worst {bad}" if english else f"{count} pemberitahuan, terberat {bad}"
    else:
        sentence = notice.decision.english if english else notice.decision.indonesian
        mark = ("Reminder: ", "Pengingat: ") if notice.action == REMIND else ("", "")
        old = ("Late: ", "Terlambat: ") if notice.late else ("", "")
        said = mark[not english] + old[not english] + sentence.partition(". ")[0].rstrip(".")
    line = plain(f"[{title}] {said}")
    return line if len(line) <= _SUBJECT else f"{line[: _SUBJECT - 1]}…"


def link(public_url: str, notice_alert: int | None) -> str:
    """Return the address of the alert on the page, "" where the page has none that others can reach."""
    if not public_url:
        return ""
    return f"{public_url.rstrip('/')}/#/alerts" + (f"/{notice_alert}" if notice_alert else "")


def _where(news: News) -> Both:
    place = news.place
    if place.id == CITY:
        return Both("Place: the whole city.", "Tempat: seluruh kota.")
    at = f", {place.latitude:.5f}, {place.longitude:.5f}" if place.latitude is not None else ""
    code = f", Kemendagri {place.kemendagri}" if place.kemendagri else ""
    said = f"{place.name} ({place.id}){at}{code}."
    return Both(f"Place: {said}", f"Tempat: {said}")
