"""A technician's orders on all interpreters: commissioning, the clock; what a power cut or the flash leaves."""

import json
import os

from core_rig import NOW_MS, rig
from place import own

from pantau_node import clock as clocks
from pantau_node.setup import Setup
from pantau_wire import frame
from pantau_wire import names as T
from pantau_wire.frame import quality

PATH = own("setup")
RECORD = '{"who": "t", "zero_m": 106.8456}'


def in_setup(**options):
    with open(PATH, "w"):
        pass
    r = rig(**options)
    r.node.maintenance = Setup(r.clock, PATH, 0, 0)
    return r


def order(r, name, args, number=7):
    """Return (ok, detail) of the order's result."""
    r.down(T.K_COMMAND, {"id": number, "name": name, "args": args})
    said = frame.decode(r.box.read(1, r.node.result_seq)).fields
    assert said["id"] == number
    return said.get("ok", 0), said["detail"]


def kept(r, kind):
    """Return the fields of all frames held of a kind."""
    frames = [frame.decode(r.box.read(*place[:2])) for place in r.box.index.places()]
    return [f.fields for f in frames if f.kind == kind]


def exists():
    try:
        os.stat(PATH)
    except OSError:
        return False
    return True


def test_set_up_mode_flags_records_lasts_and_is_told():
    r = in_setup(batch=1)
    r.now += 40000000
    r.record(alarm=True)
    r.node.report()
    assert r.node.maintenance is not None and exists()
    f = frame.decode(r.box.read(1, 2))
    assert not f.alarm and f.columns[T.WATER_DISTANCE][1] == [quality(T.R_MAINTENANCE)]
    health = kept(r, T.K_HEALTH)[-1]
    assert health["setup"] == 1 and "maintenance_s" not in health
    assert order(r, "maintenance", '{"s": 0}')[0] == 0 and exists()


def test_it_is_left_with_a_signed_record_that_is_told_to_the_letter():
    r = in_setup()
    assert order(r, "commission", RECORD)[1].startswith("the clock is not set")
    assert order(r, "commission", RECORD + "}") == (0, "args: must be a JSON object with who")
    assert order(r, "commission", '["who"]') == (0, "args: must be a JSON object with who")
    assert exists() and not kept(r, T.K_COMMISSIONING)
    r.clock.set_utc(NOW_MS, 0, clocks.SYNCED, clocks.BRIDGE)
    ok, detail = order(r, "commission", RECORD)
    assert ok == 1 and detail.startswith("in service"), detail
    assert kept(r, T.K_COMMISSIONING) == [{"id": 7, "body": RECORD}] and not exists()
    assert r.node.maintenance is None and "setup" not in kept(r, T.K_HEALTH)[-1]


def test_a_cut_before_the_file_goes_tells_twice_rather_than_never():
    r = in_setup()
    r.clock.set_utc(NOW_MS, 0, clocks.SYNCED, clocks.BRIDGE)
    r.node.maintenance.end = lambda: False  # the flash refuses, or the power goes just then
    assert order(r, "commission", RECORD)[0] == 0 and exists()
    again = Setup(r.clock, PATH, 0, 0)
    r.node.maintenance = again
    assert order(r, "commission", RECORD)[0] == 1 and not exists()
    assert kept(r, T.K_COMMISSIONING) == [{"id": 7, "body": RECORD}] * 2


def test_what_the_flash_does_not_keep_leaves_set_up_mode():
    r = in_setup()
    r.clock.set_utc(NOW_MS, 0, clocks.SYNCED, clocks.BRIDGE)
    read = r.box.read
    r.box.read = lambda *_name: None
    r.down(T.K_COMMAND, {"id": 8, "name": "commission", "args": RECORD})
    r.box.read = read
    assert kept(r, T.K_RESULT)[-1] == {"id": 8, "ok": 0, "detail": "the flash did not keep the record; send it again"}
    assert exists() and r.node.maintenance is not None


def test_a_record_that_fits_no_frame_is_refused():
    r = in_setup()
    r.clock.set_utc(NOW_MS, 0, clocks.SYNCED, clocks.BRIDGE)
    long = json.dumps({"who": "x" * 975})
    ok, detail = order(r, "commission", long)
    assert (ok, exists()) in ((0, True), (1, False)), detail
    assert ok or detail.startswith("the record cannot be sealed"), detail


def test_the_clock_is_set_over_the_console_only_and_only_to_what_can_be():
    r = rig()
    assert order(r, "clock", '{"utc_ms": %d}' % NOW_MS) == (0, "over the console only")
    r.node.cable = True
    assert order(r, "clock", '{"utc_ms": "noon"}') == (0, "utc_ms: must be Unix milliseconds")
    assert order(r, "clock", '{"utc_ms": 1000}')[0] == 0
    assert order(r, "clock", '{"utc_ms": %d}' % NOW_MS) == (1, "stepped")
    assert (r.clock.quality, r.clock.source) == (clocks.COARSE, clocks.TECHNICIAN)


def test_unlock_wants_a_time():
    for bad in ('{"s": 5}', '{"s": 4000}', '{"s": "10"}'):
        assert order(rig(), "unlock", bad) == (0, "s: must be seconds in 60..3600")
