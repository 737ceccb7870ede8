"""The whole bridge with several sinks: one that is away, one that is added while it runs."""

from __future__ import annotations

import json
import signal
import sqlite3
import time

from integration.bridge_env import PATIENCE_S, Client
from unit.host import bridge_kit as kit

_AWAY = '\n[sinks.postgres]\nhost = "127.0.0.1"\nport = 1\ndbname = "city"\nuser = "x"\nlab_plain = true\n'
_FILES = '\n[sinks.files]\npath = "out"\nformat = "ndjson"\n'


def told(bridge):
    """What the files sink was told: (seq, property) of every row."""
    found = []
    for file in (bridge.folder / "out").rglob("*"):
        if file.is_file() and file.suffix in {".ndjson", ".journal"}:
            rows = (line for line in file.read_bytes().split(b"\n") if line.startswith(b'{"node"'))
            found += [(row["seq"], row["property"]) for row in map(json.loads, rows)]
    return sorted(found)


def until_problem(bridge, words):
    """The first process hears once a second how the second is."""
    end, found = time.monotonic() + PATIENCE_S, []
    while not any(words in said for said in found):
        assert time.monotonic() < end, found
        found = json.loads(bridge.call("bridge", "status", "--json").stdout)["problems"]


def test_a_sink_that_is_away_holds_up_no_other_and_one_is_added_while_frames_come(bridge, broker):
    bridge.config.write_text(bridge.config.read_text() + _AWAY)
    bridge.start().ready()
    node = Client(broker.port)
    try:
        for seq in (1, 2, 3):
            node.send(kit.records(seq))
        node.until_through(3)
        bridge.until_metric('pantau_sink_delivered_total{sink="sqlite"} 3.0')
        bridge.until_metric('pantau_sink_working{sink="postgres"} 0.0')
        until_problem(bridge, "sink postgres: PostgreSQL at 127.0.0.1:1/city")

        # The city process ends in order and starts with the new sink; receiving goes on meanwhile.
        bridge.config.write_text(bridge.config.read_text() + _FILES)
        bridge.process.send_signal(signal.SIGHUP)
        bridge.until("bridge.reconfigured", "sinks.files")
        node.send(kit.records(4))
        node.until_through(4)
        bridge.until("city.ready")
        node.send(kit.records(5))
        node.until_through(5)
        bridge.until_metric('pantau_sink_lag_frames{sink="files"} 0.0')
        bridge.until_metric('pantau_sink_lag_frames{sink="sqlite"} 0.0')
    finally:
        node.close()
    assert bridge.stop() == 0
    with sqlite3.connect(bridge.folder / "data" / "city.sqlite3") as db:
        held = db.execute("SELECT seq, property FROM readings ORDER BY 1, 2").fetchall()
    db.close()
    rows = told(bridge)
    assert {seq for seq, _ in rows} == {1, 2, 3, 4, 5}
    # A value of None is a row too, and each record has its own.
    assert rows == held
    assert "city.died" not in "".join(bridge.log)
