"""All checks by name, as scenario files name them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pantau_sim.expect import (
    alert,
    alert_ends,
    clean,
    completeness,
    conflicts,
    depth_error,
    flagged,
    halted_after,
    no_alert,
    no_conflicts,
    no_duplicates,
    node_forged,
    nodes_on,
    nothing_lost,
    quarantined,
    redelivered,
    restarts,
    siaga_order,
    siaga_reached,
    value_error,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau_sim.expect.base import Check

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "nothing_lost": nothing_lost.CHECK,
        "no_duplicates": no_duplicates.CHECK,
        "completeness": completeness.CHECK,
        "redelivered": redelivered.CHECK,
        "restarts": restarts.CHECK,
        "quarantined": quarantined.CHECK,
        "no_conflicts": no_conflicts.CHECK,
        "conflicts": conflicts.CHECK,
        "node_forged": node_forged.CHECK,
        "siaga_order": siaga_order.CHECK,
        "siaga_reached": siaga_reached.CHECK,
        "alert": alert.CHECK,
        "no_alert": no_alert.CHECK,
        "alert_ends": alert_ends.CHECK,
        "depth_error": depth_error.CHECK,
        "value_error": value_error.CHECK,
        "flagged": flagged.CHECK,
        "clean": clean.CHECK,
        "halted_after": halted_after.CHECK,
        "nodes_on": nodes_on.CHECK,
    }
)
