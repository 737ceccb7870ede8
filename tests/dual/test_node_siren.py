"""The siren on all interpreters: it follows the node's own alarm and the orders, and nothing else."""

from test_node_watch import Water

from pantau_node.siren import Siren


class Node:
    maintenance = None


class Pin:
    def __init__(self):
        self.levels = []

    def value(self, level):
        self.levels.append(level)


class Uptime:
    ms = 0

    def uptime_ms(self):
        return self.ms


def siren(level=1):
    pin, node, clock, w = Pin(), Node(), Uptime(), Water()
    return Siren(pin, level, w.watch, node, clock), pin, node, clock, w


def test_the_siren_follows_the_alarm_and_nothing_less():
    s, pin, _node, _clock, w = siren()
    w.see(990)
    s.drive()
    assert pin.levels == [0, 0] and s.state() == 0
    w.see(990, 990)
    s.drive()
    assert pin.levels[-1] == 1 and s.state() == 1
    w.see(*[2000] * 20)
    s.drive()
    assert pin.levels[-1] == 0


def test_a_relay_that_is_active_low_is_high_from_the_first_moment():
    s, pin, _node, _clock, w = siren(0)
    assert pin.levels == [1]
    w.see(990, 990, 990)
    s.drive()
    assert pin.levels[-1] == 0


def test_test_hold_and_mute():
    s, pin, node, clock, w = siren()
    s.hold(5)
    assert pin.levels[-1] == 1
    clock.ms = 5000
    s.drive()
    assert pin.levels[-1] == 0
    w.see(990, 990, 990)
    s.mute(60)
    assert pin.levels[-1] == 0 and s.state() == 2
    s.hold(3)  # somebody wants to hear it, muted or not
    assert pin.levels[-1] == 1
    clock.ms = 65000
    s.drive()
    assert s.state() == 1  # the mute is over, the water is still there
    node.maintenance = object()
    s.drive()
    assert s.state() == 0
    s.hold(5)
    assert s.state() == 1
    s.hold(0)
    assert s.state() == 0
