"""How a value comes about, in a sentence for readers of open data. Data only."""

from __future__ import annotations

# Indices and classes worked out from low-cost sensors. They look like official figures and are none.
INDICATIVE = frozenset({"ispu", "pm2_5_nowcast", "siaga_state", "degree_of_saturation", "level_of_service"})
_DERIVED = {
    "water_level": "Sensor height of the registry minus the measured distance to the water",
    "rain_amount": "Tips since the record before, times the gauge's tip volume",
    "flood_depth": "Water level minus the level at which the station's ground is dry",
    "siaga_state": "The station's own thresholds on its filtered level: 4 normal, 3 waspada, 2 siaga, 1 awas",
    "rain_intensity_5min": "Mean of the 5 minutes up to the record, each tip spread over the time since the tip before it",
    "rain_intensity_15min": "Mean of the 15 minutes up to the record, each tip spread over the time since the tip before it",
    "rain_intensity_60min": "Mean of the 60 minutes up to the record, each tip spread over the time since the tip before it",
    "pm2_5_corrected": "PM2.5 corrected for humidity by the station's profile",
    "pm2_5_nowcast": "NowCast (EPA) of PM2.5 over the last 12 whole hours",
    "ispu": "ISPU (PermenLHK P.14/2020) of the last 24 whole hours, the worst of PM2.5 and PM10; from low-cost sensors, not official",
    "traffic_flow": "Passenger car units (smp, PKJI 2023) of a whole quarter of an hour",
    "degree_of_saturation": "Traffic flow over the road's capacity (PKJI 2023)",
    "level_of_service": "By degree of saturation: 1 is A (free flow), 6 is F",
}


def method(name: str) -> str:
    """Return how the values of an observed property come about."""
    return _DERIVED.get(name, "As the sensor measured it; quality flags by QARTOD tests, no value removed")
