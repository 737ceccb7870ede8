"""What a technician may ask on the console, without a key: nothing here changes anything or shows a secret. docs/console.md.

Loaded for each question.
"""

from pantau_wire import frame

from .console import Refused

_MOST = 65535


async def answer(app, ask, send):
    """Return the answer to a question as a dict; await send(bytes) gives a part before it. Raises Refused."""
    verb = ask["do"]
    if verb in ("read", "selftest"):
        from .selftest import sample

        return await sample(app, verb == "selftest")
    if verb == "pull":
        return await _pull(app, ask, send)
    if verb not in VERBS:
        raise Refused("unknown_verb", "%s: known are %s" % (verb[:32], " ".join(ALL)))
    return VERBS[verb](app, ask)


def _health(app):
    """Return the fields of a health frame of now; what that would reset is as before."""
    from . import report

    node, facts = app.node, app.facts
    late_ms = facts.late_ms
    fields = facts.fields()
    facts.late_ms = late_ms
    oldest = node.outbox.oldest() or (node.boot, 0)
    report.add(fields, node, node.outbox, oldest, node.problems)
    fields.pop("sensor_errors", None)
    fields.pop("reconnect_causes", None)
    return fields


def _hello(app, _ask):
    node, clock, conf = app.node, app.clock, app.node.config
    now = clock.uptime_ms()
    told = {
        "node": node.identity.node,
        "version": app.facts.version,
        "board": conf.board,
        "station": conf.station,
        "boot": node.boot,
        "uptime_ms": now,
        "utc_ms": clock.utc_ms(now),
        "clock": clock.quality,
        "setup": 0,
    }
    fields = _health(app)
    for name in ("slot", "release", "setup"):
        if name in fields:
            told[name] = fields[name]
    return told


def _status(app, _ask):
    fields = _health(app)
    drivers = app.facts.drivers
    fields["sensor_errors"] = [
        (index,) + pair for index, driver in enumerate(drivers) if driver for pair in driver.counters.errors()
    ]
    fields["reconnect_causes"] = sorted(app.facts.causes.items())
    return fields


def _logs(app, _ask):
    from . import LOG

    data = app.starts.keep.get(LOG) or b""
    text = bytes([byte if byte < 127 else 63 for byte in data]).decode()  # a letter may be cut
    return {"text": text, "defect": app.facts.defect, "problems": app.node.problems}


def _get(app, ask):
    from .orders import COMMANDS

    ok, detail = COMMANDS["get"](app.node, ask)
    return {"ok": ok, "detail": detail}


def _seen(app, _ask):
    node, link = app.node, app.link
    ack_ms = node.last_ack_ms
    waiting_ms = node.ack_age_ms()
    return {
        "link": node.config.link_kind,
        "up": int(link.up),
        "state": link.net.state,
        "rssi": link.net.rssi(),
        "attempts": link.attempts,
        "causes": sorted(link.causes.items()),
        "ack_s": None if ack_ms is None else (app.clock.uptime_ms() - ack_ms) // 1000,
        "waiting_s": None if waiting_ms is None else waiting_ms // 1000,
        "frames": node.outbox.index.live,
        "records": node.outbox.records(),
    }


async def _pull(app, ask, send):
    """Send the frames held after the one named, or all of them where it is not held any more."""
    outbox = app.node.outbox
    after, most = ask.get("after"), ask.get("n", _MOST)
    if type(most) is not int or not (
        after is None or (isinstance(after, list) and list(map(type, after)) == [int, int])
    ):
        raise Refused("bad_request", "after: [boot, seq]; n: a number")
    waits = after is not None and outbox.index.place(*after) is not None
    sent = left = 0
    last = None
    for place in outbox.index.places():
        name = place[:2]
        if waits:
            waits = list(name) != after
            continue
        data = outbox.read(*name) if sent < most else None
        if data is None:
            left += 1
            continue
        await send(data)
        sent += 1
        last = name
    return {"frames": sent, "last": last, "left": left}


VERBS = {"hello": _hello, "status": _status, "logs": _logs, "get": _get, "seen": _seen}
ALL = tuple(sorted(VERBS)) + ("read", "selftest", "pull", "put")
