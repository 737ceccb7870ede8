"""All ailments by name, as scenario files name them."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING

from pantau_sim.ailments.blip import Blip
from pantau_sim.ailments.box import Box
from pantau_sim.ailments.clog import Clog
from pantau_sim.ailments.cobweb import Cobweb
from pantau_sim.ailments.drift import Drift
from pantau_sim.ailments.dust_coat import DustCoat
from pantau_sim.ailments.fan_wear import FanWear
from pantau_sim.ailments.foam import Foam
from pantau_sim.ailments.humidity_bias import HumidityBias
from pantau_sim.ailments.knock import Knock
from pantau_sim.ailments.misaligned import Misaligned
from pantau_sim.ailments.occlusion import Occlusion
from pantau_sim.ailments.over_tip import OverTip
from pantau_sim.ailments.pulse_chain import PulseChain
from pantau_sim.ailments.something import Something
from pantau_sim.ailments.sun import Sun
from pantau_sim.ailments.tilt import Tilt
from pantau_sim.ailments.warm_box import WarmBox
from pantau_sim.ailments.wet_face import WetFace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau_sim.ailments.base import Ailment

# name: class; its ABOUT is the line for people, its DOMAIN the sensors that it belongs to, its CHANGES what they ask
KINDS: Mapping[str, type[Ailment]] = MappingProxyType(
    {
        "pulse_chain": PulseChain, "blip": Blip, "box": Box, "something": Something,
        "cobweb": Cobweb, "foam": Foam, "tilt": Tilt, "drift": Drift, "knock": Knock, "sun": Sun, "wet_face": WetFace,
        "clog": Clog, "over_tip": OverTip,
        "fan_wear": FanWear, "humidity_bias": HumidityBias, "dust_coat": DustCoat,
        "occlusion": Occlusion, "misaligned": Misaligned,
        "warm_box": WarmBox,
    }
)  # fmt: skip


def kind(name: str) -> type[Ailment]:
    """Return the class of an ailment. ValueError for an unknown name, with the nearest known one."""
    found = KINDS.get(name)
    if found is None:
        near = difflib.get_close_matches(name, KINDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(KINDS)}"
        raise ValueError(f"no ailment is called {name!r}; {hint}")
    return found
