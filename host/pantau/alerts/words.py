"""Why an alert is what it is, in English and Indonesian: the rule, the figures with times and qualities, the limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.rules import (
    SEVERITIES,
    ZONES,
    Battery,
    Fault,
    Late,
    Leveled,
    NodeAlarm,
    Rain,
    Rise,
    Series,
    Threshold,
)
from pantau_wire import names

if TYPE_CHECKING:
    from pantau.alerts.rules import Rule
    from pantau.alerts.track import Alert, Reading

_SHOWN = 4  # readings in a sentence; all of them are in the explanation
_SEVERITY_ID = ("tidak ada", "ringan", "sedang", "berat", "ekstrem")
_QUALITY = {1: ("good", "baik"), 2: ("not evaluated", "belum dinilai"), 3: ("suspect", "meragukan")}
_ACTION = {
    "open": ("Alert", "Peringatan"),
    "reopen": ("Alert again", "Peringatan kembali"),
    "escalate": ("More severe", "Meningkat"),
    "deescalate": ("Less severe", "Menurun"),
    "confirm": ("Confirmed", "Terkonfirmasi"),
    "clear": ("Ended", "Selesai"),
    "withdraw": ("Withdrawn", "Ditarik"),
    "mute": ("Muted, the station is under maintenance", "Dibisukan, stasiun dalam pemeliharaan"),
    "unmute": ("No longer muted, maintenance has ended", "Tidak lagi dibisukan, pemeliharaan selesai"),
    "acknowledge": ("Acknowledged", "Diterima"),
    "shelve": ("Shelved", "Ditunda"),
    "unshelve": ("No longer shelved", "Tidak lagi ditunda"),
    "update": ("Gathered alert", "Peringatan gabungan"),
}
ACTIONS = tuple(_ACTION)


class Both(NamedTuple):
    """One text in both languages."""

    en: str
    id: str


REVISED = Both("a reading that it rested on was found wrong", "bacaan yang mendasarinya ternyata salah")
RULE_GONE = Both("its rule is no longer in force", "aturannya tidak berlaku lagi")
STATION_GONE = Both("the station is no longer watched by this rule", "stasiun tidak lagi diawasi aturan ini")
NODE_GONE = Both("the node no longer stands at this station", "node tidak lagi berada di stasiun ini")
BACKLOG_OVER = Both("the backlog that told of it has ended", "data tertunda yang melaporkannya telah habis")
REPORTS = Both("the station reports in time again", "stasiun melapor tepat waktu kembali")
UNCONFIRMED = Both("no other data confirm it yet", "belum dikonfirmasi data lain")
NEVER_CONFIRMED = Both("no other data ever confirmed it", "tidak pernah dikonfirmasi data lain")
PAST = Both("past event, told by a backlog", "kejadian lampau, dari data tertunda")
MUTED = Both("muted, the station is under maintenance", "dibisukan, stasiun dalam pemeliharaan")
PLACED = Both("clock unknown, placed by receipt", "jam tidak diketahui, memakai waktu terima")
NOTHING_LEFT = Both("each has ended or stands for itself", "semua telah selesai atau berdiri sendiri")


def severity(rank: int) -> Both:
    """Return the word for a severity."""
    return Both(SEVERITIES[rank], _SEVERITY_ID[rank])


def number(value: float) -> str:
    """Return a figure as people write it, to four digits."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def clock(at_ms: int, zone: str) -> str:
    """Return a time of day with its date in the city's zone."""
    return (datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(hours=ZONES[zone])).strftime("%d-%m %H:%M:%S ") + zone


def unit_of(rule: Rule) -> str:
    """Return the unit of the rule's figure."""
    if isinstance(rule, Rain):
        return "mm/h"
    if isinstance(rule, Series):
        unit = next((row[1] for row in names.PROPERTIES.values() if row[0] == rule.property), "")
        unit = "" if unit == "1" else unit
        return f"{unit}/min" if isinstance(rule, Rise) else unit
    return {"fault": "%", "battery": "mV", "late": "report intervals"}.get(rule.kind, "")


def during(seconds: float) -> Both:
    """Return a length of time."""
    if seconds < 120:
        return Both(f"{seconds:.0f} s", f"{seconds:.0f} detik")
    if seconds < 7200:
        return Both(f"{seconds / 60:.0f} min", f"{seconds / 60:.0f} menit")
    return Both(f"{seconds / 3600:.1f} h", f"{seconds / 3600:.1f} jam")


def gathered(count: int) -> Both:
    """Return what a gathered alert says."""
    return Both(
        f"{count} more stations would each have an alert by this rule; look for one common cause",
        f"{count} stasiun lain memenuhi aturan ini; periksa satu penyebab bersama",
    )


def confirmed_by(rules: list[str]) -> Both:
    """Return which rules see in the data what the node's alarm says."""
    named = ", ".join(rules)
    return Both(f"seen in the data by {named}", f"terlihat dalam data oleh {named}")


def runs_into(alert: int) -> Both:
    """Return that a past event turned out to be the beginning of a live one."""
    return Both(f"it runs into alert {alert}", f"berlanjut menjadi peringatan {alert}")


def condition(rule: Rule, level: int, figures: tuple[Reading, ...], reported_s: int) -> Both:
    """Return what is true now: the figure against the limit of `level` (1 is the first)."""
    if isinstance(rule, NodeAlarm):
        return Both("the node's own alarm is on", "alarm pada node menyala")
    value = figures[-1].value if figures else 0.0
    limit, unit = rule.levels[max(level, 1) - 1].value, unit_of(rule)
    if isinstance(rule, Late):
        silent, tolerated = during(value * reported_s), during(limit * reported_s)
        return Both(
            f"nothing received for {silent.en} (limit {tolerated.en})",
            f"tidak ada data selama {silent.id} (batas {tolerated.id})",
        )
    above = rule.direction == "above"
    figure, bound = f"{number(value)} {unit}".rstrip(), f"{number(limit)} {unit}".rstrip()
    over = Both(
        "at or above" if above else "at or below", "mencapai atau melampaui" if above else "di bawah atau sama dengan"
    )
    what = _what(rule, figures)
    held = during(rule.hold_s)
    also = Both(f", for {held.en}", f", selama {held.id}") if rule.hold_s else Both("", "")
    if rule.readings > 1:
        also = Both(
            f", {rule.readings} of {rule.of} readings{also.en}", f", {rule.readings} dari {rule.of} bacaan{also.id}"
        )
    return Both(f"{what.en} {figure}, {over.en} {bound}{also.en}", f"{what.id} {figure}, {over.id} {bound}{also.id}")


def _what(rule: Leveled, figures: tuple[Reading, ...]) -> Both:
    if isinstance(rule, Threshold):
        return Both(rule.property, rule.property)
    if isinstance(rule, Battery):
        return Both("supply", "catu daya")
    if isinstance(rule, Rise):
        window = during(rule.window_s)
        way = ("rises by", "naik") if rule.direction == "above" else ("changes by", "berubah")
        return Both(f"{rule.property} over {window.en} {way[0]}", f"{rule.property} dalam {window.id} {way[1]}")
    if isinstance(rule, Rain):
        window = during(rule.window_s)
        return Both(f"rain over {window.en}", f"hujan dalam {window.id}")
    assert isinstance(rule, Fault)
    window, worst = during(rule.window_s), figures[-1].reason if figures else ""
    return Both(f"unusable readings of {worst} over {window.en}:", f"bacaan {worst} tak terpakai dalam {window.id}:")


def ended(rule: Rule, since_ms: int | None, zone: str) -> Both:
    """Return why an alert by levels ends."""
    if not isinstance(rule, Leveled):
        return Both("the node's own alarm is off", "alarm pada node padam")
    back = rule.levels[0].value - rule.sign * rule.hysteresis
    limit = f"{number(back)} {unit_of(rule)}".rstrip()
    when = f" {clock(since_ms, zone)}" if since_ms else ""
    above = rule.direction == "above"
    return Both(
        f"every figure since{when} is {'below' if above else 'above'} {limit}",
        f"semua nilai sejak{when} {'di bawah' if above else 'di atas'} {limit}",
    )


def readings(figures: tuple[Reading, ...], unit: str, zone: str) -> Both:
    """Return the newest figures with times and qualities."""
    parts = [
        (f"{number(r.value)} {unit}".rstrip() + f" at {clock(r.at_ms, zone)}", *_QUALITY.get(r.quality, ("?", "?")))
        for r in figures[-_SHOWN:]
    ]
    english = ", ".join(f"{said} ({good})" for said, good, _ in parts)
    return Both(english, ", ".join(f"{said.replace(' at ', ' pukul ')} ({baik})" for said, _, baik in parts))


def sentence(action: str, rule_name: Both, place: str, alert: Alert, by: str, parts: list[Both]) -> Both:
    """Return the whole of what is said about one decision."""
    verb, verb_id = _ACTION[action]
    if by:
        verb, verb_id = f"{verb} by {by}", f"{verb_id} oleh {by}"
    word = severity(alert.severity)
    level = Both(f", {alert.level}" if alert.level else "", f", {alert.level_id}" if alert.level_id else "")
    part = f" ({alert.part})" if alert.part else ""
    english = "; ".join(p.en for p in parts if p.en)
    indonesian = "; ".join(p.id for p in parts if p.id)
    return Both(
        f"{verb}: {rule_name.en}, {place}{part}: {word.en}{level.en}. {_first_up(english)}".rstrip(". ") + ".",
        f"{verb_id}: {rule_name.id}, {place}{part}: {word.id}{level.id}. {_first_up(indonesian)}".rstrip(". ") + ".",
    )


def unsigned(text: Both, *people: str) -> Both:
    """Return a sentence without the name of who did it, for readers whom that does not concern."""
    for by in filter(None, people):
        text = Both(text.en.replace(f" by {by}: ", ": ", 1), text.id.replace(f" oleh {by}: ", ": ", 1))
    return text


def _first_up(text: str) -> str:
    """Capitalise the sentence, not a name of a property."""
    first = text.partition(" ")[0]
    return text if "_" in first else text[:1].upper() + text[1:]
