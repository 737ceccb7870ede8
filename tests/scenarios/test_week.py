"""A day in the short tier, the week in the long one: with files, and with raw partitions."""

from __future__ import annotations

import pytest

from pantau_wire import names as T
from scenarios import week, week_account

pytestmark = pytest.mark.usefixtures("vm")


def play(tmp_path, hours, seed, partitions, calm_hours=0.0):
    played = week.run(tmp_path, hours, seed, partitions, calm_hours=calm_hours)
    sums = week_account.account(played)
    log = played.node.log_path.read_text()
    assert not sums.problems, "\n".join([*sums.problems[:40], str(played.counts), str(sums), log[-3000:]])
    return played, sums


def hurt(played, sums, hours):
    """It was no idle week."""
    counts = played.counts
    assert counts["power cut"] >= hours / 5 and counts["broker wiped"] >= hours / 16
    assert 0.1 <= played.down_us / (hours * 3600e6) <= 0.35
    assert sums.boots > counts["power cut"]
    bridge = played.bridge.counts
    assert bridge["gone"] and bridge["deaf"] and bridge["lost by a deaf bridge"] + bridge["redelivered"] > 100


@pytest.mark.parametrize("partitions", [None, week.RAW], ids=["files", "raw"])
def test_a_day_loses_nothing(tmp_path, partitions):
    played, sums = play(tmp_path, 22, 1, partitions, 2)
    hurt(played, sums, 22)
    assert sums.due > 1300 and sums.overwritten == 0
    assert sums.held <= 10 + 2  # two calm hours: what is left is the open batch and what is on its way


def test_the_same_seed_is_the_same_week(tmp_path):
    first, again, other = (week.run(tmp_path / name, 2, seed) for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    assert first.bridge.frames == again.bridge.frames != other.bridge.frames
    assert first.node.log_path.read_text() == again.node.log_path.read_text()


def test_what_is_left_in_the_outbox_is_counted(tmp_path):
    """It ends in the middle of an outage: the sums hold nevertheless."""
    scene = week.Week(tmp_path, 7)
    scene.simulation.at(scene.start_us, lambda: scene.power(on=True))
    scene.simulation.at(scene.start_us + 1800 * 1000000, lambda: scene.link(up=False))
    scene.simulation.at(scene.start_us + 5000 * 1000000, lambda: scene.power(on=False))
    scene.simulation.at(scene.start_us + 5030 * 1000000, lambda: scene.power(on=True))
    try:
        scene.simulation.run(6330)
    finally:
        scene.power(on=False)
        scene.simulation.close()
    sums = week_account.account(scene)
    assert not sums.problems, "\n".join(sums.problems)
    assert sums.stored >= 25 and sums.held >= 70 and sums.undated >= 20


@pytest.mark.parametrize("partitions", [None, {**week.RAW, "pantau_ring": 16}], ids=["files", "raw"])
def test_what_an_outbox_that_is_too_small_overwrites_is_declared(tmp_path, partitions):
    sampling = {"interval_s": week.INTERVAL_S, "batch": 1, "run_s": 0, "health_s": 900}
    config = {"sampling": sampling, "outbox": {"bytes": 16384}}
    scene = week.Week(tmp_path, 7, partitions, config=config)
    start = scene.start_us
    scene.simulation.at(start, lambda: scene.power(on=True))
    scene.simulation.at(start + 630 * 1000000, lambda: scene.link(up=False))
    scene.simulation.at(start + 9 * 3600 * 1000000, lambda: scene.power(on=False))
    scene.simulation.at(start + (9 * 3600 + 90) * 1000000, lambda: scene.power(on=True))
    scene.simulation.at(start + 10 * 3600 * 1000000, lambda: scene.link(up=True))
    try:
        scene.simulation.run(11 * 3600)
    finally:
        scene.power(on=False)
        scene.simulation.close()
    sums = week_account.account(scene)
    assert not sums.problems, "\n".join(sums.problems)
    assert sums.overwritten > 100
    assert sums.due == sums.stored + sums.held + sums.in_progress + sums.overwritten
    assert max(f.fields["overwritten_records"] for f in scene.bridge.kinds(T.K_HEALTH)) == sums.overwritten


def test_the_sums_find_what_is_lost_doubled_or_changed(tmp_path):
    scene = week.run(tmp_path, 0.5, 3)
    stored = scene.bridge.frames
    assert not week_account.account(scene).problems
    name = next(name for name in sorted(stored) if stored[name][0] & 0x20)  # a frame of records
    kept = stored.pop(name)
    lost = "\n".join(week_account.account(scene).problems)
    assert f"no seq {name[1]}" in lost and "instant" in lost and "lost" in lost
    stored[name] = kept
    stored[name[0], 1000] = kept
    assert any(": in boot" in problem for problem in week_account.account(scene).problems)
    del stored[name[0], 1000]
    scene.node.lives[0].end_us -= 600 * 1000000
    assert any("never was due" in problem for problem in week_account.account(scene).problems)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("partitions", [None, week.RAW], ids=["files", "raw"])
def test_a_week_loses_nothing(tmp_path, partitions, seed):
    played, sums = play(tmp_path, 164, seed, partitions, 4)
    hurt(played, sums, 164)
    assert sums.due > 9500 and sums.overwritten == 0
    assert sums.held <= 12
