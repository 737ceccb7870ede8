"""Time from an SNTP server: what is asked, which of all possible answers is believed, and within which error."""

import struct

from pantau_node import sntp
from pantau_node.clock import SNTP, SYNCED, UNSET, Clock

COOKIE = b"\x8a\x01\xfe\x00\x10\x7f\xc3\x99"
SENT = (3908988800, 0x80000000)  # 1700000000.5 of Unix
GOT = (3908988800, 0x40000000)  # a quarter of a second before
GOOD = (None, 1700000000525, 27)  # of a round trip of 300 ms

NOT_OURS = "no answer to our question"
NO_SERVER = "not from a server"
NO_TIME = "the server has no time itself"
NO_FIT = "its times do not fit the round trip"


def reply(head=0x24, stratum=2, delay=0, spread=0, got=GOT, sent=SENT, cookie=COOKIE):
    fixed = bytes((head, stratum, 6, 0xEC)) + struct.pack(">II", delay, spread) + b"\x7f\x00\x00\x01" + bytes(8)
    return fixed + cookie + struct.pack(">IIII", got[0], got[1], sent[0], sent[1])


def judge(trip_ms=300, **fields):
    return sntp.judge(reply(**fields), COOKIE, trip_ms)


def why(trip_ms=300, **fields):
    said, utc_ms, error_ms = judge(trip_ms, **fields)
    assert said is None or (utc_ms, error_ms) == (0, 0)
    return said


def test_the_question_tells_nothing_but_the_cookie():
    assert sntp.request(COOKIE) == b"\x23" + bytes(39) + COOKIE and len(sntp.request(COOKIE)) == 48
    assert (sntp.PORT, sntp.SAMPLES, sntp.REPLY_MS) == (123, 3, 2000)


def test_half_of_the_way_is_added_and_is_the_error_with_what_the_server_admits():
    assert judge() == GOOD
    assert judge(250) == (None, 1700000000500, 2)
    assert judge(2000) == (None, 1700000001375, 877)
    assert judge(delay=6554, spread=3277) == (None, 1700000000525, 127)  # 100 ms / 2 + 50 ms
    assert judge(delay=65536, spread=65536) == (None, 1700000000525, 1527)
    assert judge(head=0x1C) == GOOD  # version 3


def test_what_follows_the_48_bytes_is_no_matter_and_less_is_no_answer():
    assert sntp.judge(reply() + bytes(20), COOKIE, 300) == GOOD
    for size in range(48):
        assert sntp.judge(reply()[:size], COOKIE, 300) == ("too short", 0, 0)


def test_only_the_cookie_of_this_question_opens():
    for at in range(8):
        for bit in (1, 128):
            wrong = COOKIE[:at] + bytes((COOKIE[at] ^ bit,)) + COOKIE[at + 1 :]
            assert why(cookie=wrong) == NOT_OURS
    assert why(cookie=bytes(8)) == NOT_OURS
    assert why(cookie=bytes(8), stratum=0) == NOT_OURS  # a stranger cannot send us away, either


def test_only_a_server_of_version_3_or_4_is_heard():
    for mode in range(8):
        assert why(head=0x20 | mode) == (None if mode == 4 else NO_SERVER)
    for version in range(8):
        assert why(head=version << 3 | 4) == (None if version in (3, 4) else NO_SERVER)
    assert sntp.judge(sntp.request(COOKIE)[:24] + COOKIE + bytes(16), COOKIE, 1)[0] == NO_SERVER  # our own echo


def test_a_kiss_of_death_is_told_from_a_server_without_time():
    assert why(stratum=0) == "the server refuses us" and sntp.KISS == "the server refuses us"
    assert why(head=0xE4, stratum=0, got=(0, 0), sent=(0, 0)) == sntp.KISS  # as ntpd sends RATE
    for stratum in (1, 15):
        assert why(stratum=stratum) is None
    for stratum in (16, 17, 255):
        assert why(stratum=stratum) == NO_TIME


def test_a_server_that_is_not_synchronised_is_not_believed():
    for leap in range(4):
        assert why(head=leap << 6 | 0x24) == (None if leap < 3 else NO_TIME)
    for most in (65537, 1 << 31, 0xFFFFFFFF):  # more than a second, or negative
        assert why(delay=most) == NO_TIME
        assert why(spread=most) == NO_TIME


def test_times_of_zero_are_none():
    assert why(got=(0, 0)) == NO_TIME
    assert why(sent=(0, 0)) == NO_TIME
    assert why(got=(0, 0), sent=(0, 0)) == NO_TIME


def test_a_server_cannot_hold_a_question_longer_than_it_was_away():
    assert judge(249) == (None, 1700000000500, 2)  # a millisecond of rounding
    assert why(248) == NO_FIT
    assert why(0) == NO_FIT
    assert why(got=SENT, sent=GOT) == NO_FIT  # sent before it was received
    assert why(got=(SENT[0], 4294968), sent=(SENT[0], 0)) == NO_FIT  # by one millisecond
    assert why(got=(SENT[0] - 86400, SENT[1])) == NO_FIT
    assert why(2000) is None and why(2001) == NO_FIT  # too long ago to say anything


def test_the_seconds_wrap_in_2036():
    assert judge(0, got=(0xFFFFFFFF, 0), sent=(0xFFFFFFFF, 0)) == (None, 2085978495000, 2)
    assert judge(0, got=(1, 0), sent=(1, 0)) == (None, 2085978497000, 2)
    assert judge(1600, got=(0xFFFFFFFF, 0x80000000), sent=(1, 0)) == (None, 2085978497050, 52)


def test_a_time_before_2023_becomes_one_that_the_clock_refuses():
    first = 1672531200 + 2208988800
    assert judge(0, got=(first, 0), sent=(first, 0)) == (None, 1672531200000, 2)
    said, utc_ms, error_ms = judge(0, got=(first - 1, 0), sent=(first - 1, 0))
    assert (said, utc_ms) == (None, (1672531199 + (1 << 32)) * 1000)
    clock = Clock(lambda: 0, 1672531200)
    assert clock.set_utc(utc_ms, error_ms, SYNCED, SNTP) == "refused" and clock.quality == UNSET


def test_any_bytes_are_judged_and_none_gives_a_time_without_a_bound():
    state = 7
    good = 0
    for _ in range(400):
        data = bytearray(reply())
        for _ in range(4):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            data[(state >> 16) % 48] = state >> 8 & 0xFF
        said, utc_ms, error_ms = sntp.judge(bytes(data), COOKIE, state >> 20)
        if said is None:
            good += 1
            assert utc_ms >= 1672531200000 and 2 <= error_ms <= 2502
        else:
            assert said in (NOT_OURS, NO_SERVER, NO_TIME, NO_FIT, sntp.KISS) and (utc_ms, error_ms) == (0, 0)
    assert good > 0


def test_the_sample_with_the_least_error_speaks_if_there_are_two():
    assert sntp.choose([]) is None
    assert sntp.choose([(1700000000000, 2)]) is None
    assert sntp.choose([(1700000000000, 20), (1700000000015, 5)]) == (1700000000015, 5)
    assert sntp.choose([(1700000000015, 5), (1700000000000, 20), (1700000000001, 9)]) == (1700000000015, 5)
    assert sntp.choose([(7, 5), (8, 5)]) == (7, 5)


def test_samples_that_the_errors_do_not_reconcile_are_worth_nothing():
    assert sntp.choose([(1000, 20), (1025, 5)]) == (1025, 5)
    assert sntp.choose([(1000, 20), (1026, 5)]) is None
    assert sntp.choose([(1026, 5), (1000, 20)]) is None
    assert sntp.choose([(1000, 5), (1001, 5), (61000, 5)]) is None
    assert sntp.choose([(61000, 5), (1000, 5), (1001, 5)]) is None
