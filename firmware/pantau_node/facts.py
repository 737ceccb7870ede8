"""The fields of a health frame that come from below the core. Loaded for each frame; what is counted meanwhile is in health.py."""

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
    for name, value in some.items():
        if value:
            fields[name] = value
    return fields
