"""What the bridge does not want does not keep out what it wants, and what is told of a boot never costs records."""

from core_rig import OTHER, ROOT, Rig, held, wipe

from pantau_node.outbox import FileOutbox
from pantau_wire import frame
from pantau_wire import names as T

HOURS = 3


def poisoned(count):
    """An outbox with frames of boot 1 whose key the bridge does not know any more."""
    wipe()
    box = FileOutbox(ROOT, 65536, 1024)
    for seq in range(1, count + 1):
        f = frame.Frame(T.K_HEALTH, 2)
        f.boot, f.seq = 1, seq
        f.fields = {"firmware": "x"}
        box.seal(1, seq, frame.encode(f, "n-1", OTHER), 0, 0, 0)
    box.close()


def deliver(r, hours, answers=True):
    """The bridge stores and acknowledges boot 2 and refuses boot 1; return (frames stored, frames sent)."""
    stored, through, sent = set(), 0, 0
    end = r.now + hours * 3600000
    while r.now < end:
        r.node.on_tick()
        data = r.node.next_send()
        if data is None:
            r.now += 500
            continue
        sent += 1
        f = frame.header(data)
        if f.boot != 2 or not answers:
            continue
        stored.add(f.seq)
        while through + 1 in stored:
            through += 1
        bits = 0
        for k in range(64):
            if through + 1 + k in stored:
                bits |= 1 << k
        r.ack(2, through, bits)
    return stored, sent


def test_frames_that_the_bridge_refuses_do_not_block_the_backlog_and_are_kept():
    poisoned(20)
    r = Rig(boot=2, batch=1)
    for _ in range(40):
        r.record()
    r.node.on_link(True)
    stored, sent = deliver(r, HOURS)
    assert len([name for name in held(r) if name[0] == 1]) == 20, "kept: the bridge may know the key again"
    assert [name for name in held(r) if name[0] == 2] == [] and len(stored) >= 41
    assert sent < 60 * HOURS * 20, "the refused ones are tried again, seldom"
    r.box.close()


def test_without_any_acknowledgement_the_oldest_stay_on_their_way_and_the_backlog_is_not_streamed():
    poisoned(0)
    r = Rig(boot=2, batch=1)
    for _ in range(40):
        r.record()
    r.node.on_link(True)
    _, sent = deliver(r, HOURS, answers=False)
    assert sent < 8 * 60 * HOURS // 4
    r.box.close()


def test_a_thousand_boots_without_a_link_cost_no_record():
    wipe()
    r = Rig(boot=1, batch=5, most=64)
    for _ in range(100):
        r.record()
    kept = r.box.records()
    assert kept == 100
    for boot in range(2, 1000):
        r = Rig(boot=boot, batch=5, most=64)
    assert r.box.records() == kept and r.box.overwritten_records == 0
    assert r.box.index.live == 32, "half of the room stays free for records"
    r.node.on_link(True)
    told = [f.fields for f in r.sent() if f.kind == T.K_HEALTH and f.boot == 999]
    assert told and told[0]["outbox_records"] == kept, "told once somebody listens"
    r.box.close()
