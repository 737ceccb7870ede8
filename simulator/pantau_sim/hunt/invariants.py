"""What must hold of every run, whatever broke in it: section 2 of the architecture, one function an invariant.

Each takes the evidence and yields, in words, where it does not hold.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.hunt import held, nodes, platform, store, strangers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pantau_sim.hunt.evidence import Evidence

_TOLD = 3  # of each invariant


class Broken(NamedTuple):
    """An invariant that did not hold, and where."""

    invariant: str
    what: str

    @property
    def mark(self) -> str:
        """Return what tells two failures apart that are worth a look each: of errors, which one it is."""
        kinds = [
            part
            for part in self.what.partition("\n")[0].split(": ")
            if part.isidentifier() and part.endswith(("Error", "error"))
        ]
        return ": ".join((self.invariant, *kinds))


# By the numbers of section 2: what is not the city's own (a run that ends in an error, two that differ) is told by case.py.
ALL: Mapping[str, Callable[[Evidence], Iterator[str]]] = MappingProxyType(
    {
        "nothing-lost": held.nothing_lost,  # 1
        "nothing-twice": held.nothing_twice,  # 2
        "all-accounted-for": held.all_accounted_for,  # 3
        "backlogs-drain": held.backlogs_drain,  # 3
        "log-is-what-was-stored": held.log_is_what_was_stored,  # 1, 3
        "spool-is-bounded": held.spool_is_bounded,  # 7
        "nothing-forged": strangers.nothing_forged,  # 4
        "refusals-have-a-cause": strangers.refusals_have_a_cause,  # 2, 4
        "city-holds-the-log": platform.city_holds_the_log,  # 2, 3
        "dates-are-true": platform.dates_are_true,  # 5
        "undated-is-dated": platform.undated_is_dated,  # 5
        "flags-not-sentinels": platform.flags_not_sentinels,  # 6
        "latest-is-the-latest": store.latest_is_the_latest,
        "nodes-are-up-to-date": store.nodes_are_up_to_date,
        "alerts-make-sense": platform.alerts_make_sense,
        "no-siaga-on-dry-ground": platform.no_siaga_on_dry_ground,
        "nobody-is-late-at-the-end": platform.nobody_is_late_at_the_end,
        "firmware-lives": nodes.firmware_lives,  # 8
        "restarts-have-a-cause": nodes.restarts_have_a_cause,  # 8
    }
)


def broken(evidence: Evidence) -> list[Broken]:
    """Return what does not hold."""
    found = []
    for name, check in ALL.items():
        told = list(check(evidence))
        more = f", and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
        if told:
            found.append(Broken(name, "; ".join(told[:_TOLD]) + more))
    return found
