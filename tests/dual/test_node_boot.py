"""The launcher: what it keeps over resets, how it counts failed starts, which slot it takes."""

import os

from pantau_boot import Keep, Starts, choose

POWER_ON, HARD, WATCHDOG, DEEPSLEEP, SOFT = 1, 2, 3, 4, 5


class Memory:
    """RTC memory."""

    def __init__(self):
        self.data = b""

    def __call__(self, data=None):
        if data is None:
            return self.data
        assert len(data) <= 2048
        self.data = bytes(data)
        return None


def test_sections_come_back_after_a_reset_and_garbage_is_nothing():
    memory = Memory()
    keep = Keep(memory)
    assert keep.get(1) is None
    keep.put(1, b"time")
    keep.put(4, bytes(range(200)))
    keep.put(3, b"defect")
    keep.put(3, b"")
    again = Keep(memory)
    assert (again.get(1), again.get(4), again.get(3)) == (b"time", bytes(range(200)), None)
    whole = memory.data
    for at in range(0, len(whole), 7):
        memory.data = whole[:at] + bytes((whole[at] ^ 4,)) + whole[at + 1 :]
        assert Keep(memory).get(4) is None, at
        memory.data = whole[:at]
        assert Keep(memory).get(4) is None, at


def test_what_does_not_fit_leaves_what_is_there():
    memory = Memory()
    keep = Keep(memory)
    keep.put(1, b"time")
    keep.put(4, bytes(3000))
    assert Keep(memory).get(1) == b"time"


def start(memory, cause):
    return Starts(Keep(memory), cause)


def test_restarts_in_a_row_that_delivered_nothing_lead_to_the_safe_profile():
    memory = Memory()
    first = start(memory, POWER_ON)
    assert (first.failures, first.safe, first.crashed) == (0, False, False)
    for n, cause in ((1, HARD), (2, WATCHDOG)):
        one = start(memory, cause)
        assert (one.failures, one.safe, one.crashed) == (n, False, True)
    assert start(memory, SOFT).safe
    memory.data = b""  # the mains flicker: nothing is known, nothing is suspected
    assert (start(memory, POWER_ON).failures, start(memory, POWER_ON).crashed) == (0, False)


def test_a_brown_out_that_keeps_rtc_memory_is_no_failure():
    memory = Memory()
    for _ in range(10):
        one = start(memory, POWER_ON)
    assert (one.failures, one.crashed) == (0, False)


def test_a_delivery_clears_and_what_was_planned_does_not_count():
    memory = Memory()
    start(memory, POWER_ON)
    start(memory, HARD)
    one = start(memory, HARD)
    assert one.failures == 2
    one.planned()
    one = start(memory, HARD)
    assert (one.failures, one.crashed) == (2, False)
    one.proved()
    one = start(memory, WATCHDOG)
    assert (one.failures, one.crashed) == (0, False)
    for _ in range(5):
        one = start(memory, DEEPSLEEP)  # wakes of one boot
        assert (one.failures, one.crashed) == (0, False)
    assert start(memory, HARD).failures == 1


def test_the_safe_profile_can_be_left_for_one_try():
    memory = Memory()
    start(memory, POWER_ON)
    for _ in range(3):
        one = start(memory, HARD)
    assert one.safe
    one.once_more()
    one = start(memory, HARD)
    assert (one.failures, one.safe) == (2, False)
    assert start(memory, HARD).safe


def test_the_last_defect_outlives_restarts_and_is_bounded():
    memory = Memory()
    one = start(memory, POWER_ON)
    assert one.last_defect() == ""
    one.defect("sampler: no sign of life")
    assert start(memory, HARD).last_defect() == "sampler: no sign of life"
    one.defect("x" * 1000)
    assert len(start(memory, HARD).last_defect()) == 120


def test_rounds_of_failures_go_through_safe_profile_last_resort_and_the_slots_for_ever():
    memory = Memory()
    start(memory, POWER_ON)
    for n in range(1, 500):
        one = start(memory, HARD)
        n %= 240
        assert (one.failures, one.safe, one.last) == (n, n % 6 >= 3, n % 6 == 5), n


def test_a_defect_in_any_script_is_kept_as_ascii():
    memory = Memory()
    start(memory, POWER_ON).defect("x" * 119 + "\u00e9\u00e9 \u6c34\n")
    assert start(memory, HARD).last_defect() == "x" * 119 + "?"


class Failed:
    def __init__(self, failures):
        self.failures = failures
        self.slot = ("", "")


def test_the_slot_is_the_one_named_and_in_every_other_round_the_other():
    root = "slots-of-a-test/"
    made = []
    try:
        os.mkdir(root[:-1])
        assert choose(root, Failed(9)) == ""
        for name in ("a", "b"):
            os.mkdir(root + name)
            made.append(root + name)
        assert choose(root, Failed(0)) == root + "a"
        with open(root + "slot", "w") as file:
            file.write("b")
        for failures, name in ((5, "b"), (6, "a"), (11, "a"), (12, "b")):
            failed = Failed(failures)
            assert choose(root, failed) == root + name, failures
            assert failed.slot == (("", "") if name == "b" else (root, "a"))
        os.rmdir(made.pop(0))
        assert choose(root, Failed(6)) == root + "b"
        with open(root + "slot", "w") as file:
            file.write("a")
        assert choose(root, Failed(0)) == root + "b", "the one that is named is not there"
        memory = Memory()
        one = start(memory, HARD)
        choose(root, one)
        one.proved()
        with open(root + "slot") as file:
            assert file.read() == "b", "what proved itself is the usual one"
    finally:
        for name in made:
            os.rmdir(name)
        try:
            os.remove(root + "slot")
        except OSError:
            pass
        os.rmdir(root[:-1])
