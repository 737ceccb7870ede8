"""The node's core on all interpreters: what it seals, what it sends, what it believes."""

from core_rig import NOW_MS, OTHER, Rig, held, names, rig, wipe

from pantau_node import orders
from pantau_node.clock import BRIDGE, SYNCED
from pantau_node.sender import WINDOW
from pantau_wire import frame
from pantau_wire import names as T


def test_a_boot_begins_with_its_health_and_what_was_wrong_with_its_configuration():
    r = rig(problems=["broker.port: must be an integer"])
    assert r.node.next_send() is None  # nothing before the link is up
    r.node.on_link(True)
    f = next(f for f in r.sent() if f.seq == 1)
    assert (f.kind, f.boot, f.seq, f.clock, f.base_s) == (T.K_HEALTH, 1, 1, 0, 0)
    assert f.fields["config_errors"] == "broker.port: must be an integer"
    assert f.fields["uptime_ms"] == 100 and "utc_ms" not in f.fields and f.fields["time_nonce"] > 0
    r.box.close()


def test_a_full_batch_is_one_frame_on_the_uptime_grid():
    r = rig()
    for i in range(11):
        r.record(3000 + i)
    assert r.box.index.live == 3 and r.box.batch.count == 1 and r.box.records() == 11
    r.node.on_link(True)
    frames = [f for f in r.sent() if f.kind == T.K_RECORDS]
    assert names(frames) == [(1, 1, 2), (1, 1, 3)]
    assert frame.times(frames[1]) == [360, 420, 480, 540, 600] and frames[1].clock == 0
    assert frames[1].columns[2] == ([3005, 3006, 3007, 3008, 3009], None)
    r.box.close()


def test_an_alarm_is_sealed_at_once_and_goes_first():
    r = rig(batch=3)
    for _ in range(30):
        r.record()
    r.record(900, alarm=True)
    r.node.on_link(True)
    first = r.sent()[0]
    assert first.alarm and first.count == 1 and first.columns[2] == ([900], None)
    r.box.close()


def test_live_frames_overtake_the_backlog_and_the_window_is_bounded():
    r = rig(batch=1)
    for _ in range(30):
        r.record()
    r.node.on_link(True)
    first = names(r.sent(most=150, step_ms=10))
    assert first == [(2, 1, 32), (2, 1, 1)] + [(1, 1, seq) for seq in range(2, 6)], first
    for i in (1, 2, 3):
        r.node.on_record(r.instant + 60 * i, {2: (i, 0)})
    assert names(r.sent(most=20, step_ms=1)) == [(1, 1, 33), (1, 1, 34)] and WINDOW == 8
    r.box.close()


def test_a_frame_leaves_only_by_an_acknowledgement_that_is_ours():
    r = rig(batch=1)
    for _ in range(4):
        r.record()
    r.node.on_link(True)
    r.sent()
    before = held(r)
    r.ack(1, 6, key=OTHER)  # another key of the node under the wrong id
    r.down(T.K_ACK, {"boot": 1, "through": 5}, node="n-2")
    data = r.ack(2, 9)
    assert r.node.odd_acks == 1
    for at in range(len(data)):  # every byte of it is under the tag
        r.node.on_message(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    r.node.on_message(b"")
    r.node.on_message(r.box.read(1, 1))  # our own health frame, reflected
    assert held(r) == before and r.node.forged == 2 + len(data) + 2
    r.ack(1, 3, 0b101)
    assert held(r) == [(1, 5)] and r.node.acked == 5
    r.down(T.K_ACK, {"boot": 1, "through": 5}, key=OTHER, key_id=1)
    assert held(r) == []
    r.box.close()


def test_without_an_acknowledgement_a_frame_goes_again_ever_more_patiently():
    r = rig(batch=1)
    r.clock.set_utc(NOW_MS, 0, SYNCED, BRIDGE)
    r.node._health_due = 1 << 40
    r.node.on_link(True)
    times = []
    for _ in range(40000):
        if r.node.next_send() is not None:
            times.append(r.now)
        r.now += 50
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert 3700 <= gaps[0] <= 6350 and gaps[-1] > 220000, gaps
    assert len(times) < 14
    assert held(r) == [(1, 1)]
    r.box.close()


def test_a_lost_link_sends_again_what_was_on_its_way():
    r = rig(batch=1)
    r.record()
    r.clock.set_utc(NOW_MS, 0, SYNCED, BRIDGE)
    r.node.on_link(True)
    first = names(r.sent())
    assert first == [(2, 1, 1), (1, 1, 2)]
    r.node.on_link(False)
    assert r.node.next_send() is None
    r.node.on_link(True)
    assert names(r.sent()) == first
    r.box.close()


def test_nothing_is_sent_for_ever_beyond_the_map_of_the_acknowledgement():
    r = rig(batch=1)
    for _ in range(100):
        r.record()
    r.node.on_link(True)
    r.sent(most=30, step_ms=1)  # fresh health
    r.record()
    assert {103, 2} <= {f.seq for f in r.sent(most=300, step_ms=5)}
    r.clock.set_utc(NOW_MS, 0, SYNCED, BRIDGE)
    r.now += 400000
    again = [f.seq for f in r.sent(most=300, step_ms=5)]
    assert 103 not in again and 2 in again
    r.ack(1, 103)
    assert all(seq > 103 for _, seq in held(r))
    r.box.close()


def test_the_interrupted_boot_is_delivered_under_its_own_name():
    r = rig()
    for _ in range(7):
        r.record()
    r = Rig(boot=2)  # closes the first one
    r.clock.set_utc(NOW_MS, 0, SYNCED, BRIDGE)
    r.node.on_link(True)
    frames = r.sent()
    assert names(frames) == [(2, 1, 1), (1, 1, 2), (1, 1, 3), (2, 2, 1)]
    assert frames[2].count == 2 and frame.times(frames[2]) == [360, 420]
    r.box.close()


def test_an_order_is_obeyed_once_and_never_again_even_after_a_restart():
    r = rig()
    r.record()
    r.node.on_link(True)
    r.sent()
    data = r.down(T.K_COMMAND, {"id": 5, "name": "flush"})
    results = [f for f in r.sent() if f.kind == T.K_RESULT]
    assert results[0].fields == {"id": 5, "ok": 1, "detail": "sealed 1 records"}
    assert r.box.batch is None
    forged = r.node.forged
    r.node.on_message(data)
    assert r.node.forged == forged + 1
    r = Rig(boot=2)  # closes the first one
    r.node.on_message(data)
    assert r.node.forged == 1
    r.down(T.K_COMMAND, {"id": 1, "name": "ping"}, counter=NOW_MS)
    assert r.node.forged == 2
    r.box.close()


def test_what_is_refused_says_why():
    r = rig()
    r.node.on_link(True)
    r.down(T.K_COMMAND, {"id": 1, "name": "format"})
    r.down(T.K_COMMAND, {"id": 2, "name": "ping", "expires_s": 5})
    r.sent()
    r.clock.set_utc(NOW_MS, 0, SYNCED, BRIDGE)
    r.down(T.K_COMMAND, {"id": 3, "name": "ping", "expires_s": NOW_MS // 1000 - 1})
    r.down(T.K_COMMAND, {"id": 4, "name": "ping", "args": "nonsense"})
    r.down(T.K_CONFIG, {"id": 5, "generation": 2, "body": "{}"})
    r.down(T.K_COMMAND, {"id": 6, "name": "ping", "expires_s": NOW_MS // 1000 + 60})
    results = {f.fields["id"]: f.fields for f in r.sent(most=200) if f.kind == T.K_RESULT}
    known = " ".join(sorted(orders.COMMANDS) + list(orders.FIELDWORK))
    assert [(results[i]["ok"], results[i]["detail"]) for i in range(1, 6)] == [
        (0, "unknown command format; known: " + known),
        (0, "expires, but the clock is not set"),
        (0, "expired"),
        (0, "args: not JSON"),
        (0, "this node keeps no configuration"),
    ]
    assert results[6]["ok"] == 1
    r.box.close()


def test_a_batch_too_long_for_one_frame_becomes_several_and_loses_nothing():
    r = rig(batch=255)
    noise = 1
    values = []
    for _ in range(255):
        noise = (noise * 1103515245 + 12345) & 0x7FFFFFFF
        values.append(noise)
        r.record(noise)
    r.node.on_link(True)
    frames = [f for f in r.sent(most=100) if f.kind == T.K_RECORDS]
    assert [v for f in frames for v in f.columns[2][0]] == values and len(frames) > 1
    assert [t for f in frames for t in frame.times(f)] == [60 * i for i in range(1, 256)]
    r.box.close()


def test_health_comes_when_due_and_when_something_changed():
    r = rig()
    r.clock.set_utc(NOW_MS, 0, SYNCED, BRIDGE)
    r.node.on_link(True)
    assert names(r.sent()) == [(2, 1, 1)]
    r.ack(1, 1)
    r.facts.news = b"\x00\x02\x01"
    assert r.sent() == []  # at most one a minute
    r.now += 60000
    assert names(r.sent()) == [(2, 1, 2)]
    r.ack(1, 2)
    assert r.sent(most=100, step_ms=8000) == []
    assert names(r.sent(most=20, step_ms=8000))[0] == (2, 1, 3)
    r.box.close()


def test_a_full_outbox_is_told_in_health():
    r = rig(batch=1, most=8)
    for _ in range(20):
        r.record()
    r.node.on_link(True)
    r.node.flush()
    health = [f for f in r.sent(most=300) if f.kind == T.K_HEALTH][-1].fields
    assert health["overwritten_frames"] == 13 and health["overwritten_records"] == 12
    assert health["records_produced"] == 20 and health["outbox_records"] == 8
    assert (health["outbox_oldest_boot"], health["outbox_oldest_seq"]) == (1, 14)
    r.box.close()


def test_a_frame_damaged_in_flash_is_given_up_and_counted():
    r = rig(batch=1)
    r.record()
    r.node.on_link(True)
    r.sent()
    place = r.box.index.place(1, 2)
    r.box.file.seek(place[0] + 5)
    r.box.file.write(b"\xff\xff")
    r.box.file.flush()
    r.node._health_due = 1 << 40
    for _ in range(60):
        r.now += 60000
        r.node.next_send()
    assert (1, 2) not in held(r) and (1, 1) in held(r)
    assert r.box.overwritten_frames == 1 and r.box.overwritten_records == 1
    r.box.close()
    wipe()
