"""Drawings of a board with its usual sensors, from the pins of firmware/pantau_node/boards.py. SVG, in letters that need no translation."""

from __future__ import annotations

from typing import Any, NamedTuple

_ROW = 26
_LEFT, _BOARD, _GAP, _SENSOR = 30, 190, 230, 300
_COLOURS = {"5V": "#c62828", "3V3": "#e06c00", "GND": "#222222"}
_SIGNAL = ("#1565c0", "#2e7d32", "#6a1b9a", "#00838f")


class Part(NamedTuple):
    """A sensor on a bus of the board: its model, its supply, and (pin of the sensor, role on the board) of each signal."""

    name: str
    bus: str
    number: int
    supply: str
    signals: tuple[tuple[str, str], ...]


# The least that a station of a domain has. Supplies: data sheets (A02YYUW 3.3-5 V; LD2451, PMS5003 5 V; SHT4x, BME280 3.3 V).
STATIONS = {
    "flood": (
        Part("A02YYUW (water_distance)", "uart", 1, "3V3", (("TX", "rx"), ("RX", "tx"))),
        Part("tipping_bucket (rain_tips)", "pulse", 0, "", (("contact", "in"),)),
        Part("BME280 (air)", "i2c", 0, "3V3", (("SCL", "scl"), ("SDA", "sda"))),
        Part("siren relay", "siren", 0, "5V", (("IN", "out"),)),
    ),
    "traffic": (
        Part("LD2451 (vehicles, speed)", "uart", 1, "5V", (("TX", "rx"), ("RX", "tx"))),
        Part("loop relay A", "pulse", 0, "", (("contact", "in"),)),
        Part("loop relay B", "pulse", 1, "", (("contact", "in"),)),
    ),
    "air": (
        Part("PMS5003 (PM1, PM2.5, PM10)", "uart", 1, "5V", (("TX", "rx"), ("RX", "tx"))),
        Part("SHT4x (temperature, humidity)", "i2c", 0, "3V3", (("SCL", "scl"), ("SDA", "sda"))),
    ),
}


def gpio(board: dict[str, Any], part: Part, role: str) -> int:
    """Return the GPIO of a role on the part's bus; KeyError or IndexError where the board has no such bus."""
    if part.bus == "uart":
        return board["uart"][part.number][("tx", "rx").index(role)]
    if part.bus == "i2c":
        return board["i2c"][part.number][("scl", "sda").index(role)]
    return board["siren"] if part.bus == "siren" else board["pulse"][part.number]


def fits(board: dict[str, Any], part: Part) -> bool:
    """Return whether the board has the part's bus."""
    try:
        return all(gpio(board, part, role) is not None for _, role in part.signals)
    except (KeyError, IndexError):
        return False


def _wires(board: dict[str, Any], part: Part) -> list[tuple[str, str, str]]:
    """Return (label at the board, label at the sensor, colour) of each wire."""
    wires = [(f"GPIO {gpio(board, part, role)}", pin, _SIGNAL[place]) for place, (pin, role) in enumerate(part.signals)]
    if part.supply:
        wires.insert(0, (part.supply, "VCC", _COLOURS[part.supply]))
    return [*wires, ("GND", "GND", _COLOURS["GND"])]


def picture(name: str, board: dict[str, Any], domain: str) -> str:
    """Return the drawing of a station of this domain on the board."""
    parts = STATIONS[domain]
    lines: list[str] = []
    y = 60
    for part in parts:
        wires = _wires(board, part)
        right = _LEFT + _BOARD + _GAP
        height = _ROW * len(wires)
        lines.append(f'<rect x="{right}" y="{y}" width="{_SENSOR}" height="{height}" rx="6" class="sensor"/>')
        lines.append(f'<text x="{right + 75}" y="{y + height / 2 + 5:.0f}" class="name">{part.name}</text>')
        for place, (ours, theirs, colour) in enumerate(wires):
            at = y + _ROW * place + _ROW // 2
            lines.append(f'<path d="M{_LEFT + _BOARD} {at} H{right}" stroke="{colour}" stroke-width="3"/>')
            lines.append(f'<text x="{_LEFT + _BOARD - 10}" y="{at + 5}" text-anchor="end">{ours}</text>')
            lines.append(f'<text x="{right + 10}" y="{at + 5}">{theirs}</text>')
        y += height + 18
    bottom = y - 18
    width = _LEFT + _BOARD + _GAP + _SENSOR + _LEFT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 30}" font-family="sans-serif" font-size="14">',
            "<style>.board{fill:#e8f0e8;stroke:#2e5d34}.sensor{fill:#eef2f8;stroke:#34507a}.name{font-weight:bold}</style>",
            f'<rect width="{width}" height="{bottom + 30}" fill="#ffffff"/>',
            f'<text x="{_LEFT}" y="36" font-size="18" class="name">{name}: {domain}</text>',
            f'<rect x="{_LEFT}" y="50" width="{_BOARD}" height="{bottom - 40}" rx="8" class="board"/>',
            *lines,
            "</svg>\n",
        ]
    )
