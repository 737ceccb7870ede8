"""Particle formulas: humidity correction, NowCast, ISPU. Pure functions; sources beside the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.quality.site import PmProfile

# ISPU of 24-hour means, PermenLHK P.14/2020, Annex: upper bounds of the classes in ug/m3. The top of the last class is not
# printed (">300"): 500, as implementations have it.
ISPU_INDEX = (0, 50, 100, 200, 300, 500)
ISPU_BOUNDS = {
    "pm2_5": (0, 15.5, 55.4, 150.4, 250.4, 500),
    "pm10": (0, 50, 150, 350, 420, 500),
}


def _epa_2021(pm: float, humidity: float) -> float:
    """EPA 2021, for the atmospheric word of a PMS, ug/m3 and %: two slopes, a curve for smoke, blended between them."""
    wet = 5.75 - 0.0862 * humidity
    smoke = 2.966 + 0.69 * pm + 8.84e-4 * pm * pm
    if pm < 30:
        return 0.524 * pm + wet
    if pm < 50:
        share = pm / 20 - 1.5
        return (0.786 * share + 0.524 * (1 - share)) * pm + wet
    if pm < 210:
        return 0.786 * pm + wet
    if pm < 260:
        share = pm / 50 - 4.2
        return share * smoke + (1 - share) * (0.786 * pm + wet)
    return smoke


def corrected(profile: PmProfile, pm: float, humidity: float) -> float:
    """Return PM2.5 by the profile, ug/m3. It may be below zero: clamp what is shown, never what is averaged."""
    if profile.slope is None or profile.humidity is None or profile.offset is None:
        return _epa_2021(pm, humidity)
    return profile.slope * pm + profile.humidity * humidity + profile.offset


def nowcast(hours: Sequence[float | None]) -> float | None:
    """Return the EPA NowCast of up to 12 hourly means, the most recent first; None without two of the last three."""
    hours = hours[:12]
    known = [value for value in hours if value is not None]
    if sum(value is not None for value in hours[:3]) < 2:
        return None
    highest = max(known)
    weight = max(0.5, min(known) / highest) if highest > 0 else 1.0
    parts = [(weight**age, value) for age, value in enumerate(hours) if value is not None]
    return sum(w * value for w, value in parts) / sum(w for w, _ in parts)


def ispu(pollutant: str, mean: float) -> float:
    """Return the index of a 24-hour mean in ug/m3, linear within its class; 500 at most."""
    bounds = ISPU_BOUNDS[pollutant]
    mean = max(0.0, mean)
    for low, high, base, top in zip(bounds, bounds[1:], ISPU_INDEX, ISPU_INDEX[1:], strict=False):
        if mean <= high:
            return (top - base) / (high - low) * (mean - low) + base
    return ISPU_INDEX[-1]
