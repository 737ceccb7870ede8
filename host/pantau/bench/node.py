"""`pantau bench node`: what the measurements of a node mean, as tables for people and a report for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pantau.bench import energy
from pantau.bench.figures import SET, Figure, table

FIGURES: Mapping[str, Figure] = {
    "peak_heap_bytes": Figure(80 * 1024, "bytes", SET, "goal: what leaves a stock ESP32 room for Wi-Fi and TLS, see decision 0008"),
    "heap_growth_bytes": Figure(512, "bytes", SET, "goal: nothing that grows; a table of names may still be extended by a few"),
    "erases_per_record": Figure(0.02, "", SET, "goal: twice what a bare ring of 40-byte records was measured at, 0.010 (decision 0006)"),
    "ring_days": Figure(30, "days", SET, "goal: a month without a bridge in 1 MiB"),
}  # fmt: skip
GOALS = {name: figure.value for name, figure in FIGURES.items() if name != "ring_days"}
LEAST_RING_DAYS = FIGURES["ring_days"].value
_VM32 = "in the 32-bit MicroPython 1.25.0 (wasm), whose objects have the size of an ESP32's within 1 %, as a difference to an empty VM"
_DAY = "the whole firmware in the unix VM for the simulated day, virtual time, emulated sensors, a link that is up"
HOW: Mapping[str, str] = {
    "peak_heap_bytes": f"measured {_VM32}: the most that lives after a collection, and the garbage that the firmware's gc.threshold allows",
    "live_peak_heap_bytes": f"measured {_VM32}, after a collection",
    "uncollected_peak_heap_bytes": f"measured {_VM32}, which collects between turns only",
    "import_heap_bytes": f"measured {_VM32}, with nothing else in it",
    "booted_heap_bytes": f"measured {_VM32}, after the first minute",
    "boot_peak_heap_bytes": f"measured {_VM32}, until the first minute",
    "heap_growth_bytes": f"measured {_VM32}: least of the last whole hour less least of hour 2",
    "mpy_bytes": "measured: sizes of the files of mpy-cross -O3",
    "boot_to_first_frame_s": f"measured: {_DAY}; code costs nothing there, a chip also loads its .mpy files",
    "erases_per_record": "measured: the day's frames into the firmware's ring on simulated NOR flash until it has overwritten itself",
    "ring_days": "measured: the same, until the first record is overwritten",
    "air_bytes_per_day": "derived: mqtt_bytes_per_day and overhead_bytes_per_segment for each segment",
    "mqtt_bytes_per_day": f"measured: {_DAY}, both ways",
    "segments_per_day": f"measured: {_DAY}, one for each write of either side",
}

# What cannot be measured here: a node on an emulated ESP32 with the official image of MicroPython 1.25.0, gc.mem_free() each time.
# facts/firmware.md 4.9 of the project's notes; the interpreter's own modules are frozen there, and cost little.
STATED = {
    "source": "official image ESP32_GENERIC 1.25.0 on an emulated ESP32 with Wi-Fi",
    "mem_free_after_boot_bytes": 164144,
    "wifi_heap_bytes": 164144 - 147696,
    "tls_socket_heap_bytes": 147696 - 116560,
    "mem_free_with_wifi_and_tls_bytes": 116560,
    "asyncio_heap_bytes": 2096,
}
_ROWS = (
    ("peak_heap_bytes", "heap: peak"),
    ("live_peak_heap_bytes", "  most after a collection, the start included"),
    ("uncollected_peak_heap_bytes", "  in a turn, if nothing were collected"),
    ("import_heap_bytes", "  of it the code (imports)"),
    ("booted_heap_bytes", "  after the first minute"),
    ("boot_peak_heap_bytes", "  while it starts, if nothing were collected"),
    ("heap_growth_bytes", "heap: growth, hour 2 to the last"),
    ("mpy_bytes", "code: .mpy files"),
    ("boot_to_first_frame_s", "power-on to first frame, s"),
    ("erases_per_record", "flash: erases per record"),
    ("ring_days", "flash: days of records in 1 MiB"),
    ("air_bytes_per_day", "air: bytes per day"),
    ("mqtt_bytes_per_day", "  of it MQTT"),
    ("segments_per_day", "  in segments"),
)
_COLUMN = 12


def sources(rig: Mapping[str, Figure]) -> dict[str, Any]:
    """Return where each figure of the report is from; `rig`: what the measuring stands on."""
    return {
        "figures": dict(HOW),
        "goals": table(FIGURES),
        "rig": table(rig),
        "energy": table(energy.FIGURES),
    }


def missed(figures: Mapping[str, Any]) -> list[str]:
    """Return the goals that one domain's figures miss."""
    out = [name for name, most in GOALS.items() if figures[name] > most]
    return out + (["ring_days"] if figures["ring_days"] < LEAST_RING_DAYS else [])


def lines(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the table of all domains, what it was measured on, and which goals are missed."""
    out = [f"{'':<52}" + "".join(f"{domain:>{_COLUMN}}" for domain in found)]
    for key, text in _ROWS:
        out.append(f"{text:<52}" + "".join(f"{figures[key]:>{_COLUMN},}" for figures in found.values()))
    first = next(iter(found.values()))
    for part in first["parts"]:
        cells = "".join(f"{figures['parts'][part]:>{_COLUMN},}" for figures in found.values())
        out.append(f"{'  part: ' + part:<52}{cells}")
    overhead = first["overhead_bytes_per_segment"]
    on_files = ", ".join(f"{domain} {figures['on_files']['peak_heap_bytes']:,}" for domain, figures in found.items())
    out.append("")
    out.append(
        f"heap: bytes over an empty VM of 32 bits, outbox in a {first['outbox']} (peak without partitions: {on_files})"
    )
    out.append(
        f"peak: what lives after a collection, and at most {first['collect_after_bytes']:,} bytes of garbage, after which the "
        "firmware collects; this VM collects between turns only"
    )
    out.append("power-on to first frame: in virtual time, where code costs nothing; a chip also loads its .mpy files")
    out.append(f"air: {overhead} bytes for each segment: TLS 1.2 record 29, TCP/IP 40, its TCP acknowledgement 40")
    out.append(
        f"stated, {STATED['source']}: Wi-Fi takes {STATED['wifi_heap_bytes']:,} bytes of heap, a TLS socket "
        f"{STATED['tls_socket_heap_bytes']:,}; {STATED['mem_free_with_wifi_and_tls_bytes']:,} are left for the node"
    )
    for domain, figures in found.items():
        for name in missed(figures):
            goal = f"at least {LEAST_RING_DAYS}" if name == "ring_days" else f"at most {GOALS[name]:,}"
            out.append(f"MISSED {domain}: {name} {figures[name]:,}, the goal is {goal}")
    return out


def modules(domain: str, figures: Mapping[str, Any]) -> list[str]:
    """Return the table of what each module takes, the greatest first."""
    out = [f"{domain + ': module':<40}{'heap':>8}{'.mpy':>8}"]
    ranked = sorted(figures["imports"].items(), key=lambda item: -item[1])
    return out + [f"{name:<40}{size:>8,}{figures['mpy_files'][name]:>8,}" for name, size in ranked]
