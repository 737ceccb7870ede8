"""What a plot says, in English and Indonesian."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

Lang = Literal["en", "id"]

ZONE, UTC_OFFSET_H = "WIB", 7
_MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "id": ["Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"],
}
QUALITIES = (1, 2, 3, 4)

_WORDS = {
    "water_level": ("Water level", "Tinggi muka air"),
    "rain": ("Rain", "Hujan"),
    "flow": ("Traffic flow", "Arus lalu lintas"),
    "speed": ("Mean speed", "Kecepatan rata-rata"),
    "pm2_5": ("PM2.5", "PM2,5"),
    "humidity": ("Relative humidity", "Kelembapan relatif"),
    "veh/h": ("veh/h", "kend/jam"),
    "mm/h": ("mm/h", "mm/jam"),
    "km/h": ("km/h", "km/jam"),
    "truth": ("truth", "keadaan sebenarnya"),
    "node": ("node, raw", "node, mentah"),
    "platform": ("platform", "platform"),
    "q1": ("good", "baik"),
    "q2": ("not evaluated", "belum dinilai"),
    "q3": ("suspect", "meragukan"),
    "q4": ("refused", "ditolak"),
    "q9": ("missing", "kosong"),
    "late": ("arrived late", "tiba terlambat"),
    "s1": ("minor", "ringan"),
    "s2": ("moderate", "sedang"),
    "s3": ("severe", "berat"),
    "s4": ("extreme", "ekstrem"),
    "alert": ("Alert", "Peringatan"),
    "fault": ("Fault", "Gangguan"),
    "ailment": ("Ailment", "Penyakit sensor"),
    "client": ("Intruder", "Penyusup"),
    "power": ("no power", "listrik padam"),
    "brown_out": ("brown-out", "tegangan turun"),
    "link": ("link down", "jaringan putus"),
    "broker": ("broker down", "broker mati"),
    "broker_wiped": ("broker wiped", "broker terhapus"),
    "bridge": ("bridge down", "bridge mati"),
    "bridge_crash": ("bridge killed", "bridge terbunuh"),
    "spool_full": ("spool full", "spool penuh"),
    "sensor": ("sensor fault", "gangguan sensor"),
    "city": ("Whole city", "Seluruh kota"),
    "begins": ("begins", "mulai"),
    "ends": ("ends", "berakhir"),
    "seed": ("seed", "benih"),
    "time": ("Time", "Waktu"),
    "station": ("Station", "Stasiun"),
    "kind": ("Kind", "Jenis"),
    "what": ("What", "Peristiwa"),
    "events": ("Events", "Peristiwa"),
    "series": ("Series", "Deret"),
    "readings": ("Readings by quality", "Bacaan menurut mutu"),
    "quantity": ("Quantity", "Besaran"),
    "greatest": ("Greatest, truth / node", "Terbesar, sebenarnya / node"),
    "none": ("none", "tidak ada"),
    "more": ("further events are left out", "peristiwa lain tidak ditampilkan"),
    "about": (
        "One time axis: truth, what the node measured, what the platform judged, alerts and faults.",
        "Satu sumbu waktu: keadaan sebenarnya, hasil ukur node, penilaian platform, peringatan dan gangguan.",
    ),
}


def say(key: str, lang: Lang) -> str:
    """Return a word; what has none, such as an ailment's name, is said as it is written."""
    pair = _WORDS.get(key)
    return key.replace("_", " ") if pair is None else pair[lang == "id"]


def number(value: float | None, lang: Lang) -> str:
    """Return a figure with three significant digits, in the notation of the language."""
    text = "–" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return text.replace(".", ",") if lang == "id" else text


def local(at_ms: float) -> datetime:
    """Return an instant as people there read it off a clock."""
    return datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(hours=UTC_OFFSET_H)


def date(at_ms: float, lang: Lang) -> str:
    """Return day and month."""
    there = local(at_ms)
    return f"{there.day} {_MONTHS[lang][there.month - 1]}"


def clock(at_ms: float, lang: Lang) -> str:
    """Return day, month, time of day with seconds, and zone."""
    return f"{date(at_ms, lang)} {local(at_ms):%H:%M:%S} {ZONE}"
