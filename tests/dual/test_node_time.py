"""The time in the node's core: whose answer it believes, what it does about it, and when it asks again."""

from core_rig import NOW_MS, OTHER, held, names, rig, wipe

from pantau_node.clock import BRIDGE, COARSE, SNTP, SYNCED, UNSET
from pantau_node.sender import WINDOW
from pantau_wire import frame
from pantau_wire import names as T


def ask(r):
    """Bring the link up and return the nonce of the question, which has gone out in this very millisecond."""
    r.now += 1000
    r.node.on_link(True)
    return r.sent(most=1)[0].fields["time_nonce"]


def ask_again(r):
    """Seal a health frame and return its nonce; it has gone out in this very millisecond, as all that waited before it."""
    r.node.report()
    seq = held(r)[-1][1]
    return next(f for f in r.sent(most=WINDOW, step_ms=0) if f.seq == seq).fields["time_nonce"]


def answer(r, nonce, utc_ms):
    r.down(T.K_TIME, {"utc_ms": utc_ms, "nonce": nonce})


def actions(r):
    out = []
    while True:
        action = r.node.take_action()
        if action is None:
            return out
        if action[0] != "rare":  # after each health frame
            out.append(action)


def test_time_comes_only_as_the_answer_to_the_open_question():
    r = rig()
    r.record()
    answer(r, frame.decode(r.box.read(1, 1)).fields["time_nonce"], NOW_MS)
    assert r.clock.utc_ms() is None  # it was never sent
    nonce = ask(r)
    r.now += 300
    answer(r, nonce + 1, NOW_MS)
    r.down(T.K_TIME, {"utc_ms": NOW_MS, "nonce": nonce}, key=OTHER)
    answer(r, 0, NOW_MS)
    assert r.clock.utc_ms() is None and actions(r) == []
    answer(r, nonce, NOW_MS)
    assert (r.clock.quality, r.clock.source, r.clock.utc_ms()) == (SYNCED, BRIDGE, NOW_MS + 150)
    answer(r, nonce, NOW_MS + 9999999)  # once only
    assert r.clock.utc_ms() == NOW_MS + 150
    assert actions(r) == [("clock", None), ("log", "clock set by source 4, by 0 ms")]
    r.box.close()


def test_half_of_the_round_trip_is_added_and_is_the_error():
    for trip, quality, error in ((0, SYNCED, 0), (2000, SYNCED, 1000), (2001, COARSE, 1000), (20000, COARSE, 10000)):
        r = rig()
        nonce = ask(r)
        r.now += trip
        answer(r, nonce, NOW_MS)
        assert r.clock.quality == quality, trip
        assert r.clock.utc_ms() == NOW_MS + error and r.clock.error_ms(r.now) == error, trip
        r.box.close()


def test_an_answer_after_twenty_seconds_is_no_time_and_the_node_asks_again():
    r = rig()
    nonce = ask(r)
    r.now += 20001
    answer(r, nonce, NOW_MS)
    assert r.clock.quality == UNSET and actions(r) == []
    answer(r, nonce, NOW_MS)  # nor is it any when it is said twice
    assert r.clock.quality == UNSET
    r.now = 1100 + 29999
    assert 3 not in [f.seq for f in r.sent(most=WINDOW, step_ms=0)]
    r.now = 1100 + 30000  # when it was to ask again anyway
    again = [f for f in r.sent(most=WINDOW, step_ms=0) if f.seq == 3]
    assert [f.kind for f in again] == [T.K_HEALTH] and again[0].fields["time_nonce"] not in (0, nonce)
    r.box.close()


def test_an_answer_over_a_link_that_was_lost_meanwhile_is_no_time():
    r = rig()
    nonce = ask(r)
    r.node.on_link(False)
    r.node.on_link(True)
    answer(r, nonce, NOW_MS)
    assert r.clock.quality == UNSET and actions(r) == []
    r.box.close()


def test_nonsense_from_the_bridge_is_refused_and_told():
    for utc_ms in (0, 946684800000, 4102444800000, (1 << 62) - 1):
        r = rig()
        r.record()
        before = held(r)
        answer(r, ask(r), utc_ms)
        assert (r.clock.quality, r.clock.refused) == (UNSET, 1), utc_ms
        assert actions(r) == [("log", "time from the bridge is not plausible")]
        assert r.box.batch is not None and held(r) == before + [(1, 3)]  # the question alone
        r.box.close()


def test_a_batch_has_one_time_base_and_the_mapping_follows_at_once():
    r = rig()
    r.record()
    answer(r, ask(r), NOW_MS)
    for _ in range(5):
        r.record()
    frames = {f.seq: f for f in r.sent(most=100)}
    assert (frames[2].clock, frames[2].base_s, frames[2].count) == (0, 60, 1)
    mapping = frames[4]
    assert mapping.kind == T.K_HEALTH and mapping.clock == SYNCED
    assert (mapping.fields["uptime_ms"], mapping.fields["utc_ms"]) == (61000, NOW_MS)
    assert (frames[5].clock, frames[5].base_s, frames[5].count) == (SYNCED, NOW_MS // 1000 - 61 + 120, 5)
    r.box.close()


def test_a_slew_needs_neither_a_new_batch_nor_a_new_mapping():
    r = rig()
    answer(r, ask(r), NOW_MS)
    r.record()
    actions(r)
    nonce = ask_again(r)
    before = held(r)
    answer(r, nonce, r.clock.utc_ms() - 400)
    assert (r.clock.slews, r.clock.epoch) == (1, 1)
    assert actions(r) == [("clock", None)] and held(r) == before and r.box.batch.count == 1
    r.record()
    assert r.box.batch.count == 2 and held(r) == before
    r.box.close()


def test_a_confirmed_time_changes_nothing_but_the_chips_own_clock():
    r = rig()
    answer(r, ask(r), NOW_MS)
    r.record()
    actions(r)
    nonce = ask_again(r)
    before = held(r)
    answer(r, nonce, r.clock.utc_ms())
    assert (r.clock.steps, r.clock.slews) == (1, 0)
    assert actions(r) == [("clock", None)] and held(r) == before and r.box.batch.count == 1
    r.box.close()


def test_a_step_seals_the_batch_under_its_own_time_and_sends_the_new_mapping():
    r = rig()
    answer(r, ask(r), NOW_MS)  # at uptime 1100 ms
    r.record()
    r.record()
    actions(r)
    nonce = ask_again(r)  # at 120000 ms
    answer(r, nonce, r.clock.utc_ms() + 700000)
    assert actions(r) == [("clock", None), ("log", "clock set by source 4, by 700000 ms")]
    r.record()
    r.node.flush()
    frames = {f.seq: f for f in r.sent(most=200)}
    was_s = (NOW_MS - 1100 + 60000 + 500) // 1000
    records = [(f.seq, f.base_s, f.count) for f in frames.values() if f.kind == T.K_RECORDS]
    assert sorted(records) == [(4, was_s, 2), (7, was_s + 120 + 700, 1)]
    assert frames[6].kind == T.K_HEALTH
    assert frames[6].fields["utc_ms"] - frames[6].fields["uptime_ms"] == NOW_MS - 1100 + 700000
    r.box.close()


def test_the_time_of_another_source_is_taken_up_the_same_way():
    r = rig()
    r.record()
    r.node.on_clock("refused")
    assert actions(r) == []
    r.node.on_clock("kept")
    assert actions(r) == [("clock", None)] and held(r) == [(1, 1)] and r.box.batch.count == 1
    r.node.on_clock(r.clock.set_utc(NOW_MS, 30, SYNCED, SNTP))
    assert actions(r) == [("clock", None), ("log", "clock set by source 2, by 0 ms")]
    assert r.box.batch is None and held(r) == [(1, 1), (1, 2), (1, 3)]
    assert frame.decode(r.box.read(1, 3)).fields["utc_ms"] == NOW_MS
    r.box.close()


def test_without_the_time_a_node_asks_ever_more_seldom():
    r = rig()
    ask(r)
    asked = [r.now]
    while len(asked) < 9:
        r.now += 1000
        before = r.box.last_seq
        r.node.on_tick()
        if r.box.last_seq != before:
            asked.append(r.now)
    assert [(b - a) // 1000 for a, b in zip(asked, asked[1:])] == [30, 60, 120, 240, 480, 900, 900, 900]
    r.box.close()


def test_without_a_link_nobody_is_asked_and_with_it_at_once():
    r = rig()
    for _ in range(899):
        r.now += 1000
        r.node.on_tick()
    assert held(r) == [(1, 1)]
    r.node.on_link(True)
    assert names(r.sent(most=1)) == [(T.K_HEALTH, 1, 2)]
    r.node.on_link(False)
    r.node.on_link(True)
    r.node.on_tick()
    assert r.box.last_seq == 2  # a link that comes and goes does not fill the outbox
    r.now += 1000
    r.node.on_tick()
    assert r.box.last_seq == 3
    r.box.close()


def test_a_node_that_has_the_time_keeps_to_its_interval_when_the_link_comes():
    r = rig()
    r.clock.set_utc(NOW_MS, 0, COARSE, SNTP)
    r.now += 5000
    r.node.on_link(True)
    r.node.on_tick()
    assert r.box.last_seq == 1
    r.box.close()
    wipe()
