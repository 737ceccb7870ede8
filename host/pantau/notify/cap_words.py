"""What a CAP message says of an alert: its event, what to do, how urgent and how certain. Pure.

Instructions follow what BPBD means by Waspada, Siaga and Awas, and leave orders to the agencies: a network of sensors
knows a water level, not whom it reaches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.alerts import words
from pantau.alerts.rules import SEVERITIES
from pantau.alerts.words import Both
from pantau.notify.cap_chain import ASIDE, CANCEL, ENDED, WITHDRAWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.alerts.reads import Entry
    from pantau.alerts.track import Alert
    from pantau.notify import Place
    from pantau.notify.cap_chain import Message

TECHNICAL = frozenset({"late", "fault", "battery"})  # kinds that tell of the network, not of the world
_GOOD = 1  # QARTOD


class Advice(NamedTuple):
    """What people are to do: CAP's responseType and urgency, and the instruction."""

    responses: tuple[str, ...]
    urgency: str
    instruction: Both


class Hazard(NamedTuple):
    """What an alert is about: the event's name and CAP's categories, and advice by severity from minor to extreme."""

    event: Both
    categories: tuple[str, ...]
    advice: tuple[Advice, ...]


class Said(NamedTuple):
    """What stands in <info>, apart from texts that are the message's own."""

    event: Both
    categories: tuple[str, ...]
    responses: tuple[str, ...]
    urgency: str
    severity: str
    certainty: str
    headline: Both
    description: Both
    instruction: Both


_FLOOD = (
    Advice(("Monitor",), "Future", Both(
        "Watch the water, follow the news of BPBD and stay off the river bank.",
        "Waspada: pantau muka air dan informasi BPBD, jauhi bantaran sungai.",
    )),
    Advice(("Prepare",), "Expected", Both(
        "Stay off the river bank. Bring vehicles, documents and valuables to higher ground. Follow BPBD.",
        "Jauhi bantaran sungai. Pindahkan kendaraan, dokumen, dan barang berharga ke tempat yang lebih tinggi. Ikuti arahan BPBD.",
    )),
    Advice(("Prepare", "Avoid"), "Immediate", Both(
        "Stay off the river bank and low roads. Be ready to leave; the elderly, children, pregnant women and people with "
        "disabilities first. Switch off electricity before water enters. Follow BPBD and the local officers.",
        "Siaga: jauhi bantaran sungai dan jalan rendah. Bersiap mengungsi, dahulukan lansia, anak, ibu hamil, dan penyandang "
        "disabilitas. Matikan listrik sebelum air masuk. Ikuti arahan BPBD dan petugas setempat.",
    )),
    Advice(("Evacuate", "Avoid"), "Immediate", Both(
        "Leave the river bank and low ground now for the nearest assembly point. Do not walk or drive through flood water. "
        "Follow BPBD and the local officers.",
        "Awas: segera tinggalkan bantaran sungai dan daerah rendah menuju titik kumpul terdekat. Jangan berjalan atau berkendara "
        "menerobos banjir. Ikuti arahan BPBD dan petugas setempat.",
    )),
)  # fmt: skip
_RAIN_LIGHT = Advice(("Monitor",), "Expected", Both(
    "Watch for water on roads and in low places. Follow the news of BMKG and BPBD.",
    "Waspadai genangan di jalan dan tempat rendah. Pantau informasi BMKG dan BPBD.",
))  # fmt: skip
_RAIN_HEAVY = Advice(("Avoid", "Prepare"), "Expected", Both(
    "Avoid underpasses, rivers and low roads; put off journeys. Follow BMKG and BPBD.",
    "Hindari terowongan, sungai, dan jalan rendah; tunda perjalanan. Ikuti arahan BMKG dan BPBD.",
))  # fmt: skip
_AIR_LIGHT = Advice(("Avoid",), "Expected", Both(
    "Indicative reading. Do less outdoors; children, the elderly and people with heart or lung disease stay in. Wear a mask.",
    "Angka indikatif. Kurangi kegiatan di luar; anak, lansia, dan penderita penyakit jantung atau paru tetap di dalam. Pakai masker.",
))  # fmt: skip
_AIR_HEAVY = Advice(("Shelter",), "Expected", Both(
    "Indicative reading. Stay indoors with windows shut; outside only with a mask. Follow the health office.",
    "Angka indikatif. Tetap di dalam ruangan dengan jendela tertutup; keluar hanya dengan masker. Ikuti arahan Dinas Kesehatan.",
))  # fmt: skip
_ROAD = Advice(("Avoid",), "Immediate", Both(
    "Take another way if you can. Follow the traffic officers.",
    "Gunakan jalan lain bila dapat. Ikuti arahan petugas lalu lintas.",
))  # fmt: skip
_STAFF = Advice(("None",), "Unknown", Both(
    "For the network's technicians. The public need do nothing.",
    "Untuk teknisi jaringan. Masyarakat tidak perlu bertindak.",
))  # fmt: skip

_WATER = Hazard(Both("High water", "Muka air tinggi"), ("Met",), _FLOOD)  # CAP: Met includes flood
_RISE = Hazard(Both("Rapidly rising water", "Muka air naik cepat"), ("Met",), _FLOOD)
_ALARM = Hazard(Both("Flood alarm of a station", "Alarm banjir dari stasiun"), ("Met",), _FLOOD)
_RAIN = Hazard(Both("Heavy rain", "Hujan lebat"), ("Met",), (_RAIN_LIGHT, _RAIN_LIGHT, _RAIN_HEAVY, _RAIN_HEAVY))
_AIR = Hazard(
    Both("Air pollution", "Pencemaran udara"), ("Env", "Health"), (_AIR_LIGHT, _AIR_LIGHT, _AIR_HEAVY, _AIR_HEAVY)
)
_TRAFFIC = Hazard(Both("Traffic disruption", "Gangguan lalu lintas"), ("Transport",), (_ROAD,) * 4)
_NETWORK = Hazard(Both("Trouble of the sensor network", "Gangguan jaringan sensor"), ("Infra",), (_STAFF,) * 4)
_BY_DOMAIN = {"flood": _WATER, "traffic": _TRAFFIC, "air": _AIR}
_BY_PROPERTY = (
    (("water_", "flood_", "siaga_"), _WATER),
    (("rain_",), _RAIN),
    (("vehicle_", "traffic_", "occupancy", "degree_of", "level_of"), _TRAFFIC),
    (("pm", "particles_", "no2", "o3", "so2", "co", "voc", "nox", "ispu"), _AIR),
)
_BACK = Both(
    "The measured figures are back. Keep away where water still stands, and follow the local officers.",
    "Nilai terukur telah kembali normal. Tetap jauhi tempat yang masih tergenang dan ikuti arahan petugas setempat.",
)
_TAKEN_BACK = Both(
    "This alert is taken back: what it rested on does not hold. It says nothing of how things are there now.",
    "Peringatan ini ditarik: dasarnya tidak berlaku. Ini bukan keterangan tentang keadaan di sana sekarang.",
)
_ASIDE = Both(
    "This alert is not published for now, while staff work on it.",
    "Peringatan ini sementara tidak disiarkan karena sedang ditangani petugas.",
)
_NOT_CLEAR = Both(
    "This is no all-clear. Follow BPBD and the local officers.",
    "Ini bukan tanda aman. Ikuti arahan BPBD dan petugas setempat.",
)
_HEAD = {
    ENDED: Both("Ended", "Selesai"),
    WITHDRAWN: Both("Withdrawn", "Ditarik"),
    ASIDE: Both("Not published for now", "Sementara tidak disiarkan"),
}


def say(message: Message, alert: Alert, place: Place) -> Said:
    """Return what one message says. `alert` gives what does not change: rule, kind, station."""
    entry, limits = message.entry, _limits(message)
    hazard = _hazard(alert.kind, str(limits.get("property", "")), place.domain)
    level, word = level_of(entry, limits), words.severity(entry.severity)
    named = Both(f"{level.en}: " if level.en else "", f"{level.id}: " if level.id else "")
    if message.kind == CANCEL:
        return _cancel(message, hazard, place)
    advice = hazard.advice[entry.severity - 1]
    sure = entry.confirmed and _rests_on_good(entry.explanation["figures"])
    again = Both("Still so. ", "Masih berlangsung. ") if message.ref.renewal else Both("", "")
    unsure = Both("", "") if entry.confirmed else Both("Not confirmed yet. ", "Belum dikonfirmasi. ")
    return Said(
        hazard.event, hazard.categories, advice.responses, advice.urgency, SEVERITIES[entry.severity].capitalize(),
        "Observed" if sure else "Likely",
        Both(f"{named.en}{hazard.event.en}, {place.name} ({word.en})", f"{named.id}{hazard.event.id}, {place.name} ({word.id})"),
        Both(again.en + message.told.english, again.id + message.told.indonesian),
        Both(unsure.en + advice.instruction.en, unsure.id + advice.instruction.id),
    )  # fmt: skip


def level_of(entry: Entry, limits: dict[str, Any]) -> Both:
    """Return what the control room calls the level, "" for a rule without names. A neighbour may have raised it by one."""
    steps = 2 if limits.get("agreed") else 1
    for rank in range(entry.severity, entry.severity - steps, -1):
        for level in limits.get("levels", ()):
            if level["severity"] == SEVERITIES[rank]:
                name = level.get("name") or ""
                return Both(name, level.get("name_id") or name)
    return Both("", "")


def _cancel(message: Message, hazard: Hazard, place: Place) -> Said:
    """An end says that it is over only where the figures say so."""
    why, head = message.why, _HEAD[message.why]
    ended = why == ENDED
    told = _ASIDE if why == ASIDE else Both(message.told.english, message.told.indonesian)
    instruction = {ENDED: _BACK, WITHDRAWN: _TAKEN_BACK, ASIDE: _NOT_CLEAR}[why]
    return Said(
        hazard.event, hazard.categories, ({ENDED: "AllClear", WITHDRAWN: "None", ASIDE: "Monitor"}[why],),
        "Past" if ended else "Unknown",
        "Minor" if ended else "Unknown",  # CAP: "minimal to no known threat"
        "Observed" if ended and message.entry.confirmed else "Unknown",
        Both(f"{head.en}: {hazard.event.en}, {place.name}", f"{head.id}: {hazard.event.id}, {place.name}"),
        told,
        _STAFF.instruction if hazard is _NETWORK else instruction,
    )  # fmt: skip


def _hazard(kind: str, name: str, domain: str) -> Hazard:
    if kind in TECHNICAL:
        return _NETWORK
    if kind == "node_alarm":
        return _ALARM
    for starts, hazard in _BY_PROPERTY:
        if name.startswith(starts):
            return _RISE if hazard is _WATER and kind == "rise" else hazard
    return _BY_DOMAIN.get(domain, _NETWORK)


def _limits(message: Message) -> dict[str, Any]:
    limits: dict[str, Any] = message.entry.explanation["limits"] or message.told.explanation["limits"]
    return limits


def _rests_on_good(figures: Sequence[dict[str, Any]]) -> bool:
    return not figures or figures[-1]["quality"] == _GOOD
