"""`pantau bench node` on one domain: the figures are there, the goals that are reached stay reached, the heap does not creep up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from needs import missing
from pantau.bench import node as bench
from pantau.cli import pantau
from pantau_sim.nodebench import heap

pytestmark = pytest.mark.usefixtures("vm")

# The goal is 80 KiB. What is reached so far, plus 2 %; lower it whenever the figure falls.
PEAK_HEAP_BYTES, ON_FILES_BYTES = 106000, 99400
FIGURES = {
    "peak_heap_bytes", "heap_growth_bytes", "mpy_bytes", "boot_to_first_frame_s", "erases_per_record", "ring_days",
    "air_bytes_per_day",
}  # fmt: skip
HOST_ONLY = {"pantau_wire.names", "pantau_wire.records", "pantau_wire.mqtt_more"}


def test_a_flood_node_is_measured_and_keeps_its_budgets(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = CliRunner().invoke(pantau, ["bench", "node", "--domain", "flood", "--hours", "4", "--report", str(report)])
    if done.exit_code == 3:
        missing("the 32-bit VM", "nodejs and the npm package of package.json")
    assert done.exit_code == 0, done.output
    said = json.loads(report.read_text())
    assert said["sources"].keys() == {"figures", "goals", "rig", "energy"}
    flood = said["flood"]
    assert flood.keys() >= FIGURES
    assert "Wi-Fi takes 16,448 bytes" in done.output and said["stated"]["tls_socket_heap_bytes"] == 31136
    assert not {"heap_growth_bytes", "erases_per_record", "ring_days"} & set(bench.missed(flood)), done.output
    assert flood["peak_heap_bytes"] <= PEAK_HEAP_BYTES and flood["on_files"]["peak_heap_bytes"] <= ON_FILES_BYTES
    assert flood["live_peak_heap_bytes"] <= flood["peak_heap_bytes"]
    assert 0.5 < flood["boot_to_first_frame_s"] < 30
    assert 0 < flood["mqtt_bytes_per_day"] < flood["air_bytes_per_day"]
    assert flood["frames_acknowledged"] >= 16  # a batch in 15 min: the node that is measured does deliver
    assert flood["mpy_bytes"] == sum(flood["mpy_files"].values())
    assert not HOST_ONLY & flood["imports"].keys()


def test_modules_stand_after_what_they_import() -> None:
    order = heap.in_order(
        ["pantau_wire.frame", "pantau_wire._tables", "pantau_wire.bits", "pantau_wire.errors", "pantau_wire"]
    )
    assert order.index("pantau_wire._tables") < order.index("pantau_wire.frame")
    assert order.index("pantau_wire.errors") < order.index("pantau_wire.bits") < order.index("pantau_wire.frame")
