"""Looking at a scenario before it is run: its mistakes, whether it can meet its own expectations, and what is to come when."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pantau.problems import ConfigError, Problem
from pantau_sim.expect import CHECKS
from pantau_sim.expect.limits import clock, stations
from pantau_sim.expect.rules import known
from pantau_sim.expect.truth import siaga_crossing, siaga_level
from pantau_sim.scenario.file import read, source
from pantau_sim.scenario.locate import Lines
from pantau_sim.scenario.make import make
from pantau_sim.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pantau_sim.scenario.file import Source
    from pantau_sim.scenario.plan import ScenarioPlan

_WORDS = {3: "waspada", 2: "siaga", 1: "awas"}


class Event(NamedTuple):
    """Something that will happen in the world."""

    at_s: float
    what: str


class Looked(NamedTuple):
    """What was found: with problems there may be no plan, and no events."""

    problems: list[Problem]
    plan: ScenarioPlan | None
    events: list[Event]


def problems(name_or_path: str, seed: int | None = None) -> list[Problem]:
    """Return every mistake of a scenario, expectations that it can never meet among them."""
    return look(name_or_path, seed).problems


def look(name_or_path: str, seed: int | None = None) -> Looked:
    """Return what there is to say of a scenario without running it; `seed` None: the file's own."""
    try:
        found = source(name_or_path)
        scenario = read(found.text, found.file)
    except ConfigError as error:
        return Looked(error.problems, None, [])
    plan = make(found.name, scenario, scenario.scenario.seed if seed is None else seed)
    world = World(plan.seed, plan.world)
    never = list(_never(found, plan, world))
    return Looked(never, plan, sorted(_events(plan, world)))


def _never(found: Source, plan: ScenarioPlan, world: World) -> Iterator[Problem]:
    """Yield the expectations that cannot come to pass."""
    lines = Lines(found.text)
    for at, expect in enumerate(plan.expect):
        why = CHECKS[expect.check].possible(plan, world, expect)
        if why is not None:
            place = f"{found.file}:{lines.of(('expect', at))}"
            yield Problem(place, f"expect[{at}]", f"{expect.name} can never be met: {why}")


def _events(plan: ScenarioPlan, world: World) -> set[Event]:
    """Return when the truth reaches what somebody waits for: siaga levels, and levels of rules that an expectation names."""
    events = set()
    for site in plan.world.sites:
        for state, word in _WORDS.items():
            if site.kind in {"road", "roadside", "background"} or siaga_level(plan, site.id, state) is None:
                continue
            at = siaga_crossing(plan, world, site.id, state)
            if at is not None:
                events.add(Event(at, f"{site.id}: siaga_{state} ({word}), {siaga_level(plan, site.id, state):g} m"))
    for expect in plan.expect:
        if expect.check == "alert" and expect.rule not in {None, "siaga"}:
            for station in stations(plan, expect):
                at = known(plan, world, station, expect.rule or "", expect.severity).at_s
                if at is not None:
                    events.add(Event(at, f"{station}: {expect.rule} {expect.severity or ''}".rstrip()))
    return events


def told(looked: Looked) -> Iterator[str]:
    """Yield lines for people about a scenario without mistakes."""
    plan = looked.plan
    if plan is None:
        return
    start, end = plan.start_us / 1e6, plan.end_us / 1e6
    kinds: Counter[str] = Counter(site.kind for site in plan.world.sites)
    yield f"{plan.name}, seed {plan.seed}: {plan.title}"
    yield f"{clock(start)} to {clock(end)} WIB, {(end - start) / 3600:g} hours, the last {(plan.end_us - plan.calm_us) / 3.6e9:g} calm"
    yield f"{len(plan.world.sites)} stations ({_counted(kinds)}), {len(plan.nodes)} nodes"
    for what, spans in (("faults", plan.faults), ("ailments", plan.ailments), ("clients", plan.clients)):
        if spans:
            yield f"{len(spans)} {what} ({_counted(Counter(span.kind for span in spans))})"
    yield f"{len(plan.expect)} expectations, none of them impossible"
    yield from (f"  {clock(event.at_s)}  {event.what}" for event in looked.events)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
