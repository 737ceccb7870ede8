"""The float switch on a clock and a contact in the hand."""

from sensor_rig import Clock, Contact, give_back, read, run

from pantau_node.sensors.catalog import driver
from pantau_wire import names as T


def teardown_function():
    give_back()


def switch(closed=False, **options):
    clock = Clock()
    contact = Contact()
    contact.closed = closed
    return clock, contact, driver("float_switch", contact, **options)


def looks(clock, sensor, n, step_ms=5000):
    for _ in range(n):
        clock.t += step_ms
        run(sensor.collect())


def contact_of(sensor):
    return read(sensor, 0)[T.WATER_CONTACT]


def test_until_two_looks_have_agreed_the_state_is_warming_up():
    clock, _contact, sensor = switch(closed=True)
    assert contact_of(sensor) == (1, T.R_WARMING) and not sensor.wet
    clock.t += 4999
    assert contact_of(sensor) == (1, T.R_WARMING) and not sensor.wet
    clock.t += 1
    assert contact_of(sensor) == (1, T.R_OK) and sensor.wet
    assert sensor.counters.warming == 2 and sensor.counters.good == 1


def test_a_change_counts_when_two_looks_five_seconds_apart_agree():
    for step_ms, needed in ((5000, 2), (2500, 3), (7000, 2), (10000, 2)):
        clock, contact, sensor = switch()
        looks(clock, sensor, 5, step_ms)
        for closed in (True, False):
            contact.closed = closed
            looks(clock, sensor, needed - 1, step_ms)
            assert sensor.wet != closed
            looks(clock, sensor, 1, step_ms)
            assert sensor.wet == closed and contact_of(sensor) == (int(closed), T.R_OK)
        assert sensor.counters.bounce == 0 and sensor.counters.good == 3


def test_what_did_not_last_is_one_bounce_each_and_told_in_that_record_only():
    clock, contact, sensor = switch()
    looks(clock, sensor, 3)
    for k in range(6):
        contact.closed = k % 2 == 0
        looks(clock, sensor, 1)
    assert not sensor.wet and sensor.counters.bounce == 3
    assert contact_of(sensor) == (0, T.R_BOUNCE)
    assert contact_of(sensor) == (0, T.R_OK)
    contact.closed = True
    looks(clock, sensor, 2)
    assert sensor.wet and contact_of(sensor) == (1, T.R_OK)


def test_endless_chatter_never_changes_the_state():
    clock, contact, sensor = switch(debounce_s=10)
    looks(clock, sensor, 4)
    for k in range(100):
        contact.closed = k % 3 > 0  # never ten seconds the same
        looks(clock, sensor, 1)
        assert not sensor.wet
    assert sensor.counters.bounce == 33


def test_the_longer_debounce_of_the_configuration():
    clock, contact, sensor = switch(debounce_s=10)
    looks(clock, sensor, 4)
    contact.closed = True
    looks(clock, sensor, 2)
    assert not sensor.wet
    looks(clock, sensor, 1)
    assert sensor.wet


def test_a_switch_that_opens_in_the_water():
    clock, contact, sensor = switch(closed=True, closed_is_wet=False)
    looks(clock, sensor, 2)
    assert contact_of(sensor) == (0, T.R_OK) and not sensor.wet
    contact.closed = False  # or a cut wire: a contact cannot tell
    looks(clock, sensor, 2)
    assert contact_of(sensor) == (1, T.R_OK) and sensor.wet


def test_a_state_of_weeks_is_changed_as_soon():
    clock, contact, sensor = switch()
    looks(clock, sensor, 30, 86400000)
    contact.closed = True
    looks(clock, sensor, 2)
    assert sensor.wet
