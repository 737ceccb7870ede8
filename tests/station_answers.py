"""Answers of the API about one station as the page gets them, made to measure: gaps, floods, flags, clocks that run ahead."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, Route

HOUR_MS = 3_600_000
Series = dict[str, list[Any]]


def iso(ms: float) -> str:
    """Return the instant as the API writes it."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def series(times: list[int], value: Callable[[int], float | None], **columns: list[Any]) -> Series:
    """Return a series of one reading a point."""
    values = [value(ms) for ms in times]
    plain: Series = {"t": times, "min": values, "max": values, "last": values, "q": [1] * len(times)}
    return plain | {"n": [1] * len(times), "reason": ["ok"] * len(times)} | columns


def flood(from_ms: int, to_ms: int, points: int = 1440, gaps: tuple[tuple[float, float], ...] = ()) -> Series:
    """Return a wave that passes in the last third; `gaps` are shares of the time in which nothing came."""
    step = max(60_000, (to_ms - from_ms) // points)
    share = lambda ms: (ms - from_ms) / (to_ms - from_ms)  # noqa: E731
    times = [ms for ms in range(from_ms, to_ms, step) if not any(a < share(ms) < b for a, b in gaps)]
    level = lambda ms: 1.2 + 0.05 * math.sin(ms / 4e6) + 2.9 * math.exp(-(((share(ms) - 0.72) / 0.09) ** 2))  # noqa: E731
    found = series(times, lambda ms: round(level(ms), 3))
    if step > 60_000:
        found["min"] = [value - 0.06 for value in found["last"]]
        found["max"] = [value + 0.11 for value in found["last"]]
        found["n"] = [step // 60_000] * len(times)
    return found


def rain(from_ms: int, to_ms: int, points: int = 1440) -> Series:
    """Return the shower before the wave."""
    step = max(60_000, (to_ms - from_ms) // points)
    share = lambda ms: (ms - from_ms) / (to_ms - from_ms)  # noqa: E731
    return series(
        list(range(from_ms, to_ms, step)),
        lambda ms: round(
            max(0.0, 1.8 * math.exp(-(((share(ms) - 0.6) / 0.05) ** 2)) - 0.1) * (0.6 + 0.4 * math.sin(ms)), 1
        ),
    )


def station(now_ms: int, **more: Any) -> dict[str, Any]:
    """Return everything about the flood station of city_rig."""
    reading = {
        "node": "flood-01",
        "quality": 1,
        "reason": "ok",
        "dated_later": False,
        "observed_at": iso(now_ms - 20_000),
    }
    health = {
        "rssi": -91,
        "battery_mv": 3420,
        "outbox_records": 3,
        "overwritten_records": 0,
        "uptime_ms": 86_400_000,
        "sensor_errors": [[0, "timeout", 31]],
    }
    node = {
        "node": "flood-01",
        "last_seen": iso(now_ms - 15_000),
        "clock": 3,
        "clock_offset_ms": -120,
        "firmware": "0.1.0",
    }
    limits = (("siaga_3", 2.5), ("siaga_2", 3.5), ("siaga_1", 4.5))
    return {
        "station": "pintu-air-10", "name": "Pintu Air 10", "domain": "flood", "kemendagri": "36.71.01.1001", "report_interval_s": 60,
        "datum": "station zero", "longitude": 106.6245, "latitude": -6.1865, "owner": "duty",
        "readings": [
            reading | {"property": "water_level", "value": 2.77, "unit": "m"},
            reading | {"property": "rain_amount", "value": 0.4, "unit": "mm"},
            reading | {"property": "water_distance", "value": 3.73, "unit": "m"},
            reading | {"property": "water_distance_spread", "value": 0.01, "unit": "m", "quality": 3, "reason": "spread"},
            reading | {"property": "rain_intensity_60min", "value": 22.4, "unit": "mm/h"},
            reading | {"property": "air_temperature", "value": 27.3, "unit": "Cel", "observed_at": iso(now_ms - 900_000)},
            reading | {"property": "relative_humidity", "value": None, "unit": "%", "quality": 9, "reason": "timeout"},
        ],
        "nodes": [node | {"health": health}],
        "thresholds": [{"property": "water_level", "name": name, "value": value, "datum": "station zero"} for name, value in limits],
        "sensors": [{"id": "sonar", "model": "a02", "serial": "X-17", "properties": ["water_distance"]}],
        "calibrations": [{"version": 2, "sensor_height_m": 6.5, "tip_mm": 0.2}],
    } | more  # fmt: skip


class Answers:
    """Answers in place of the bridge; a test changes what is said, and reads what was asked."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.station: Any = station(now_ms)
        self.series: dict[str, Callable[[int, int], Any]] = {"water_level": flood, "rain_amount": rain}
        self.status = 200
        self.asked: list[str] = []

    def stand_in(self, page: Page) -> None:
        """Take over the two paths on this page."""
        page.route("**/api/stations/*", self._station)
        page.route("**/api/series?*", self._series)

    def _station(self, route: Route) -> None:
        route.fulfill(status=200, content_type="application/json", body=json.dumps(self.station))

    def _series(self, route: Route) -> None:
        self.asked.append(route.request.url)
        if self.status != 200:
            detail = {"title": "Reading is closed", "status": self.status, "detail": "Reading <b>is</b> closed."}
            route.fulfill(status=self.status, content_type="application/problem+json", body=json.dumps(detail))
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        made = self.series.get(query["property"], lambda *_: series([], float))
        until = min(int(query["to"]), self.now_ms)
        body = made(int(query["from"]), until) if until > int(query["from"]) else series([], float)
        route.fulfill(status=200, content_type="application/json", body=json.dumps(body))
