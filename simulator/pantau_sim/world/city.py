"""What stations share: the sky, the smoke, the sea and the rivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.world.rain import EPOCH_S, Sky
from pantau_sim.world.river import Catchment, Flow
from pantau_sim.world.tide import Tide

if TYPE_CHECKING:
    from pantau_sim.world.plan import Haze, WorldPlan

_WARM_UP_S = 2 * 86400  # of what has a memory, before a plan begins


class City:
    """Everything under one seed that is not one place's."""

    def __init__(self, seed: int, plan: WorldPlan | None) -> None:
        self.seed = seed
        self.plan = plan
        self.start_s = float(int(plan.start_s - _WARM_UP_S) // 3600 * 3600) if plan else float(EPOCH_S)
        self.sky = Sky(seed, plan)
        self.tide = Tide(seed)
        self.hazes: list[Haze] = list(plan.hazes) if plan else []
        self._rivers = {river.name: river for river in (plan.rivers if plan else ())}
        self._catchments = {name: Catchment(river, self.sky) for name, river in self._rivers.items()}
        self._flows: dict[tuple[str, float], Flow] = {}

    def flow(self, name: str, km: float) -> Flow:
        """Return a river's flow `km` below its headwaters."""
        if name not in self._rivers:
            raise KeyError(f"no river {name!r} in the plan: it has {', '.join(sorted(self._rivers)) or 'none'}")
        if (name, km) not in self._flows:
            self._flows[name, km] = Flow(self._rivers[name], km, self._catchments[name], self.start_s)
        return self._flows[name, km]

    def mouth_km(self, name: str) -> float:
        """Return how far below its headwaters a river meets the sea: where the plan has its lowest station."""
        return max(site.km for site in (self.plan.sites if self.plan else ()) if site.river == name)

    def clear(self) -> None:
        """A shower was added."""
        for catchment in self._catchments.values():
            catchment.clear()
        for flow in self._flows.values():
            flow.clear()
