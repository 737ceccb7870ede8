"""What the hunt has found, and what was mended since: each case holds now. `pantau sim hunt --replay FILE` plays one by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from needs import need_vm
from pantau_sim.hunt.case import play_scenario
from pantau_sim.scenario.file import load

FOUND = sorted((Path(__file__).parent / "found").glob("*.toml"))
QUICK_H = 2.0  # node-hours; what is longer is for the long tier


def _case(path):
    _, scenario = load(str(path))
    nodes = sum(place.node.count for place in scenario.station)
    marks = [pytest.mark.long] if nodes * scenario.scenario.hours > QUICK_H else []
    return pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("path", [_case(path) for path in FOUND])
def test_a_case_that_was_found_holds(path, need):
    need_vm()
    assert play_scenario(*load(str(path))).broken == []
