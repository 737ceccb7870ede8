"""What all checks share: which keys of [[expect]] they take, how they judge a run, and why one can never be met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


class Met(NamedTuple):
    """Whether an expectation came to pass, and what did, in words with figures."""

    met: bool
    what: str


def _always(_plan: ScenarioPlan, _world: World, _expect: Expect) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `needs`: of each of these groups one key must be given; `takes`: keys that may be. `share`: limits are 0 to 1.

    `possible` returns why the scenario can never meet it, None where it may.
    """

    about: str
    judge: Callable[[Outcome, Expect], Met]
    possible: Callable[[ScenarioPlan, World, Expect], str | None] = _always
    needs: tuple[tuple[str, ...], ...] = ()
    takes: tuple[str, ...] = ()
    share: bool = False

    @property
    def keys(self) -> set[str]:
        """Return every key that may be given."""
        return {*self.takes, *(key for group in self.needs for key in group)}
