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


ROOT = "slots-of-a-test/"


def write(name, text):
    with open(ROOT + name, "w") as file:
        file.write(text)


def word(name):
    with open(ROOT + name) as file:
        return file.read()


def made(*slots):
    """Make the flash of a node with these slots, nothing else on it."""
    wiped(ROOT[:-1])
    os.mkdir(ROOT[:-1])
    for name in slots:
        os.mkdir(ROOT + name)
        write(name + "/ready", "{}")


def wiped(path):
    try:
        names = os.listdir(path)
    except OSError:
        return
    for name in names:
        try:
            os.remove(path + "/" + name)
        except OSError:
            wiped(path + "/" + name)
    os.rmdir(path)


def failed(failures):
    one = start(Memory(), POWER_ON)
    one.failures = failures
    return one


def chosen(one):
    return choose(ROOT, one).replace(ROOT, "") or "/"


def test_the_slot_is_the_one_named_and_in_every_other_round_the_other():
    made()
    assert chosen(failed(9)) == "/"
    made("a", "b")
    assert chosen(failed(0)) == "a"
    write("slot", "b\n")  # a technician's editor ends the line
    for failures, name in ((5, "b"), (6, "a"), (11, "a"), (12, "b")):
        one = failed(failures)
        assert chosen(one) == name, failures
        assert (one.root, one.name, one.usual) == (ROOT, name, name == "b")
    os.remove(ROOT + "a/ready")
    assert chosen(failed(6)) == "b", "what is not ready is no slot"
    write("slot", "a")
    assert chosen(failed(0)) == "b", "the one that is named is not there"
    one = start(Memory(), HARD)
    choose(ROOT, one)
    one.proved()
    assert word("slot") == "b", "what proved itself is the usual one"
    wiped(ROOT[:-1])


def test_an_application_outside_of_slots_is_left_for_a_slot_only_when_that_has_proved_itself():
    made("a")
    os.mkdir(ROOT + "pantau_node")
    write("slot", "/")  # an update makes it so before there is a slot
    assert (chosen(failed(0)), chosen(failed(6))) == ("/", "a")
    write("try", "a9")
    one = start(Memory(), POWER_ON)
    assert (chosen(one), one.usual, word("try")) == ("a", False, "a8")
    one.proved()
    assert word("slot") == "a"
    assert (chosen(failed(0)), chosen(failed(6))) == ("a", "/")
    os.rmdir(ROOT + "pantau_node")
    write("slot", "/")  # it is in the image: no folder shows it
    assert chosen(failed(0)) == "/"
    wiped(ROOT[:-1])


def test_three_crashes_end_a_trial_and_the_usual_slot_starts_with_a_clean_count():
    made("a", "b")
    write("slot", "a")
    write("try", "b9")
    memory = Memory()
    start(memory, POWER_ON).planned()
    for left in "852":
        one = start(memory, HARD)
        assert (chosen(one), word("try"), one.safe) == ("b", "b" + left, False)
    one = start(memory, WATCHDOG)
    assert (chosen(one), one.failures, one.safe, "try" in os.listdir(ROOT)) == ("a", 0, False, False)
    assert start(memory, HARD).failures == 1, "it was forgotten for good"
    wiped(ROOT[:-1])


def test_a_trial_outlives_nine_power_cuts_and_any_number_of_wakes():
    made("a", "b")
    write("try", "b9")
    for left in "876543210":
        assert (chosen(start(Memory(), POWER_ON)), word("try")) == ("b", "b" + left)
        assert (chosen(start(Memory(), DEEPSLEEP)), word("try")) == ("b", "b" + left)
    assert chosen(start(Memory(), POWER_ON)) == "a"
    wiped(ROOT[:-1])


def test_whatever_the_files_hold_a_slot_is_chosen():
    for slot in ("", "c", "/", "ab", "\x00", "b"):
        for trial in ("", "b", "bz", "b\x00", "c9", "/9", "a9", "\x7f\x7f"):
            made("a", "b")
            write("slot", slot)
            write("try", trial)
            assert chosen(start(Memory(), POWER_ON)) in ("a", "b", "/"), (slot, trial)
    made("a")
    write("b", "no folder")
    with open(ROOT + "slot", "wb") as file:
        file.write(b"\xff\xfe")
    assert chosen(failed(6)) == "a"
    wiped(ROOT[:-1])
