"""The files sink where it may break: every call to the disk is the last one once, and each row is there once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pantau.model import Revision
from sinks.files_power import DeadError, Power
from sinks.files_rows import DAY_MS, LEVEL, RAIN, keys, kinds, lines, opened
from sinks.frames import NOW_MS, frame

# A log, as a follower tells it: what each frame brings, dates of earlier ones included


def script():
    early = [frame(2, LEVEL, boot=7, at_ms=None), frame(3, RAIN, boot=7, at_ms=None)]
    dated = [
        replace(d, observations=tuple(replace(o, observed_at_ms=o.uptime_ms + NOW_MS) for o in d.observations))
        for d in early
    ]
    dated = [
        replace(
            d, revisions=tuple(Revision(o.key, o.quality, o.reason, o.tests, o.observed_at_ms) for o in d.observations)
        )
        for d in dated
    ]
    first = frame(1, LEVEL)
    about = first.observations[0]
    return [
        [first],
        [early[0]],
        [early[1]],
        [frame(4, {}, boot=7), *dated],
        [frame(5, LEVEL, at_ms=NOW_MS - 3 * DAY_MS)],
        [frame(6, RAIN, revisions=(Revision(about.key, 3, "spike", "spike=3", about.observed_at_ms),))],
        [frame(7, LEVEL, at_ms=NOW_MS - 30_000)],  # over midnight
        [frame(8, {}, node="air-02")],
        [frame(9, LEVEL, node="air-02")],
    ]


def follow(sink, log, after, size):
    """Deliver what lies above `after`, so many frames at a time."""
    todo = [told for told in log if told[0].id > after]
    for at in range(0, len(todo), size):
        batch = [decoded for told in todo[at : at + size] for decoded in told]
        assert "retry" not in kinds(sink.deliver(batch)), at


def held_once(path):
    """Assert that the files hold what the script says: each row once."""
    said = [decoded for told in script() for decoded in told]
    seen = [o for decoded in said for o in decoded.observations]
    assert keys(path) == Counter({o.key: 1 for o in seen if o.observed_at_ms is not None})
    assert keys(path, "undated") == Counter({o.key: 1 for o in seen if o.observed_at_ms is None})
    assert [(row["quality"], row["position"]) for row in lines(path, "revisions")] == [(3, 6)]
    assert not list(path.glob("ndjson/**/.*"))


def run_until(power, path, given, size):
    """Follow the script from the start on a disk that dies; return how far the follower noted it, and what was stored."""
    noted, stored, log = 0, 0, script()
    sink = None
    with power.on():
        try:
            sink = opened(path, **given)
            for at in range(0, len(log), size):
                batch = [decoded for told in log[at : at + size] for decoded in told]
                assert "retry" not in kinds(sink.deliver(batch))
                noted, stored = at, max(decoded.id for decoded in batch)  # the cursor is saved now and then
        except DeadError:
            pass
        finally:
            if sink is not None:
                sink.close()
    return noted, stored


def sweep(tmp_path, given, size, *, half, seeds, step=1):
    alive = Power()
    run_until(alive, tmp_path / "alive", given, size)
    settle(tmp_path / "alive", given)
    assert alive.calls > 40
    for last in range(1, alive.calls + 1, step):
        for mode in seeds:
            path = tmp_path / f"{last}-{mode}"
            power = Power(last, half=half)
            noted, stored = run_until(power, path, given, size)
            if mode != "killed":
                power.cut(None if mode == "nothing" else last)
            settle(path, given, noted, stored)


def settle(path, given, noted=None, stored=0):
    """Go on as a new process does; then everything is there once, and what was told to be stored was not lost."""
    quiet = Power()
    with quiet.on():
        sink = opened(path, **given)
        has = sink.position()
        assert has >= stored
        if noted is not None:
            follow(sink, script(), min(noted, has), 2)
        sink.close()
        sink = opened(path, **{**given, "segment_s": 0})
        sink.deliver([frame(10, {})])
        sink.close()
    held_once(path)


@pytest.mark.parametrize("mode", ["killed", "nothing"])
def test_whatever_call_to_the_disk_is_the_last_each_row_is_there_once(tmp_path, mode):
    sweep(tmp_path, {"segment_rows": 5, "segment_s": 9999}, 2, half=mode == "killed", seeds=[mode])


def test_with_parquet_beside_it(tmp_path):
    sweep(tmp_path, {"format": "both", "segment_rows": 4, "segment_s": 9999}, 3, half=True, seeds=["nothing"], step=17)


@pytest.mark.long
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("mode", ["killed", "nothing", "some"])
def test_in_other_cuts_and_sizes(tmp_path, size, rows, mode):
    sweep(tmp_path, {"segment_rows": rows, "segment_s": 9999}, size, half=True, seeds=[mode])


def test_whatever_call_fails_for_want_of_room_each_row_is_there_once(tmp_path):
    given = {"segment_rows": 4, "segment_s": 9999}
    alive = Power()
    run_until(alive, tmp_path / "alive", given, 2)
    told = set()
    for last in range(1, alive.calls + 1):
        path, power = tmp_path / str(last), Power(last, full=True)
        log = script()
        with power.on():
            sink = opened(path, **given)
            for at in range(0, len(log), 2):
                batch = [decoded for one in log[at : at + 2] for decoded in one]
                while "retry" in kinds(verdicts := sink.deliver(batch)):
                    told.add(verdicts[0].reason)
                    assert power.calls < last + 200
            sink.close()
        settle(path, given)
    assert all("No space left" in reason and "nothing of the batch is lost" in reason for reason in told)
