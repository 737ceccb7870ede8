"""Energy of a node per day, computed: published currents and times, and the wakes and connections of the node's own planner.

Nothing here was measured on a board of ours. Charges are in mC at 5 V; SOURCE and ASSUMPTIONS say where each figure is from.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pantau_wire

# glenn20/upy-esp32-experiments: an ESP32 with MicroPython on 5 V, times and charges from the timer of the wake on.
BOOT_MS, BOOT_MC = 70, 3.3
MOUNT_MS, MOUNT_MC = 350, 23.6
STATIC_MS, STATIC_MC = 774, 108.6  # boot, join with a fixed address, MQTT in the clear
DHCP_MS, DHCP_MC = 1626, 204.0
SLEEP_MA = 0.066  # Unexpected Maker Feather S2, README of mqtt_as
CPU_MA = 1000 * BOOT_MC / BOOT_MS  # running without radio
RADIO_MA = 1000 * (STATIC_MC - BOOT_MC) / (STATIC_MS - BOOT_MS)  # running and connecting

TLS_MS = 1250  # handshake on a real ESP32: 1.18 to 1.28 s
IMPORT_MS = 1500  # assumption: our modules from flash; not measured on a chip
ANSWER_MS = 1300  # assumption: the bridge commits and answers within a second, then the node lingers 0.2 s
DAY_MS = 86400000
SUPPLY_V = 5.0
BATTERY_WH = 12.6 * 0.8  # one 18650 cell of 3.4 Ah and 3.7 V; a fifth lost in converter, cold and age
TIMEOUT_S = 60

# lead: warm-up + 2 periods of the slowest driver; sample: from the instant to the record; current of the sensors while on
STATIONS: Mapping[str, Mapping[str, float]] = {
    "flood": {"lead_ms": 1600, "sample_ms": 2120, "sensor_ma": 9.0},  # a02yyuw (7 packets of 300 ms) and sht4x
    "air": {
        "lead_ms": 32000,
        "sample_ms": 50,
        "sensor_ma": 102.0,
    },  # pms5003: 30 s of fan before each sample; bme280, sht4x
}
ROWS = (  # station, sampling interval, report interval (s), fixed address
    ("flood", 60, 900, True),
    ("flood", 60, 900, False),
    ("flood", 300, 900, True),
    ("flood", 300, 3600, True),
    ("flood", 900, 3600, True),
    ("air", 900, 900, True),
    ("air", 3600, 3600, True),
)
SOURCE = "computed from glenn20/upy-esp32-experiments, mqtt_as README (facts/firmware.md 3.3) and the node's planner"
ASSUMPTIONS = (
    f"{IMPORT_MS} ms from boot to our code, {ANSWER_MS} ms from the connection to the last acknowledgement: not measured on a chip",
    f"{CPU_MA:.0f} mA awake, {RADIO_MA:.0f} mA with the radio on (from the same experiments), TLS handshake {TLS_MS} ms",
    f"{SLEEP_MA * 1000:.0f} uA asleep: a board made for it; a DevKit's regulator and USB chip alone draw milliamperes",
    "the sensors are on while the node is awake and switched off with it; always on, add 24 h of their current",
    "every report is answered; a broker that is away costs one attempt of up to 30 s in 15 min, then 30, 60, every 120 min",
    f"days: {BATTERY_WH:.1f} Wh usable, one 18650 cell, no sun",
    "mains is a bound from above: the radio is taken as connecting all day",
)


def plan_days(vm: Path, firmware: Path, specs: Sequence[Mapping[str, float]]) -> list[dict[str, int]]:
    """Return wakes, connects, awake_ms of a day of the planner in `firmware` for each spec; RuntimeError without an answer."""
    script = Path(__file__).parent / "portable" / "power_day.py"
    paths = os.pathsep.join([str(firmware), str(Path(pantau_wire.__file__).parents[1]), ".frozen"])
    try:
        done = subprocess.run(
            [vm, script],
            env={**os.environ, "MICROPYPATH": paths},
            input=json.dumps(list(specs)),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        found: list[dict[str, int]] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"the VM {vm} gave no answer: {error}") from None
    except ValueError:
        raise RuntimeError(f"the VM {vm} gave no answer: {done.stderr[-400:] or done.stdout[-400:]}") from None
    return found


def spec(station: str, interval_s: int, report_s: int, *, static_ip: bool) -> dict[str, float]:
    """Return what the planner is asked for one row."""
    link_ms = (STATIC_MS if static_ip else DHCP_MS) - BOOT_MS + TLS_MS + ANSWER_MS
    place = STATIONS[station]
    start_ms = BOOT_MS + MOUNT_MS + IMPORT_MS
    return {
        "interval_s": interval_s, "report_s": report_s, "link_ms": link_ms, "start_ms": start_ms,
        "lead_ms": place["lead_ms"], "sample_ms": place["sample_ms"],
    }  # fmt: skip


def per_day(station: str, plan: Mapping[str, int], *, static_ip: bool) -> dict[str, float]:
    """Return the mAh and Wh at 5 V of a day with these wakes, connects and awake_ms (link apart), by what they go to."""
    wakes, connects, awake_ms = plan["wakes"], plan["connects"], plan["awake_ms"]
    connect_ms, connect_mc = (STATIC_MS, STATIC_MC) if static_ip else (DHCP_MS, DHCP_MC)
    link_ms = connects * (connect_ms - BOOT_MS + TLS_MS + ANSWER_MS)
    running_ms = awake_ms - wakes * (BOOT_MS + MOUNT_MS)
    charges = {
        "wake": wakes * (BOOT_MC + MOUNT_MC) + running_ms * CPU_MA / 1000,
        "link": connects * (connect_mc - BOOT_MC + RADIO_MA * (TLS_MS + ANSWER_MS) / 1000),
        "sensors": (awake_ms + link_ms) * STATIONS[station]["sensor_ma"] / 1000,
        "sleep": (DAY_MS - awake_ms - link_ms) * SLEEP_MA / 1000,
    }
    return _sum(charges)


def _sum(charges_mc: Mapping[str, float]) -> dict[str, float]:
    parts = {name + "_mah": round(charge / 3600, 2) for name, charge in charges_mc.items()}
    mah = sum(charges_mc.values()) / 3600
    return {**parts, "mah_per_day": round(mah, 1), "wh_per_day": round(mah * SUPPLY_V / 1000, 3)}


def days(wh_per_day: float, battery_wh: float = BATTERY_WH) -> float:
    """Return how long a battery of so many usable Wh lasts."""
    return round(battery_wh / wh_per_day, 1)


def profiles(vm: Path, firmware: Path) -> list[dict[str, Any]]:
    """Return a row per profile; keys as in per_day, and profile, station, interval_s, report_s, static_ip, days, source."""
    plans = plan_days(vm, firmware, [spec(*row[:3], static_ip=row[3]) for row in ROWS])
    rows: list[dict[str, Any]] = []
    for name, place in STATIONS.items():
        awake = {"link": RADIO_MA * DAY_MS / 1000, "sensors": place["sensor_ma"] * DAY_MS / 1000}
        head = {"profile": "mains", "station": name, "interval_s": 60, "report_s": 60, "static_ip": True}
        rows.append({**head, **_sum(awake), "source": SOURCE})
    for (name, interval_s, report_s, static_ip), plan in zip(ROWS, plans, strict=True):
        head = {"profile": "battery", "station": name, "interval_s": interval_s, "report_s": report_s}
        found = per_day(name, plan, static_ip=static_ip)
        rows.append(
            {**head, "static_ip": static_ip, **plan, **found, "days": days(found["wh_per_day"]), "source": SOURCE}
        )
    return rows


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table for people, its assumptions below it."""
    out = ["energy per day, computed           sample  report  address  wakes  connects   mAh/day   Wh/day    days"]
    for row in rows:
        address = "static" if row["static_ip"] else "dhcp"
        out.append(
            f"{row['profile'] + ' ' + row['station']:<33}{row['interval_s']:>6} s{row['report_s']:>6} s{address:>9}"
            f"{row.get('wakes', 0):>7}{row.get('connects', 0):>10}{row['mah_per_day']:>10.1f}{row['wh_per_day']:>9.2f}"
            f"{row.get('days', '-'):>8}"
        )
    return [*out, f"source: {SOURCE}", *(f"- {text}" for text in ASSUMPTIONS)]
