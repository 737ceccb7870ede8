"""PKJI 2023 (SE 21/SE/Db/2023), urban roads: passenger car equivalents and levels of service, as data.

Read from third-party code that carries the tables, and equal to MKJI 1997: an engineer of the road authority should confirm
them before they are shown in an official report.
"""

from __future__ import annotations

from typing import NamedTuple


class Equivalents(NamedTuple):
    """smp of one motorcycle (SM) and one heavy vehicle (KS); a light one (MP) is 1."""

    motorcycle: float
    heavy: float


NARROW_M = 6.0
# road: (flow that parts the two rows in vehicles per hour, is it per lane, below, from there on)
TABLE = {
    "2/2-TT": (1800, False, Equivalents(0.40, 1.3), Equivalents(0.25, 1.2)),
    "2/2-TT narrow": (1800, False, Equivalents(0.50, 1.3), Equivalents(0.35, 1.2)),
    "4/2-T": (1050, True, Equivalents(0.40, 1.3), Equivalents(0.25, 1.2)),
    "6/2-T": (1100, True, Equivalents(0.40, 1.3), Equivalents(0.25, 1.2)),
}
SERVICE = (0.19, 0.44, 0.69, 0.84, 1.00)  # greatest degree of saturation of A, B, C, D and E


def equivalents(road: str, width_m: float | None, vehicles_h: float, lanes: int) -> Equivalents:
    """Return the equivalents at a flow in vehicles per hour over `lanes`; a road of unknown width is not narrow."""
    narrow = road == "2/2-TT" and width_m is not None and width_m < NARROW_M
    limit, per_lane, low, high = TABLE[f"{road} narrow" if narrow else road]
    return low if (vehicles_h / lanes if per_lane else vehicles_h) < limit else high


def service(saturation: float) -> int:
    """Return the level of service, 1 for A to 6 for F."""
    return 1 + sum(saturation > cut for cut in SERVICE)
