"""The journal and the file outbox on all interpreters."""

import os

from place import own

from pantau_node import ALARM, ANY, LIVE
from pantau_node.index import Index
from pantau_node.journal import Batch
from pantau_node.journalstart import decode_open, replay
from pantau_node.outbox import FileOutbox
from pantau_wire import frame
from pantau_wire import names as T
from pantau_wire.frame import quality

PATH = own("outbox")
KEY = bytes(range(32))
COLUMNS = (2, 3, 4, 5, 6, 7, T.TIME_OFFSET)


def remove():
    for name in (PATH, PATH + ".new"):
        try:
            os.remove(name)
        except OSError:
            pass


def nobody(_boot, _seq):
    return False


def flood_row(i):
    return {2: (3001 + i, 0), 3: (i & 1, 0), 4: (3150 - i, 0), 5: (9870, 0), 6: (2, 0), 7: (14, 0)}


def batch(boot=1, seq=1):
    return Batch(boot, seq, 3, 1700000000, 60, 1, list(COLUMNS))


def wire_of(b, seq):
    return frame.encode(b.frame(seq, b.count, False, 0), "n", KEY)


def test_a_row_comes_back_with_its_values_and_codes():
    b = batch()
    rows = [flood_row(0), {2: (None, quality(T.R_NO_ECHO)), 4: (-500, quality(T.R_OUT_OF_RANGE))}, flood_row(2)]
    rows[2][T.TIME_OFFSET] = (7, 0)
    copy = decode_open(b.encode_open())
    for row in rows:
        replay(copy, b.add(row))
    assert copy.values == b.values and copy.codes == b.codes and copy.count == 3
    assert b.values[0] == [3001, None, 3003] and b.codes[1][1] == quality(T.R_NO_SAMPLE)
    f = frame.decode(wire_of(b, 9))
    assert f.seq == 9 and f.count == 3 and frame.times(f) == [1700000000, 1700000060, 1700000127]
    assert f.columns[4] == ([3150, -500, 3148], [0, quality(T.R_OUT_OF_RANGE), 0])


def test_a_value_the_wire_cannot_carry_is_missing_with_its_reason():
    b = batch()
    b.add({2: (-1, 0), 3: (1 << 40, 0), 4: (5, quality(T.R_ABSENT))})
    for column in (0, 1):
        assert b.values[column] == [None] and b.codes[column] == [quality(T.R_NO_SAMPLE)]
    assert b.values[2] == [None] and b.codes[2] == [quality(T.R_ABSENT)]
    frame.decode(wire_of(b, 1))


def test_a_flood_record_takes_at_most_16_bytes_of_flash():
    remove()
    box = FileOutbox(PATH, 65536)
    box.open_batch(batch())
    for i in range(15):
        before = os.stat(PATH)[6]
        assert box.record(flood_row(i * 40))
        assert os.stat(PATH)[6] - before <= 16, i
    box.close()
    remove()


def test_an_interrupted_batch_is_there_after_the_restart():
    remove()
    box = FileOutbox(PATH, 65536)
    box.open_batch(batch(7, 3))
    for i in range(4):
        box.record(flood_row(i))
    box.close()
    box = FileOutbox(PATH, 65536)
    b = box.batch
    assert (b.boot, b.seq, b.count) == (7, 3, 4) and b.values[0] == [3001, 3002, 3003, 3004]
    assert box.records() == 4 and box.oldest() == (7, 3) and box.last_boot == 7
    wire = wire_of(b, 3)
    assert box.seal(7, 3, wire, 4, 0, 4) and box.batch is None
    box.close()
    box = FileOutbox(PATH, 65536)
    assert box.batch is None and box.read(7, 3) == wire and box.records() == 4
    box.close()
    remove()


def test_frames_leave_by_acknowledgement_only_and_stay_gone():
    remove()
    box = FileOutbox(PATH, 65536)
    for seq in range(1, 8):
        box.seal(2, seq, b"frame %d" % seq, 1, 0, 0)
    box.seal(3, 1, b"other boot", 1, 0, 0)
    assert box.ack(2, 2, 0b10100) == 4  # 1, 2 by the watermark; 5 and 7 by the map
    assert box.ack(2, 2, 0b10100) == 0
    box.close()
    box = FileOutbox(PATH, 65536)
    held = [place[:2] for place in box.index.places()]
    assert held == [(2, 3), (2, 4), (2, 6), (3, 1)], held
    assert box.read(2, 4) == b"frame 4" and box.read(2, 5) is None and box.oldest() == (2, 3)
    box.close()
    remove()


def test_a_full_outbox_overwrites_the_oldest_and_counts_it_for_ever():
    remove()
    box = FileOutbox(PATH, 1000, most=8)
    for seq in range(1, 31):
        assert box.seal(1, seq, bytes([seq]) * 100, 15, 0, 0)
    assert box.index.live == 8 and box.overwritten_frames == 22 and box.overwritten_records == 330
    box.close()
    box = FileOutbox(PATH, 1000, most=8)
    assert box.overwritten_frames == 22 and box.overwritten_records == 330
    assert box.oldest() == (1, 23) and box.read(1, 30) == bytes([30]) * 100
    box.close()
    remove()


def test_the_file_stays_small_over_a_long_life_and_keeps_what_is_held():
    remove()
    box = FileOutbox(PATH, 4096)
    box.seal(1, 1, b"kept" * 50, 3, ALARM, 0)
    for seq in range(1, 600):
        box.open_batch(batch(2, seq))
        for i in range(3):
            box.record(flood_row(i))
        box.seal(2, seq, b"x" * 60, 3, 0, 3)
        if seq > 4:
            assert box.ack(2, seq - 4, 0) == 1
    assert os.stat(PATH)[6] < 20000, os.stat(PATH)[6]
    assert box.read(1, 1) == b"kept" * 50 and box.errors == 0
    box.close()
    remove()


def test_a_rewrite_keeps_the_open_batch():
    remove()
    box = FileOutbox(PATH, 4096)
    box.open_batch(batch(4, 100))
    for i in range(5):
        box.record(flood_row(i))
    for seq in range(1, 200):
        box.seal(4, seq, b"y" * 100, 0, 0, 0)
        box.ack(4, seq, 0)
    assert os.stat(PATH)[6] < 10000
    box.record(flood_row(5))
    box.close()
    box = FileOutbox(PATH, 4096)
    assert box.batch.count == 6 and box.batch.values[0] == [3001 + i for i in range(6)]
    box.close()
    remove()


def test_a_cut_at_any_byte_loses_at_most_the_entry_being_written():
    remove()
    box = FileOutbox(PATH, 65536)
    ends = []  # (bytes, frames held, rows in the open batch) after each write

    def note():
        ends.append((os.stat(PATH)[6], box.index.live, box.batch.count if box.batch else 0))

    note()
    box.seal(1, 1, b"health", 0, 0, 0)
    note()
    box.open_batch(batch(1, 2))
    note()
    for i in range(3):
        box.record(flood_row(i))
        note()
    box.seal(1, 2, wire_of(box.batch, 2), 3, 0, 3)
    note()
    box.ack(1, 1, 0)
    note()
    box.open_batch(batch(1, 3))
    box.record(flood_row(9))
    note()
    box.close()
    with open(PATH, "rb") as file:
        whole = file.read()
    for cut in range(len(whole) + 1):
        for tail in (b"", b"\x00\xff\x43", whole[cut : cut + 1] and bytes([whole[cut] ^ 0x41])):
            with open(PATH, "wb") as file:
                file.write(whole[:cut])
                file.write(tail)
            box = FileOutbox(PATH, 65536)
            least = [e for e in ends if e[0] <= cut][-1]
            got = (box.index.live, box.batch.count if box.batch else 0)
            assert got == least[1:], (cut, tail, got, least)
            # What comes after the damage is found again.
            box.batch = None
            assert box.seal(2, 1, b"after", 0, 0, 0)
            box.close()
            box = FileOutbox(PATH, 65536)
            assert box.read(2, 1) == b"after", cut
            box.close()
    remove()


def test_lanes_and_order():
    index = Index(64)
    for seq, flags in ((1, 0), (2, LIVE), (3, ALARM), (4, LIVE)):
        index.add(0, 1, seq, flags, 1, 10)
    assert index.pick(ALARM, nobody) == (1, 3)
    assert index.pick(LIVE, nobody) == (1, 2)
    index.sent(1, 2)
    assert index.pick(LIVE, nobody) == (1, 4)
    assert index.pick(ANY, nobody) == (1, 1)
    index.demote()
    assert index.pick(LIVE, nobody) is None
    assert index.pick(ANY, lambda _boot, seq: seq < 3) == (1, 3)
    assert (index.live, index.records, index.bytes) == (4, 4, 40)


def test_the_index_stays_right_through_holes_and_growth():
    index = Index(1024)
    held = []
    for seq in range(1, 500):
        index.add(seq * 7, 1, seq, 0, 2, 5)
        held.append(seq)
        if seq % 3 == 0:
            index.remove(1, seq - 1)
            held.remove(seq - 1)
        if seq % 50 == 0:
            assert index.ack(1, seq - 40, 0) > 0
            held = [s for s in held if s > seq - 40]
    assert [place[1] for place in index.places()] == held
    assert index.live == len(held) and index.records == 2 * len(held)
    for seq in held:
        assert index.place(1, seq) == (seq * 7, 5)


def test_the_least_frame_held_is_told_not_the_first_sealed():
    index = Index(64)
    for seq in (7, 3, 9, 8):
        index.add(0, 2, seq, 0, 1, 10)
    assert index.least() == (2, 3) and index.oldest()[:2] == (2, 7)
    index.remove(2, 3)
    assert index.least() == (2, 7)
    index.add(0, 3, 1, 0, 1, 10)
    assert index.least() == (2, 7)


def test_a_health_frame_sealed_in_an_open_batch_does_not_hide_it():
    remove()
    box = FileOutbox(PATH, 65536)
    b = batch(1, 3)
    box.open_batch(b)
    box.record(flood_row(0))
    box.seal(1, 7, b"health", 0, 0, 0)
    box.seal(1, 3, wire_of(b, 3), 1, 0, 1)
    assert box.oldest() == (1, 3)
    box.close()
    box = FileOutbox(PATH, 65536)
    assert box.oldest() == (1, 3)
    box.close()
    remove()


def test_a_row_that_memory_refused_does_not_bend_the_rows_after_it():
    remove()
    box = FileOutbox(PATH, 65536)
    box.open_batch(batch())
    for i in range(3):
        box.record(flood_row(i))
    write = box._append

    def full(*_parts):
        raise MemoryError

    box._append = full
    try:
        box.record(flood_row(3))
    except MemoryError:
        pass
    box._append = write
    box.record(flood_row(4))
    values = [list(column) for column in box.batch.values]
    box.close()
    box = FileOutbox(PATH, 65536)
    assert box.batch.values == values
    box.close()
    remove()


def test_a_cut_while_the_journal_is_written_anew_keeps_every_durable_row():
    remove()
    box = FileOutbox(PATH, 65536)
    box.open_batch(batch())
    for i in range(6):
        box.record(flood_row(i))
    whole = os.stat(PATH)[6]
    box._whole = False
    box.record(flood_row(6))
    box.close()
    with open(PATH, "rb") as file:
        log = file.read()
    for cut in range(whole, len(log)):
        with open(PATH, "wb") as file:
            file.write(log[:cut])
        box = FileOutbox(PATH, 65536)
        assert box.batch.count >= 6, cut
        box.record(flood_row(9))
        values = [list(column) for column in box.batch.values]
        box.close()
        box = FileOutbox(PATH, 65536)
        assert box.batch.values == values and values[0][5] == 3006, cut
        box.close()
    remove()


def test_what_cannot_be_opened_is_not_replaced_by_nothing():
    remove()
    with open(PATH, "wb") as file:
        file.write(b"something")
    try:
        FileOutbox(PATH + "/under", 65536)
    except OSError:
        pass
    else:
        raise AssertionError("opened a file under a file")
    assert os.stat(PATH)[6] == 9
    remove()


def test_a_live_frame_takes_nothing_from_the_open_batch_of_an_interrupted_boot():
    remove()
    box = FileOutbox(PATH, 65536)
    box.open_batch(batch())
    box.record(flood_row(0))
    box.seal(1, 2, b"health", 0, LIVE, 0)
    box.close()
    box = FileOutbox(PATH, 65536)
    assert (box.batch.seq, box.batch.count) == (1, 1), "or seq 1 is never sent: a gap for ever"
    box.close()
    remove()
