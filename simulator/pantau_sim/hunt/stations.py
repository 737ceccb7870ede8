"""The stations of a case: any domain, any sensors that the board can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau_sim.scenario.hardware import models
from pantau_sim.scenario.standing import KINDS

if TYPE_CHECKING:
    from pantau_sim.hunt.lot import Lot

Tables = dict[str, Any]

_NAMES = ("kampung", "pasar", "jalan", "muara")
_DOMAINS = ("flood", "flood", "air", "air", "traffic")
_HEADS = ("a02yyuw", "a02yyuw", "a01nyub", "jsn_sr04t", "mb7389", "mb7388")
_PARTICLES = ("pms5003", "pms5003", "pms7003", "sds011", "sps30", "sps30_uart")
_GASES = ("mhz19", "ze03_co", "ze25_o3")
_CLIMATES = ("sht4x", "sht3x", "bme280")
_BASE_M = 0.3  # level at rest


def stations(seed: int, lot: Lot) -> list[Tables]:
    """Return one to four stations; several nodes at one of them, now and then."""
    return [_station(seed, lot, name) for name in _NAMES[: lot.one((1, 1, 2, 2, 3, 4))]]


def _station(seed: int, lot: Lot, name: str) -> Tables:
    domain = lot.one(_DOMAINS)
    place: Tables = {
        "id": name,
        "name": f"{name.capitalize()} {seed}",
        "domain": domain,
        "latitude": lot.between(-6.3, -6.1),
        "longitude": lot.between(106.5, 106.7),
        "site": _site(lot, domain),
    }
    node: Tables = {}
    if not lot.chance(0.35):
        node["sensors"] = {"flood": _flood, "air": _air, "traffic": _traffic}[domain](lot)
    if lot.chance(0.1):
        node["count"] = 2
    if lot.chance(0.15):
        node |= {"interval_s": lot.one((10, 12, 60)), "batch": lot.one((1, 4, 15))}
    if domain == "flood":
        place |= _heights(lot, node.get("sensors"))
    if node.get("sensors") is None or any(sensor["model"] == "tipping_bucket" for sensor in node["sensors"]):
        place |= {"tip_mm": 0.2} if domain == "flood" else {}
    if node:
        place["node"] = node
    return place


def _site(lot: Lot, domain: str) -> Tables:
    site: Tables = {"kind": lot.one(KINDS[domain])}
    if domain == "flood":
        site |= {"base_m": _BASE_M, "rise_m": lot.one((0.2, 1.0, 1.6))}
        if site["kind"] in {"river", "mouth"}:
            site |= {"river": "kali", "km": lot.between(0.1, 5)}
    elif domain == "traffic":
        site |= {"flow_veh_h": lot.one((1, 120, 900, 1800)), "lanes": lot.whole(1, 2)}
    return site


def _heights(lot: Lot, sensors: list[Tables] | None) -> Tables:
    """Return how high the head hangs, and levels that it can see, in half of the cases."""
    head = next((s["model"] for s in sensors or () if models()[s["model"]].most_mm), "a02yyuw")
    model = models()[head]
    assert model.least_mm is not None
    assert model.most_mm is not None
    least_m, most_m = model.least_mm / 1000, model.most_mm / 1000
    height_m = lot.between(least_m + 1.2, min(4.3 if sensors is None else 9.0, most_m + _BASE_M - 0.1), 2)
    made: Tables = {"sensor_height_m": height_m}
    if lot.chance(0.6):
        top_m = height_m - least_m - 0.05
        made["flood"] = {
            "siaga_3": round(_BASE_M + 0.1 + 0.2 * lot.between(0, 1) * (top_m - _BASE_M), 2),
            "siaga_2": round(_BASE_M + 0.5 * (top_m - _BASE_M), 2),
            "siaga_1": round(_BASE_M + 0.8 * (top_m - _BASE_M), 2),
            "siaga_readings": lot.whole(1, 3),
            "siaga_hold_s": lot.one((0, 60, 600)),
        }
    return made


def _flood(lot: Lot) -> list[Tables]:
    sensors: list[Tables] = [{"model": lot.one(_HEADS), "uart": lot.whole(1, 2)}]
    if lot.chance(0.6):
        sensors.append({"model": "tipping_bucket", "pulse": 0})
    if lot.chance(0.3):
        sensors.append({"model": "float_switch", "pulse": 1})
    if lot.chance(0.3):
        sensors.append({"model": "ads1115", "i2c": 1})
    return sensors + _climate(lot, 0.6)


def _air(lot: Lot) -> list[Tables]:
    model = models()[lot.one(_PARTICLES)]
    sensors: list[Tables] = [{"model": model.name, **({"uart": 1} if model.bus == "uart" else {"i2c": 1})}]
    if lot.chance(0.4):
        sensors.append({"model": lot.one(_GASES), "uart": 2})
    if lot.chance(0.3):
        sensors.append({"model": lot.one(("scd4x", "sgp41")), "i2c": 0})
    return sensors + _climate(lot, 0.7)


def _traffic(lot: Lot) -> list[Tables]:
    sensors: list[Tables] = []
    if lot.chance(0.75):
        sensors.append({"model": lot.one(("ld2451", "ld2451", "ld2450")), "uart": lot.whole(1, 2)})
    if lot.chance(0.5) or not sensors:
        sensors.append({"model": "pulse", "pulse": lot.whole(0, 1)})
    if lot.chance(0.05):  # dear: a round trip of the VM 50 times a second
        sensors.append({"model": "qmc5883l", "i2c": 0})
    return sensors + _climate(lot, 0.3)


def _climate(lot: Lot, share: float) -> list[Tables]:
    return [{"model": lot.one(_CLIMATES), "i2c": 0}] if lot.chance(share) else []
