"""Energy of a node per day, computed: published currents and times, and the wakes and connections of the node's own planner.

Nothing here was measured on a board of ours. Charges are in mC at 5 V; FIGURES says of each figure where it is from.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pantau_wire
from pantau.bench import figures
from pantau.bench.figures import ASSUMED, DERIVED, PUBLISHED, SET, Figure

_GLENN20 = "glenn20/upy-esp32-experiments: ESP32 with MicroPython at 5 V, counted from the timer of the wake on"
_PLANNER = "drivers' WARM_UP_MS and twice the slowest PERIOD_MS, as the node's own planner takes it"
_BOOT_MS, _BOOT_MC = Figure(70, "ms", PUBLISHED, _GLENN20), Figure(3.3, "mC", PUBLISHED, _GLENN20)
_STATIC_MS, _STATIC_MC = Figure(774, "ms", PUBLISHED, _GLENN20), Figure(108.6, "mC", PUBLISHED, _GLENN20)

FIGURES: Mapping[str, Figure] = {
    "boot_ms": _BOOT_MS,  # up to _boot.py
    "boot_mc": _BOOT_MC,
    "mount_ms": Figure(350, "ms", PUBLISHED, _GLENN20 + "; what mounting the file system adds"),
    "mount_mc": Figure(23.6, "mC", PUBLISHED, _GLENN20 + "; what mounting the file system adds"),
    "static_ms": _STATIC_MS,  # boot, join with a fixed address, MQTT in the clear
    "static_mc": _STATIC_MC,
    "dhcp_ms": Figure(1626, "ms", PUBLISHED, _GLENN20),
    "dhcp_mc": Figure(204.0, "mC", PUBLISHED, _GLENN20),
    "sleep_ma": Figure(
        0.066, "mA", PUBLISHED,
        "README of micropython-mqtt (mqtt_as), Unexpected Maker Feather S2; a DevKit's regulator and USB chip alone draw milliamperes",
    ),
    "cpu_ma": Figure(
        1000 * _BOOT_MC.value / _BOOT_MS.value, "mA", DERIVED, "boot_mc / boot_ms: running without radio, the same experiments"
    ),
    "radio_ma": Figure(
        1000 * (_STATIC_MC.value - _BOOT_MC.value) / (_STATIC_MS.value - _BOOT_MS.value), "mA", DERIVED,
        "(static_mc - boot_mc) / (static_ms - boot_ms): running and connecting, the same experiments",
    ),
    "tls_ms": Figure(
        1250, "ms", PUBLISHED, "micropython-esp32#131: 1.18 to 1.28 s on an ESP32; with a client certificate 1.9 s on an emulated one"
    ),
    "import_ms": Figure(1500, "ms", ASSUMED, "our modules from flash; not measured on a chip"),
    "answer_ms": Figure(
        1300, "ms", ASSUMED,
        "the bridge commits and answers within a second, the node lingers 0.2 s (decision 0009); not measured on a chip",
    ),
    "supply_v": Figure(5.0, "V", SET, "the supply of the experiments above"),
    "cell_wh": Figure(12.6, "Wh", SET, "one 18650 cell of 3.4 Ah and 3.7 V, as cells of that size are sold; no sun"),
    "usable": Figure(0.8, "", ASSUMED, "a fifth is lost in converter, cold and age"),
    "flood_lead_ms": Figure(1600, "ms", DERIVED, f"a02yyuw: 1000 + 2 * 300 ms; {_PLANNER}"),
    "flood_sample_ms": Figure(2120, "ms", DERIVED, "a02yyuw: 7 packets of 300 ms and the driver's guard of 20 ms"),
    "flood_sensor_ma": Figure(
        9.0, "mA", PUBLISHED, "DFRobot SEN0311 wiki: a02yyuw below 8 mA, an upper bound nobody checked here; Sensirion SHT4x below 1 mA"
    ),
    "air_lead_ms": Figure(32000, "ms", DERIVED, f"pms5003: 30 s of fan before each sample + 2 * 1000 ms; {_PLANNER}"),
    "air_sample_ms": Figure(50, "ms", ASSUMED, "sht4x and bme280 convert within 20 ms each (datasheets), the packet is there already"),
    "air_sensor_ma": Figure(102.0, "mA", PUBLISHED, "Plantower PMS5003 manual: at most 100 mA; Sensirion SHT4x and Bosch BME280 below 1 mA each"),
}  # fmt: skip

BOOT_MS, BOOT_MC = FIGURES["boot_ms"].value, FIGURES["boot_mc"].value
MOUNT_MS, MOUNT_MC = FIGURES["mount_ms"].value, FIGURES["mount_mc"].value
STATIC_MS, STATIC_MC = FIGURES["static_ms"].value, FIGURES["static_mc"].value
DHCP_MS, DHCP_MC = FIGURES["dhcp_ms"].value, FIGURES["dhcp_mc"].value
SLEEP_MA, CPU_MA, RADIO_MA = (FIGURES[name].value for name in ("sleep_ma", "cpu_ma", "radio_ma"))
TLS_MS, IMPORT_MS, ANSWER_MS = (FIGURES[name].value for name in ("tls_ms", "import_ms", "answer_ms"))
SUPPLY_V = FIGURES["supply_v"].value
BATTERY_WH = FIGURES["cell_wh"].value * FIGURES["usable"].value
DAY_MS = 86400000
TIMEOUT_S = 60

# lead: before the instant; sample: from the instant to the record; current of the sensors while on
STATIONS: Mapping[str, Mapping[str, float]] = {
    name: {key: FIGURES[f"{name}_{key}"].value for key in ("lead_ms", "sample_ms", "sensor_ma")}
    for name in ("flood", "air")
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
    "the sensors are on while the node is awake and switched off with it; always on, add 24 h of their current",
    "every report is answered; a broker that is away costs one attempt of up to 30 s in 15 min, then 30, 60, every 120 min",
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
    return [*out, f"source: {SOURCE}", *figures.lines(FIGURES), *(f"- {text}" for text in ASSUMPTIONS)]
