"""The fields of a health frame that come from below the core. Loaded for each frame; what is counted meanwhile is in health.py."""

import json
import os

from pantau_wire.bits import put_varint

_LONGEST = 64  # bytes of sensor_errors: eight sensors with two troubles each


def pack(rows, longest=_LONGEST):
    """Return rows of numbers as varints one after the other, as many rows as fit into `longest` bytes."""
    out = bytearray()
    for row in rows:
        part = bytearray()
        for number in row:
            put_varint(part, number)
        if len(out) + len(part) <= longest:
            out.extend(part)
    return bytes(out)


def sensor_errors(drivers):
    """Return triples of varints (sensor index, reason id, count since boot) for every counter that is not zero."""
    rows = []
    for index, driver in enumerate(drivers):
        for reason, count in driver.counters.errors() if driver else ():
            rows.append((index, reason, count))
    return pack(rows)


def collect(health):
    """Return the fields as a dict."""
    board = health.board
    fields = {
        "reset_cause": board.reset_cause(),
        "heap_free": health.note(),
        "heap_min": health.heap_min,
        "heap_largest": board.heap_largest(),
        "firmware": health.version,
        "late_ms": health.late_ms,
    }
    health.late_ms = 0
    some = {
        "rssi": health.net.rssi(),
        "battery_mv": board.battery_mv(),
        "sensor_errors": sensor_errors(health.drivers),
        "reconnect_causes": pack(sorted(health.causes.items())),
        "last_exception": health.defect,
        "restarts": health.starts.failures,
        "safe_profile": health.safe,
        "shed": health.shed,
    }
    root = getattr(health.starts, "root", "")
    if root:
        some.update(_slot(root, health.starts.name))
    for name, value in some.items():
        if value:
            fields[name] = value
    return fields


def _slot(root, name):
    """Return what slot and release run, and where an update stands."""
    some = {"slot": name, "release": _kept(root + name + "/ready").get("release")} if name else {}
    state = _kept(root + "update")
    for key, what in (("update_id", "id"), ("update_state", "state"), ("update_have", "total")):
        some[key] = state.get(what)
    if state.get("state") == 1:  # receiving
        try:
            some["update_have"] = os.stat(root + "update.bin")[6]
        except OSError:
            some["update_have"] = 0  # its first chunk is on its way
    return some


def _kept(path):
    try:
        with open(path) as file:
            found = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
