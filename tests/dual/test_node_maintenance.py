"""Maintenance on all interpreters: what is flagged, when it ends, what a restart remembers; and the orders for it."""

import json
import os

from core_rig import NOW_MS, names, rig
from place import own

from pantau_node.clock import BRIDGE, SYNCED, Clock
from pantau_node.maintenance import Maintenance, begin, found, replace
from pantau_wire import names as T
from pantau_wire.frame import quality

PATH = own("maintenance")
FLAGGED = quality(T.R_MAINTENANCE)


class Time:
    def __init__(self, utc_ms=None):
        self.now = 1000
        self.clock = Clock(lambda: self.now & 0x3FFFFFFF, 0)
        if utc_ms:
            self.clock.set_utc(utc_ms, 0, SYNCED, BRIDGE)


def wipe():
    try:
        os.remove(PATH)
    except OSError:
        pass


def write(text):
    with open(PATH, "w") as file:
        file.write(text)


def test_good_and_suspect_readings_are_flagged_and_keep_their_values_worse_ones_keep_their_reason():
    row = {
        T.WATER_DISTANCE: (1500, quality(T.R_OK)),
        T.WATER_DISTANCE_N: (3, quality(T.R_SPREAD)),
        T.AIR_TEMPERATURE: (None, quality(T.R_ABSENT)),
        T.RELATIVE_HUMIDITY: (9000, quality(T.R_DEVICE_FAULT)),
        T.TIME_OFFSET: (2, 0),
    }
    assert Maintenance.mark(row) == {
        T.WATER_DISTANCE: (1500, FLAGGED),
        T.WATER_DISTANCE_N: (3, FLAGGED),
        T.AIR_TEMPERATURE: (None, quality(T.R_ABSENT)),
        T.RELATIVE_HUMIDITY: (9000, quality(T.R_DEVICE_FAULT)),
        T.TIME_OFFSET: (2, 0),
    }


def test_it_ends_by_uptime_where_the_clock_is_not_set():
    wipe()
    time = Time()
    kept = begin(time.clock, PATH, 60, 1)
    time.now += 59000
    assert kept.left_s() == 1 and not kept.over()
    time.now += 1000
    assert kept.over() and found(time.clock, PATH, 1) == (None, None)


def test_a_restart_goes_on_with_what_is_left_of_it():
    wipe()
    begin(Time(NOW_MS).clock, PATH, 600, 1)
    kept, problem = found(Time(NOW_MS + 500000).clock, PATH, 2)
    assert problem is None and kept.left_s() == 100
    kept, problem = found(Time().clock, PATH, 2)  # the RTC is lost: anew, and as soon as the time is known, right again
    assert kept.left_s() == 600
    assert found(Time(NOW_MS + 600000).clock, PATH, 2) == (None, None)
    assert found(Time(NOW_MS).clock, PATH, 2) == (None, None)  # the file went


def test_a_node_that_sleeps_without_the_time_does_not_begin_anew_with_each_wake():
    wipe()
    time = Time()
    begin(time.clock, PATH, 600, 7)
    time.now += 500000
    assert found(time.clock, PATH, 7)[0].left_s() == 100  # the uptime of its boot goes on over a sleep
    assert found(Time().clock, PATH, 8)[0].left_s() == 600  # a new boot knows nothing of the old one's
    time.now += 100000
    assert found(time.clock, PATH, 7) == (None, None)


def test_the_end_by_order_removes_a_file_that_could_not_be_read():
    write("soon")
    assert replace(None, Time().clock, PATH, 0, 1) is None and found(Time().clock, PATH, 1) == (None, None)


def test_the_file_of_a_technician_is_a_number_of_seconds():
    wipe()
    write("1800\n")
    kept, problem = found(Time().clock, PATH, 2)
    assert kept.left_s() == 1800 and problem is None
    kept, _ = found(Time(NOW_MS).clock, PATH, 3)
    assert kept.left_s() == 1800
    kept, _ = found(Time(NOW_MS + 1000000).clock, PATH, 4)  # the first start that knew the time wrote down when it ends
    assert kept.left_s() == 800
    for text in (b"", b"soon", b"0", b"-5", b"86401", b"60 x", b"\xff\xfe6\x000\x00", b"\x80\x81"):  # UTF-16 of a shell
        with open(PATH, "wb") as file:
            file.write(text)
        kept, problem = found(Time().clock, PATH, 2)
        assert kept is None and "1..86400" in problem, text
    wipe()
    assert found(Time().clock, PATH, 2) == (None, None)


def test_records_under_maintenance_are_flagged_and_are_no_alarm():
    wipe()
    r = rig(batch=2)
    r.node.maintenance = begin(r.clock, PATH, 150, 1)
    r.record()
    r.record(alarm=True)
    r.record()
    r.record(alarm=True)
    r.node.on_link(True)
    frames = sorted([f for f in r.sent() if f.kind == T.K_RECORDS], key=lambda f: f.seq)  # an alarm goes first
    assert [f.alarm for f in frames] == [False, True] and [f.count for f in frames] == [2, 2]
    assert frames[0].columns[T.WATER_DISTANCE] == ([3000, 3000], [FLAGGED, FLAGGED])
    # The third record is at 180 s: it ends the maintenance, and was still taken under it.
    assert frames[1].columns[T.WATER_DISTANCE] == ([3000, 3000], [FLAGGED, 0])
    r.box.close()


def test_what_is_urgent_is_sealed_at_once_and_only_an_alarm_goes_first():
    r = rig(batch=15)
    row = {T.WATER_DISTANCE: (3000, 0), T.RAIN_TIPS: (0, 0)}
    for k, (alarm, urgent) in enumerate(((False, True), (True, False), (True, True), (False, False))):
        r.now = 60000 * (k + 1)
        r.node.on_record(60 * (k + 1), row, alarm, 60, urgent)
    r.node.flush()
    r.node.on_link(True)
    frames = sorted([f for f in r.sent() if f.kind == T.K_RECORDS], key=lambda f: f.seq)
    assert [(f.alarm, f.count) for f in frames] == [(False, 1), (True, 2), (False, 1)]
    r.box.close()


def order(r, name, **args):
    """Send an order; return (ok, detail)."""
    r.node.on_link(True)
    ident = r.counter
    r.down(T.K_COMMAND, {"id": ident, "name": name, "args": json.dumps(args)})
    fields = [f.fields for f in r.sent(200) if f.kind == T.K_RESULT and f.fields["id"] == ident]
    return fields[0]["ok"], fields[0]["detail"]


def test_the_order_asks_the_application_to_begin_and_to_end_it():
    r = rig()
    assert order(r, "maintenance", s=600)[0] == 1
    actions = []
    action = r.node.take_action()
    while action is not None:
        actions.append(action)
        action = r.node.take_action()
    assert ("maintenance", 600) in actions
    assert order(r, "maintenance", s=0) == (1, "over")
    for bad in (-1, 86401, "60", 1.5, True):
        assert order(r, "maintenance", s=bad) == (0, "s: must be seconds in 0..86400")
    r.box.close()


class Siren:
    def __init__(self):
        self.said = []

    def hold(self, seconds):
        self.said.append(("hold", seconds))

    def mute(self, seconds):
        self.said.append(("mute", seconds))

    def state(self):
        return 1


def test_orders_for_the_siren():
    r = rig()
    assert order(r, "siren", do="test") == (0, "no siren: alarm.siren is false")
    r.node.siren = siren = Siren()
    assert order(r, "siren", do="test") == (1, "test for 5 s; sounding")
    assert order(r, "siren", do="hold", s=30)[0] == 1 and order(r, "siren", do="mute")[0] == 1
    assert siren.said == [("hold", 5), ("hold", 30), ("mute", 3600)]
    assert order(r, "siren", do="sing") == (0, "do: must be test, hold or mute")
    assert order(r, "siren", do="mute", s=-1)[0] == 0
    r.box.close()


def test_an_interval_of_its_own_makes_a_frame_of_its_own():
    r = rig(batch=15)
    row = {T.WATER_DISTANCE: (3000, 0), T.RAIN_TIPS: (0, 0)}
    for at, interval_s in ((60, 60), (120, 10), (130, 10), (140, 60), (180, 60), (240, 60)):
        r.now = at * 1000
        r.node.on_record(at, row, False, interval_s)
    r.node.flush()
    r.node.on_link(True)
    frames = [f for f in r.sent() if f.kind == T.K_RECORDS]
    assert [(f.base_s, f.interval_s, f.count) for f in frames] == [(60, 60, 2), (130, 10, 2), (180, 60, 2)]
    assert names(frames) == sorted(names(frames))
    r.box.close()
