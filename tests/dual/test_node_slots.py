"""The two-copy stores and the growing numbers on raw flash and in files: cuts, damage, refusals."""

from flash_rig import FOLDER, Board, Random, empty_folder, every_cut, files, put

from pantau_node import slots as slots_module
from pantau_node.counters import Counter, Counters
from pantau_node.slots import FileSlots, FlashSlots, Slots
from pantau_node.storage import Storage
from pantau_sim.flash import NorFlash


def refused(error, what, *given):
    try:
        what(*given)
    except error:
        return True
    return False


def both():
    empty_folder()
    return FlashSlots(NorFlash(2), 0), FileSlots(FOLDER + "/identity")


def test_the_newest_sound_copy_comes_first():
    for slots in both():
        assert slots.read() == []
        slots.write(1, b"one", 0)
        assert slots.read() == [(1, b"one")]
        slots.write(2, b"two" * 400, 1)
        assert slots.read() == [(2, b"two" * 400), (1, b"one")]
        slots.write(3, b"", 1)
        assert slots.read() == [(3, b""), (1, b"one")]
        slots.write(4, b"four", 3)
        assert slots.read() == [(4, b"four"), (3, b"")]
        slots.write(4, b"four", 4)
        assert slots.read() == [(4, b"four"), (4, b"four")]
        slots.write(5, b"five", 4)
        assert slots.read() == [(5, b"five"), (4, b"four")]


def test_a_text_that_does_not_fit_changes_nothing():
    for slots in both():
        slots.write(1, b"x" * slots_module.MOST, 0)
        assert refused(ValueError, slots.write, 2, b"x" * (slots_module.MOST + 1), 1)
        assert slots.read() == [(1, b"x" * slots_module.MOST)]


def test_no_cut_takes_the_copy_that_is_kept():
    def work(flash):
        FlashSlots(flash, 1).write(9, b"new" * 200, 7)

    for before in ((7, 6), (6, 7), (7, 8), (7, 7), (8, 7)):
        flash = NorFlash(4)
        for i, generation in enumerate(before):
            FlashSlots(flash, 1).write(generation, b"%d" % generation * 100, before[1 - i] if i else 0)
        for left in every_cut(flash.snapshot(), work, seed=before[0]):
            found = dict(FlashSlots(left, 1).read())
            assert found.get(7) == b"7" * 100, (before, found)
            assert found.get(9, b"new" * 200) == b"new" * 200
            work(left)
            assert FlashSlots(left, 1).read() == [(9, b"new" * 200), (7, b"7" * 100)]


def test_a_damaged_copy_is_as_good_as_none():
    flash = NorFlash(2)
    slots = FlashSlots(flash, 0)
    slots.write(1, b"old", 0)
    slots.write(2, b"new", 1)
    image = flash.snapshot()
    for at in range(4096, 4096 + slots_module.HEAD + 3):
        flash.restore(image)
        flash.data[at] ^= 0x10
        assert slots.read() == [(1, b"old")], at
    flash.data[0] ^= 1
    assert slots.read() == []
    for junk in (b"", b"\x00" * 4096, b"\xff" * 4096, b"PNT1" + b"\xff" * 12):
        empty_folder()
        put("x.a", junk)
        assert FileSlots(FOLDER + "/x").read() == []


def test_a_flash_that_refuses_says_so():
    flash = NorFlash(2)
    slots = FlashSlots(flash, 0)
    slots.write(1, b"old", 0)
    flash.refuse = True
    assert refused(OSError, slots.write, 2, b"new", 1)
    assert slots.read() == [(1, b"old")]


def test_counters_grow_over_restarts_and_wear_both_sectors_alike():
    flash = NorFlash(4)
    for value in range(1, 701):
        counters = Counters(flash, 2)
        for which in (1, 2):
            counter = Counter(counters, which)
            assert counter.value == value - 1, (which, counter.value, value)
            counter.advance(value)
        if value == 5:
            Counter(counters, 3).advance(1700000000123456)
    assert Counter(Counters(flash, 2), 3).value == 1700000000123456
    assert Counter(Counters(flash, 2), 4).value == 0
    assert flash.overwrites == 0
    assert flash.erases == [0, 0, 3, 3], flash.erases
    assert refused(ValueError, Counter(Counters(flash, 2), 1).advance, 700)


def test_no_cut_takes_a_counter_back():
    for filled in (0, 1, 252, 253, 254, 510):
        flash = NorFlash(2)
        counters = Counters(flash, 0)
        Counter(counters, 2).advance(77)
        for value in range(1, filled + 1):
            Counter(counters, 1).advance(value)

        def work(flash, first=filled + 1):
            counters = Counters(flash, 0)
            for value in range(first, first + 3):
                Counter(counters, 1).advance(value)

        for left in every_cut(flash.snapshot(), work, seed=filled, tries=1):
            # A cut that follows must not undo what a start has told.
            told = Counter(Counters(left, 0), 1).value
            assert filled <= told <= filled + 3, (filled, told)

            def again(flash, first=told + 1):
                Counter(Counters(flash, 0), 1).advance(first)

            for later in every_cut(left.snapshot(), again, seed=told, tries=1):
                counters = Counters(later, 0)
                assert counters.values.get(1, 0) in (told, told + 1), (filled, told, counters.values)
                assert counters.values[2] == 77


def test_counters_pass_over_damage_and_tell_refusal():
    flash = NorFlash(2)
    counter = Counter(Counters(flash, 0), 1)
    counter.advance(5)
    used = max(i for i in range(8192) if flash.data[i] != 0xFF) // 16 * 16 + 16
    flash.data[used + 3] = 0  # the next place does not take a program
    counter.advance(6)
    assert Counter(Counters(flash, 0), 1).value == 6
    flash.data[used + 32 : used + 64] = b"\x00" * 32  # nor do the next two: on to the other sector
    counter.advance(7)
    assert Counter(Counters(flash, 0), 1).value == 7
    flash.refuse = True
    assert refused(OSError, counter.advance, 8)
    assert counter.value == 7
    rand = Random(3)
    flash = NorFlash(2, bytes(rand.bits(8) for _ in range(8192)))
    counters = Counters(flash, 0)
    assert counters.values == {}
    Counter(counters, 1).advance(1)
    assert Counter(Counters(flash, 0), 1).value == 1


def test_storage_is_on_raw_flash_where_there_are_partitions():
    empty_folder()
    parts = {"pantau_id": NorFlash(2), "pantau_cfg": NorFlash(4), "pantau_ring": NorFlash(16)}
    for boot in (1, 2):
        storage = Storage(Board(parts), FOLDER)
        assert storage.problems == []
        storage.boots.advance(boot)
        storage.floor.advance(1700000000 + boot)
        storage.identity.write(boot, b"id", boot - 1)
        storage.config.write(boot, b"conf", boot - 1)
        assert storage.outbox(65536).last_boot == 0
    storage = Storage(Board(parts), FOLDER)
    assert (storage.boots.value, storage.orders.value, storage.committed.value) == (2, 0, 0)
    assert storage.floor.value == 1700000002
    assert storage.identity.read()[0] == (2, b"id") and storage.config.read()[0] == (2, b"conf")
    assert files() == []


def test_storage_falls_back_to_files():
    empty_folder()
    storage = Storage(Board({}), FOLDER + "/")
    assert storage.problems == []  # a stock image has no partitions
    storage.boots.advance(3)
    storage.orders.advance(4)
    storage.identity.write(1, b"id", 0)
    storage.config.write(1, b"conf", 0)
    storage.outbox(65536).close()
    assert files() == ["boot.cnt", "config.a", "identity.a", "orders.cnt", "outbox.log"], files()

    small = {"pantau_id": NorFlash(1), "pantau_cfg": NorFlash(3), "pantau_ring": NorFlash(15)}
    storage = Storage(Board(small), FOLDER)
    storage.outbox(65536).close()
    assert len(storage.problems) == 3, storage.problems
    assert storage.boots.value == 3 and storage.identity.read() == [(1, b"id")]

    dead = {"pantau_id": NorFlash(2), "pantau_cfg": NorFlash(4), "pantau_ring": NorFlash(16)}
    for flash in dead.values():
        flash.readblocks = broken
    storage = Storage(Board(dead), FOLDER)
    assert len(storage.problems) == 3 and storage.orders.value == 4, storage.problems
    storage.outbox(65536).close()


def broken(_block, _buf, _offset=0):
    raise OSError(5)


class Half(Slots):
    """Copy 0 cannot be read until it was written."""

    def __init__(self):
        self.kept = {1: b""}

    def _load(self, i):
        if i not in self.kept:
            raise OSError(5)
        return self.kept[i]

    def _store(self, i, data):
        self.kept[i] = bytes(data)


def test_a_copy_that_cannot_be_read_does_not_keep_the_other_from_being_written():
    slots = Half()
    assert slots.read() == []
    slots.write(1, b"first", 1)
    slots.write(2, b"second", 1)
    assert slots.read() == [(2, b"second"), (1, b"first")]
