"""A small scenario for tests of the runner: an air node and a flood node for two hours, with a storm and what a test adds."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from pantau_sim.scenario.make import make
from pantau_sim.scenario.tables import Scenario

if TYPE_CHECKING:
    from pantau_sim.scenario.plan import ScenarioPlan

TEXT = """
[scenario]
title = "Small"
title_id = "Kecil"
about = "For tests."
start = 2027-01-12T12:00:00+07:00
hours = 2
calm_h = 0.5

[[shower]]
at_h = 0.7
peak_mm_h = 60
width_min = 10

[[station]]
id = "kampung"
name = "Kampung"
domain = "flood"
latitude = -6.2
longitude = 106.6
sensor_height_m = 3.0
tip_mm = 0.2
site = { kind = "street" }

[[station]]
id = "pasar"
name = "Pasar"
domain = "air"
latitude = -6.21
longitude = 106.61
site = { kind = "roadside" }

[[expect]]
name = "all"
check = "nothing_lost"
"""


def plan(more: str = "", seed: int = 1) -> ScenarioPlan:
    """Return the plan of the small scenario with more tables."""
    return make("small", Scenario.model_validate(tomllib.loads(TEXT + more)), seed)
