"""The ring on raw flash on all interpreters: cuts, damage, overwriting, figures. The simulated flash runs in the same VM."""

from pantau_node import ALARM, ANY, LIVE
from pantau_node.journal import Batch
from pantau_node.ring import RingOutbox
from pantau_sim.flash import SECTOR, NorFlash, PowerCut
from pantau_wire import names as T

COLUMNS = (2, 3, 4, 5, 6, 7, T.TIME_OFFSET)


def nobody(_boot, _seq):
    return False


def flood_row(i):
    """A night with rain: noise of some millimetres and hundredths, as the sensors' datasheets give it."""
    noise = (i * 2654435761 & 0xFFFFFFFF) >> 8
    return {
        2: (3000 + noise % 17 - i % 400, 0),
        3: (noise >> 5 & 1, 0),
        4: (2700 + noise % 11 + i % 300, 0),
        5: (8800 + noise % 23, 0),
        6: (noise % 6, 0),
        7: (14 + noise % 2, 0),
    }


def batch(boot, seq, instant=0):
    return Batch(boot, seq, 3, 1700000000 + 60 * instant, 60, 1, list(COLUMNS))


class Random:
    def __init__(self, seed):
        self.state = seed * 2654435761 & 0xFFFFFFFF or 1

    def bits(self, count):
        self.state = (self.state * 69069 + 1) & 0xFFFFFFFF
        return self.state >> (32 - count)


def held(box):
    return [place[:2] for place in box.index.places()]


def refused(make):
    try:
        make()
    except ValueError:
        return True
    return False


def test_a_partition_that_is_too_small_is_refused():
    assert refused(lambda: RingOutbox(NorFlash(15)))


def test_a_flood_record_takes_at_most_16_bytes_of_flash():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    box.open_batch(batch(1, 1))
    most = total = 0
    for i in range(200):
        before, erased = flash.programmed, sum(flash.erases)
        assert box.record(flood_row(i))
        total += flash.programmed - before
        if sum(flash.erases) == erased:  # else the header of a sector erased ahead was written too
            most = max(most, flash.programmed - before)
    assert most <= 16, most
    assert total < 200 * 14, total


def test_a_mebibyte_holds_30_days_with_the_journal_on_and_wears_little():
    # A day of minutes, with a health frame every quarter of an hour; extrapolated by what it occupies.
    flash = NorFlash(32)
    box = RingOutbox(flash)
    seq = 0
    for i in range(1440):
        if i % 15 == 0:
            seq += 2
            box.open_batch(batch(1, seq, i))
            box.seal(1, seq - 1, bytes(82), 0, 0, 0)
        box.record(flood_row(i))
        if i % 15 == 14:
            box.seal(1, seq, bytes(160), 15, 0, 15)
    assert box.records() == 1440 and box.overwritten_frames == 0
    log = box.log
    spent = (log.head - 1) * SECTOR + log.pos
    days = (256 - 8 - 1) * SECTOR // spent  # of 1 MiB: without the journal and the sector erased ahead
    assert days >= 30, days
    assert box.erases * 1000 <= 20 * 1440, box.erases  # 0.02 a record
    assert flash.overwrites == 0 and box.errors == 0


def test_the_start_reads_little_of_two_full_mebibytes():
    flash = NorFlash(512)
    box = RingOutbox(flash)
    # Sectors are filled with big frames, so that the test is quick; the start reads the same of each.
    seq = 0
    while box.log.top < 504 + 2:
        seq += 1
        box.seal(1, seq, bytes(1000), 15, 0, 0)
    us = flash.us
    again = RingOutbox(flash)
    took = flash.us - us
    assert again.records() == box.records() > 20000 and again.oldest() == box.oldest()
    assert took < 100000, took


def test_an_interrupted_batch_is_there_after_the_restart():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    box.open_batch(batch(7, 3))
    for i in range(4):
        box.record(flood_row(i))
    values = [list(column) for column in box.batch.values]
    box = RingOutbox(flash)
    b = box.batch
    assert (b.boot, b.seq, b.count, b.values) == (7, 3, 4, values)
    assert box.records() == 4 and box.oldest() == (7, 3) and (box.last_boot, box.last_seq) == (7, 3)
    assert box.seal(7, 3, b"half", 2, 0, 2) and box.batch.count == 2 and box.batch.seq == 0
    box = RingOutbox(flash)
    assert box.batch.count == 2 and box.batch.base_s == 1700000120 and box.batch.values[0] == values[0][2:]
    assert box.seal(7, 4, b"rest", 2, 0, 2) and box.batch is None
    box = RingOutbox(flash)
    assert box.batch is None and box.read(7, 3) == b"half" and box.records() == 4


def test_a_batch_of_the_longest_rows_survives():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    columns = [2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, T.TIME_OFFSET]
    for seq in (1, 2, 3):
        box.open_batch(Batch(1, seq, 3, 1700000000, 60, 1, columns))
        for i in range(255):
            assert box.record(dict.fromkeys(columns, ((1 << 31) - 1 if i & 1 else 1, 3)))
        box = RingOutbox(flash)
        assert box.batch.count == 255 and box.batch.values[0][254] == 1
        box.seal(1, seq, b"frame", 255, 0, 255)


def test_acknowledged_frames_stay_gone():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    for seq in range(1, 8):
        box.seal(2, seq, b"frame %d" % seq, 1, 0, 0)
    box.seal(3, 1, b"other boot", 1, 0, 0)
    assert box.ack(2, 2, 0b10100) == 4 and box.ack(2, 2, 0b10100) == 0
    box = RingOutbox(flash)
    assert held(box) == [(2, 3), (2, 4), (2, 6), (3, 1)]
    assert box.read(2, 4) == b"frame 4" and box.read(2, 5) is None and box.oldest() == (2, 3)


def test_the_oldest_is_the_least_name_not_the_first_written():
    box = RingOutbox(NorFlash(16))
    box.seal(1, 6, b"health", 0, 0, 0)
    box.seal(1, 5, b"batch", 15, 0, 0)
    assert box.oldest() == (1, 5)


def test_a_full_ring_overwrites_the_oldest_and_counts_it_for_ever():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    for seq in range(1, 401):
        assert box.seal(1, seq, bytes([seq & 255]) * 200, 15, ALARM if seq == 399 else 0, 0)
        if seq % 50 == 0:
            box = RingOutbox(flash)
    assert box.index.live + box.overwritten_frames == 400
    assert box.records() == 15 * box.index.live and box.overwritten_records == 15 * box.overwritten_frames
    assert held(box) == [(1, seq) for seq in range(401 - box.index.live, 401)] and box.index.live > 110
    assert box.index.pick(ALARM, nobody) == (1, 399) and box.read(1, 400) == bytes([400 & 255]) * 200
    assert flash.overwrites == 0 and max(flash.erases) - min(flash.erases[8:]) < 3


def test_a_full_ring_spares_the_open_batch():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    box.open_batch(batch(1, 1))
    for i in range(20):
        box.record(flood_row(i))
    for seq in range(2, 300):
        box.seal(1, seq, bytes(300), 0, 0, 0)
    assert RingOutbox(flash).batch.count == 20


def test_lanes():
    box = RingOutbox(NorFlash(16))
    for seq, flags in ((1, 0), (2, LIVE), (3, ALARM), (4, LIVE)):
        box.seal(1, seq, b"x", 1, flags, 0)
    index = box.index
    assert index.pick(ALARM, nobody) == (1, 3) and index.pick(LIVE, nobody) == (1, 2)
    index.sent(1, 2)
    assert index.pick(LIVE, nobody) == (1, 4) and index.pick(ANY, nobody) == (1, 1)
    index.demote()
    assert index.pick(LIVE, nobody) is None
    assert index.pick(ANY, lambda _boot, seq: seq < 3) == (1, 3)
    box.ack(1, 3, 0)
    assert (index.live, index.records, index.pick(ALARM, nobody)) == (1, 1, None)


def test_damage_in_a_closed_sector_costs_what_it_hits_and_is_counted():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    for seq in range(1, 60):
        box.seal(1, seq, bytes([seq]) * 200, 2, 0, 0)
    at = flash.data.find(bytes([5]) * 200)
    flash.data[at + 20] ^= 4
    box = RingOutbox(flash)
    assert held(box) == [(1, seq) for seq in range(1, 60) if seq != 5]
    assert (box.overwritten_frames, box.overwritten_records, box.index.live) == (1, 2, 58)
    box = RingOutbox(flash)
    assert (box.overwritten_frames, box.index.live) == (1, 58)


def test_a_flash_that_refuses_for_a_while_costs_no_record():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    box.open_batch(batch(1, 1))
    assert box.record(flood_row(1))
    flash.refuse = True
    assert not box.record(flood_row(2)) and not box.record(flood_row(3))
    flash.refuse = False
    assert box.record(flood_row(4)) and box.errors == 2
    box = RingOutbox(flash)
    assert box.batch.count == 4 and box.batch.values[0] == [flood_row(i)[2][0] for i in (1, 2, 3, 4)]
    flash.refuse = True
    assert not box.seal(1, 9, b"frame", 15, 0, 0)
    assert (box.overwritten_frames, box.overwritten_records) == (1, 15)


def test_a_rest_that_is_written_anew_reads_as_it_was():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    box.open_batch(batch(1, 1))
    box.record({2: (500, 0)})
    box.record({3: (1, 0)})
    box.seal(1, 1, b"first", 1, 0, 1)  # the rest has no value of the first column to continue
    flash.refuse = True
    assert not box.record({3: (2, 0)})
    flash.refuse = False
    assert box.record({3: (3, 0)}) and box.record({2: (700, 0)})
    values = box.batch.values
    assert values[0] == [None, None, None, 700] and RingOutbox(flash).batch.values == values


def test_an_alarm_that_the_flash_lost_is_given_up_when_it_is_looked_for():
    flash = NorFlash(16)
    box = RingOutbox(flash)
    for seq in (1, 2):
        box.seal(1, seq, bytes([seq]) * 100, 3, ALARM, 0)
    for seq in range(3, 60):
        box.seal(1, seq, bytes([seq]) * 100, 1, 0, 0)
    flash.data[flash.data.find(bytes([1]) * 100) + 20] ^= 1
    box = RingOutbox(flash)
    assert box.index.pick(ALARM, nobody) == (1, 2)
    assert (box.overwritten_frames, box.overwritten_records, box.index.alarms) == (1, 3, 1)


def life(box, random, steps, done):
    """Do random things and keep the model `done` right at every moment: what must, and what may be held."""
    for _ in range(steps):
        done["n"] += 1
        what = random.bits(4)
        if what < 9:
            if box.batch is None:
                done["seq"] += 1
                box.open_batch(batch(done["boot"], done["seq"]))
            done["rows"] = (box.batch.boot, box.batch.count)
            box.record(flood_row(done["n"]))
            done["rows"] = (box.batch.boot, box.batch.count)
        elif what < 13:
            taken = box.batch.count if box.batch is not None else 0
            if (taken and not box.batch.seq) or not taken:
                done["seq"] += 1
            seq = box.batch.seq or done["seq"] if taken else done["seq"]
            wire = bytes([done["n"] & 255]) * (40 + random.bits(7))
            name = (done["boot"], seq)
            done["pending"] = (name, wire, taken)
            box.seal(name[0], seq, wire, taken, 0, taken)
            done["held"][name] = (wire, taken)
            done["pending"] = None
            if taken:
                done["rows"] = (0, 0)
        elif what < 15 and done["held"]:
            names = sorted(done["held"])
            boot, through = names[random.bits(8) % len(names)]
            going = [n for n in names if n[0] == boot and n[1] <= through]
            done["going"] = going
            box.ack(boot, through, 0)
            for name in going:
                del done["held"][name]
            done["going"] = []


def check(box, done):
    """After a cut: everything that was durable is there, unless it was counted as overwritten."""
    found = {}
    for place in box.index.places():
        found[place[:2]] = box.read(*place[:2])
    may = dict(done["held"])
    if done["pending"]:
        may[done["pending"][0]] = done["pending"][1:]
    for name, wire in found.items():
        assert name in may and wire == may[name][0], name
    missing = [n for n in done["held"] if n not in found and n not in done["going"]]
    assert len(missing) <= box.overwritten_frames - done["overwritten"], (missing, box.overwritten_frames)
    rows = box.batch.count if box.batch is not None else 0
    pending = done["pending"]
    if pending and pending[2] and pending[0] in found:
        assert rows == 0
    else:
        assert done["rows"][1] <= rows <= done["rows"][1] + 1, (rows, done["rows"])


def test_random_lives_with_random_cuts_lose_nothing():
    for seed in range(1, 16):
        random = Random(seed)
        flash = NorFlash(16)
        done = {"n": 0, "seq": 0, "boot": 1, "rows": (0, 0), "held": {}, "pending": None, "going": [], "overwritten": 0}
        for boot in range(1, 8):
            done["boot"] = boot
            done["seq"] = 0
            flash.cut(
                flash.ops + 1 + random.bits(8), ("before", "within", "after", "within")[random.bits(2)], random.bits
            )
            try:
                box = RingOutbox(flash)
                if boot > 1:
                    check(box, done)
                done["held"] = {p[:2]: (box.read(*p[:2]), p[3]) for p in box.index.places()}
                done["pending"] = None
                done["going"] = []
                done["overwritten"] = box.overwritten_frames
                if box.batch is not None:
                    count, old = box.batch.count, box.batch.boot
                    done["rows"] = (old, count)
                    number = box.batch.seq or box.last_seq + 1
                    done["pending"] = ((old, number), b"recovered", count)
                    box.seal(old, number, b"recovered", count, 0, count)
                    done["held"][old, number] = (b"recovered", count)
                    done["pending"] = None
                done["rows"] = (boot, 0)
                life(box, random, 400, done)
                raise PowerCut
            except PowerCut:
                flash.restore(flash.snapshot())
        assert flash.overwrites == 0, seed
