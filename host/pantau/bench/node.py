"""`pantau bench node`: what the measurements of a node mean, as tables for people and a report for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GOALS = {
    "peak_heap_bytes": 80 * 1024,
    "heap_growth_bytes": 512,
    "erases_per_record": 0.02,
}
LEAST_RING_DAYS = 30

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
