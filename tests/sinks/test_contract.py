"""What every sink promises, held against every target for which tests/sinks has a kit, on its real server."""

from __future__ import annotations

import importlib
import re
import time
from pathlib import Path

import pytest

import needs
from pantau.model import Revision
from pantau.sinks import Verdict
from pantau_sim.servers import Missing
from pantau_wire import names as T
from sinks import kit as kits
from sinks.kit import INTERVAL_S, T0_S, check, expected, held, told

NAMES = sorted(path.stem.removeprefix("kit_") for path in Path(__file__).parent.glob("kit_*.py"))
RETRY_S = 15.0  # that a delivery may take to find out that its target is away
BACK_S = 20.0  # for a sink to work again once its target does
ADVICE = re.compile(r"\b(start|check|correct|look|see|right|is this|close|free|make|create|give|raise|set)\b")


@pytest.fixture(scope="module", params=NAMES)
def target(request, tmp_path_factory):
    """A kit whose server is up, and the towns of it that are not taken yet."""
    try:
        kit = importlib.import_module(f"sinks.kit_{request.param}").Kit(tmp_path_factory.mktemp(request.param))
    except Missing as missing:
        needs.missing(missing.what, missing.package)
    kit_towns = kits.towns()
    try:
        first = kit.open()
        eventually(
            first, next(kit_towns).day()
        )  # a target that is new may need tables, or a database, and a second try
        first.close()
        yield kit, kit_towns
    finally:
        kit.close()


@pytest.fixture
def kit(target):
    return target[0]


@pytest.fixture
def town(target):
    return next(target[1])


@pytest.fixture
def sink(kit):
    opened = kit.open()
    yield opened
    opened.close()


def taken(sink, batch):
    """Deliver to a target that is well; return the kinds of the verdicts."""
    verdicts = sink.deliver(batch)
    assert len(verdicts) == len(batch)
    assert not any(verdict.kind == "retry" for verdict in verdicts), verdicts
    return [verdict.kind for verdict in verdicts]


def eventually(sink, log):
    """Deliver `log` as a follower does: try again, and go back to what the target holds when there was trouble."""
    deadline, at, asked = time.monotonic() + BACK_S, 0, False
    while at < len(log):
        verdicts = sink.deliver(log[at : at + 5])
        if any(verdict.kind == "retry" for verdict in verdicts):
            assert time.monotonic() < deadline, verdicts[0].reason
            asked = False
            time.sleep(0.05)
            continue
        if not asked and (has := sink.position()) is not None:
            asked, at = True, next((n for n, decoded in enumerate(log) if decoded.id > has), len(log))
            continue
        at += 5


def cuts(log, *sizes):
    at = 0
    while at < len(log):
        for size in sizes:
            yield log[at : at + size]
            at += size


def test_everything_arrives_once_with_value_time_and_quality(kit, town, sink):
    assert set(taken(sink, town.day())) == {"stored"}
    check(kit, town)


def test_delivered_again_in_other_cuts_nothing_changes(kit, town, sink):
    log = town.day() + town.day(at_s=T0_S + 900)
    for batch in cuts(log, 5):
        taken(sink, batch)
    check(kit, town)
    for sizes in ((1,), (7, 2), (len(log),)):
        for batch in cuts(log, *sizes):
            assert "rejected" not in taken(sink, batch)
    check(kit, town)


def test_a_batch_of_which_half_was_applied_comes_again(kit, town, sink):
    log = town.day()
    taken(sink, log[3:5])
    taken(sink, log[:2])
    assert set(taken(sink, log)) <= {"stored", "duplicate"}
    check(kit, town)


def test_a_frame_twice_in_one_batch(kit, town, sink):
    one, two = town.level(1500, 1501), town.level(1502, at_s=T0_S + 300)
    taken(sink, [one, one, two, one])
    check(kit, town, [one, two])


def test_late_and_out_of_order(kit, town, sink):
    starts = [T0_S + 900 * n for n in (3, 1, 2, 0)]
    for at_s in starts:
        taken(sink, [town.level(1500, 1501, at_s=at_s), town.road(3, at_s=at_s)])
    check(kit, town)


def test_two_boots_count_from_one_each(kit, town, sink):
    taken(sink, [town.level(1500, boot=1), town.level(1600, boot=2, at_s=T0_S + 300)])
    taken(sink, [town.level(1601, boot=2, at_s=T0_S + 360), town.level(1501, boot=1, at_s=T0_S - 600)])
    check(kit, town)


def test_what_had_no_date_gets_it_later(kit, town, sink):
    early = [town.undated(1500, None, 1502), town.undated(1503, uptime_s=200)]
    taken(sink, early)
    check(kit, town)
    taken(sink, [town.state(boot=7), town.dated(early[0]), town.level(1600, boot=7)])
    taken(sink, [town.dated(early[1])])
    assert not any(o.observed_at_ms is None for o in told(town.said))
    check(kit, town)
    taken(sink, town.said[2:])
    check(kit, town)


def test_a_date_that_was_known_is_kept_when_all_comes_again(kit, town, sink):
    early = town.undated(1500, 1501)
    taken(sink, [early, town.state(boot=7), town.dated(early)])
    for batch in cuts(town.said, 1):  # as after a loss of our cursor: once more without a date, then with it
        taken(sink, batch)
    check(kit, town)


def test_verdicts_that_came_later(kit, town, sink):
    first = town.level(1500, 1501, 1502)
    taken(sink, [first])
    taken(sink, [town.revised(first.observations[1], first.observations[4], quality=3)])
    taken(sink, [town.revised(first.observations[1], quality=4, reason="stuck")])
    check(kit, town)
    for batch in cuts(town.said, 2):
        taken(sink, batch)
    check(kit, town)


def test_an_earlier_frame_alone_comes_again_after_a_later_verdict(kit, town, sink):
    first, early = town.level(1500, 1501, 1502), town.undated(1500)
    taken(sink, [first, early])
    taken(sink, [town.revised(first.observations[1], quality=4), town.state(boot=7), town.dated(early)])
    check(kit, town)
    said = list(town.said)
    taken(sink, [first, early])  # as from the quarantine: what was told after it is not told again
    if getattr(kit, "overwrites", False):
        taken(sink, said)  # the whole span mends it
    check(kit, town, said)


def test_a_later_verdict_about_what_the_target_never_got(kit, town, sink):
    unknown = town.level(1500)
    town.said.clear()
    assert taken(sink, [town.revised(*unknown.observations, quality=4), town.level(1501, at_s=T0_S + 60)])
    # A target that cannot be asked for one point may hold the verdict beside no value, which no series shows.
    shown = {row for row in held(kit, town.nodes) if row.value is not None}
    assert {row._replace(quality=None) for row in shown} == {
        row._replace(quality=None) for row in expected(kit, town.said)
    }


def test_nothing_was_measured(kit, town, sink):
    taken(sink, [town.level(None, None), town.level(None, 1500, at_s=T0_S + 300)])
    assert sum(seen.value is None for seen in told(town.said)) == 6
    check(kit, town)


def test_an_empty_batch_and_frames_without_observations(kit, town, sink):
    assert sink.deliver([]) == []
    assert len(taken(sink, [town.state(), town.state(boot=2)])) == 2
    check(kit, town)


def test_what_nobody_can_decode_is_rejected_and_the_others_are_stored(kit, town, sink):
    log = [town.level(1500), town.broken(), town.road(4)]
    verdicts = sink.deliver(log)
    assert [verdict.kind for verdict in verdicts] == ["stored", "rejected", "stored"]
    assert "truncated" in verdicts[1].reason
    check(kit, town)


POISON = {
    "unmapped property": {"property": "sound_of_water", "unit": "dB"},
    "unmapped unit": {"property": "depth_of_mud", "unit": "[foo_bar]"},
    "nan": {"value": float("nan")},
    "infinity": {"value": float("inf")},
    "minus infinity": {"value": float("-inf")},
    "greatest": {"value": 1.7976931348623157e308},
    "least": {"value": 5e-324},
    "far future": {"observed_at_ms": 10**17},
    "before all time": {"observed_at_ms": -(10**17)},
    "beyond integers": {"observed_at_ms": 2**70},
    "uptime beyond integers": {"uptime_ms": 2**70},
    "strange station": {"station": 'a,b=c "d"\\e\n\x00\';--'},
    "strange reason": {"reason": "\x00 \U0001f30a' \"\\"},
}


@pytest.mark.parametrize("poison", POISON)
def test_a_bad_observation_is_rejected_or_held_as_it_is_and_costs_no_other(kit, town, sink, poison):
    town.level(1500, 1501)
    bad = town.odd(town.said[-1], at=1, **POISON[poison])
    log = [town.road(4), bad, town.smog(35)]
    town.said[:] = log
    verdicts = sink.deliver(log)
    assert [verdicts[0].kind, verdicts[2].kind] == ["stored", "stored"], verdicts
    assert verdicts[1].kind in {"stored", "rejected"}, verdicts
    if verdicts[1].kind == "stored":
        check(kit, town)
        return
    assert len(verdicts[1].reason) > 10
    odd = bad.observations[1]
    seen = () if getattr(kit, "by_frame", False) else tuple(o for o in bad.observations if o is not odd)
    check(kit, town, [log[0], kits.replace(bad, observations=seen), log[2]])


@pytest.mark.parametrize("wild", [2**62, -(10**15)], ids=["far future", "before all time"])
def test_a_node_whose_clock_is_mad_stops_nothing(kit, town, sink, wild):
    """It dates its own earlier readings, and a verdict moves another reading there: nothing can hold either."""
    early, other = town.undated(1500, 1501), town.level(1502)
    seen = tuple(kits.replace(o, observed_at_ms=wild) for o in early.observations)
    moved = tuple(Revision(o.key, 3, "spike", "", wild) for o in (*early.observations, *other.observations))
    log = [early, other, town.instead(town.state(), revisions=moved[-1:]), town.road(4)]
    log.insert(3, kits.replace(early, observations=seen, revisions=moved[: len(seen)]))
    for batch in (log[:2], log[2:], log):
        verdicts = sink.deliver(batch)
        assert not [verdict for verdict in verdicts if verdict.kind == "retry"], verdicts
        assert verdicts[-1].kind in {"stored", "duplicate"}, verdicts
    road = [row for row in held(kit, [town.traffic]) if row.value is not None]
    assert len(road) == len(expected(kit, log[-1:]))


def test_away_and_back(kit, town, sink):
    log = town.day()
    taken(sink, log)
    kit.stop()
    try:
        missed = town.day(at_s=T0_S + 900)
        began = time.monotonic()
        verdicts = sink.deliver(missed)
        assert time.monotonic() - began < RETRY_S
        assert {verdict.kind for verdict in verdicts} == {"retry"}
        assert len(verdicts) == len(missed)
        assert ADVICE.search(verdicts[0].reason), verdicts[0].reason
        assert "Traceback" not in verdicts[0].reason
        assert sink.position() in {None, log[-1].id}
        sink.use(kits.registry())
    finally:
        kit.start()
    eventually(sink, missed)
    check(kit, town)


def test_opened_while_the_target_is_away(kit, town):
    kit.stop()
    try:
        sink = kit.open()
        log = town.day()
        assert {verdict.kind for verdict in sink.deliver(log)} == {"retry"}
    finally:
        kit.start()
    eventually(sink, log)
    sink.close()
    check(kit, town)


def test_another_process_goes_on_where_this_one_ended(kit, town):
    log = town.day() + town.day(at_s=T0_S + 900)
    sink = kit.open()
    for batch in cuts(log, 4):
        taken(sink, batch)
    sink.close()
    sink = kit.open()
    assert sink.position() in {None, log[-1].id}
    for batch in cuts(log[3:], 3):  # its cursor was saved a while ago
        taken(sink, batch)
    check(kit, town)
    taken(sink, [town.level(1500, at_s=T0_S + 1800)])
    assert sink.position() in {None, town.said[-1].id}
    sink.close()
    check(kit, town)


def test_what_the_sink_remembers_beside_its_target_is_gone(kit, town, tmp_path):
    log = town.day()
    sink = kit.open()
    taken(sink, log)
    sink.close()
    sink = kit.open(tmp_path)
    eventually(sink, log)
    taken(sink, [town.level(1500, at_s=T0_S + 1800)])
    sink.close()
    check(kit, town)


def test_the_target_lost_everything(kit, town, sink):
    if not kit.can_lose:
        pytest.skip(f"{kit.name}: its data cannot be lost while it is in use")
    log = town.day()
    taken(sink, log)
    kit.lose()
    more = town.day(at_s=T0_S + 900)
    # As the follower: what comes next is tried, trouble lets it ask what the target holds and go back there.
    deadline = time.monotonic() + BACK_S
    while any(verdict.kind == "retry" for verdict in sink.deliver(more)):
        if (has := sink.position()) is not None and has < log[-1].id:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    else:
        pytest.fail(f"{kit.name} went on as if nothing was lost; holds {sum(held(kit, town.nodes).values())} rows")
    eventually(sink, [decoded for decoded in log if decoded.id > has] + more)
    check(kit, town)


def test_find(kit, town, sink):
    if not hasattr(sink, "find"):
        pytest.skip(f"{kit.name}: the target cannot be asked")
    there, other = town.level(1500), town.level(1501, at_s=T0_S + INTERVAL_S)
    taken(sink, [there])
    shown = sink.find(there.observations[0])
    assert shown is not None and re.search(r"1\.50?\b", shown), shown
    assert sink.find(other.observations[0]) is None
    assert all(isinstance(value, (int, float)) for value in getattr(sink, "figures", dict)().values())


def test_the_names_of_the_kits_are_those_of_the_sinks(kit, sink):
    assert sink.name == kit.name
    assert Verdict("stored") == Verdict("stored", "", 0.0)


def test_there_is_something_to_arrive(town):
    """The helpers above compare what is said: hold them to what a day says, or an empty day would pass every test."""
    day = told(town.day())
    assert len(day) == 38
    assert {seen.quality for seen in day} == {1, 3, 9}
    assert {seen.property for seen in day} >= {"water_level", "rain_amount", "pm2_5", "vehicle_count", "occupancy"}
    assert len({(seen.node, seen.property, seen.observed_at_ms) for seen in day}) == len(day)
    assert T.PM2_5
    assert expected
