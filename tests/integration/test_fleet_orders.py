"""Orders from the command line to a node at a real Mosquitto, through a bridge that is killed in between."""

from __future__ import annotations

import json
import signal

import pytest

from integration.bridge_env import Client
from pantau_wire import frame as wire
from pantau_wire import names as T
from unit.host import bridge_kit as kit


@pytest.fixture
def node(broker):
    made = Client(broker.port)
    yield made
    made.close()


def result(seq, ident, detail):
    f = wire.Frame(T.K_RESULT)
    f.boot, f.seq, f.fields = 1, seq, {"id": ident, "ok": 1, "detail": detail}
    return wire.encode(f, kit.NODE, kit.KEY)


def command_of(node):
    """Return the next frame to the node that is no acknowledgement."""
    while True:
        f = node.down()
        if f.kind not in {T.K_ACK, T.K_TIME}:
            return f


def test_an_order_survives_a_kill_is_carried_out_once_and_answered(bridge, node):
    bridge.start().ready()
    asked = bridge.call("fleet", "order", kit.NODE, "restart", "--json")
    ident = json.loads(asked.stdout)["id"]
    first = command_of(node)
    assert (first.kind, first.fields["id"], first.fields["name"]) == (T.K_COMMAND, ident, "restart")
    bridge.stop(signal.SIGKILL)
    node.send(result(1, ident, "restarting boot 1"))  # while nobody listens
    second = json.loads(bridge.call("fleet", "order", kit.NODE, "get", "sampling.interval_s", "--json").stdout)["id"]
    bridge.start().ready()
    f = command_of(node)
    while f.fields["id"] == ident:
        assert f.counter == first.counter, "the same bytes, which a node carries out once"
        f = command_of(node)
    assert f.fields["id"] == second and f.counter > first.counter
    node.send(result(2, second, "sampling.interval_s=60"))
    node.send(kit.health(3, firmware="0.1.0", release=7, slot="b"))
    node.until_through(3)
    bridge.until_metric("pantau_fleet_orders_open 0.0")
    listed = json.loads(bridge.call("fleet", "order", kit.NODE, "--json").stdout)["orders"]
    assert [(one["state"], one["result"]) for one in listed] == [
        ("done", "sampling.interval_s=60"), ("done", "restarting boot 1"),
    ]  # fmt: skip
    said = json.loads(bridge.call("fleet", "status", kit.NODE, "--json").stdout)
    assert (said["release"], said["slot"], said["version"]) == (7, "b", "0.1.0")
    assert bridge.stop() == 0
