"""What a technician may ask on the console, and the way that an order takes. docs/console.md. Loaded for each question.

Nothing here changes anything or shows a secret: what changes something is an order, which the core checks as if the broker
had delivered it. Names of fields are cut out of one text, for each name in the code takes RAM for ever.
"""

from pantau_wire.frame import MAX_FRAME

from .console import AnswerError

VERBS = "hello status logs get seen pull put read selftest"  # the last two are in selftest.py


async def answer(console, number, verb, ask):
    """Return the answer to a question as a dict, what goes before it is sent; raises AnswerError."""
    app = console.app
    if verb == "pull":
        return await _pull(console, number, ask)
    if verb == "put":
        return _put(console, ask)
    if verb == "get":
        from .orders import COMMANDS

        return _named("ok detail", COMMANDS["get"](app.node, ask))
    if verb == "logs":
        from . import LOG

        data = app.starts.keep.get(LOG) or b""
        text = bytes([byte if byte < 127 else 63 for byte in data]).decode()  # a letter may be cut
        return _named("text defect problems", (text, app.facts.defect, app.node.problems))
    if verb == "seen":
        return _seen(app)
    if verb in ("hello", "status"):
        fields = _health(app)
        return fields if verb == "status" else _hello(app, fields)
    raise AnswerError("unknown_verb", "%s: known are %s" % (str(verb)[:32], VERBS))


def _named(names, values):
    return dict(zip(names.split(), values))


def _health(app):
    """Return the fields of a health frame of now; what that would reset is as before."""
    from . import report

    node, facts = app.node, app.facts
    late_ms = facts.late_ms
    fields = facts.fields()
    facts.late_ms = late_ms
    report.add(fields, node, node.outbox, node.outbox.oldest() or (node.boot, 0), node.problems)
    errors = []
    for index, driver in enumerate(facts.drivers):
        for pair in driver.counters.errors() if driver else ():
            errors.append((index,) + pair)
    fields.update(_named("sensor_errors reconnect_causes", (errors, sorted(facts.causes.items()))))
    return fields


def _hello(app, fields):
    node, clock, conf = app.node, app.clock, app.node.config
    now = clock.uptime_ms()
    told = _named(
        "node version board station boot uptime_ms utc_ms clock setup",
        (node.identity.node, app.facts.version, conf.board, conf.station, node.boot, now, clock.utc_ms(now))
        + (clock.quality, 0),
    )
    for name in ("slot", "release", "setup"):
        if name in fields:
            told[name] = fields[name]
    return told


def _seen(app):
    node, link, outbox = app.node, app.link, app.node.outbox
    heard_ms, waiting_ms = node.last_ack_ms, node.ack_age_ms()
    ack_s = None if heard_ms is None else (app.clock.uptime_ms() - heard_ms) // 1000
    waiting_s = None if waiting_ms is None else waiting_ms // 1000
    return _named(
        "link up state rssi attempts causes ack_s waiting_s frames records",
        (node.config.link_kind, int(link.up), link.net.state, link.net.rssi(), link.attempts)
        + (sorted(link.causes.items()), ack_s, waiting_s, outbox.index.live, outbox.records()),
    )


async def _pull(console, number, ask):
    """Send the frames held after the one named, or all of them where it is not held any more."""
    outbox = console.app.node.outbox
    after, most = ask.get("after"), ask.get("n", 65535)
    named = isinstance(after, list) and [type(one) for one in after] == [int, int]
    if type(most) is not int or not (named or after is None):
        raise AnswerError("bad_request", "after: [boot, seq]; n: a number")
    waits = named and outbox.index.place(*after) is not None
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
        await console.send(number, 1, data)
        sent += 1
        last = name
    return _named("frames last left", (sent, last, left))


def _put(console, ask):
    """Take one part of an order; the last one delivers it."""
    import binascii

    at, size, text = ask.get("at"), ask.get("of"), ask.get("b64")
    if type(at) is not int or type(size) is not int or not isinstance(text, str):
        raise AnswerError("bad_request", "put needs at, of and b64")
    order = console.order if at else b""
    console.order = b""
    if size > MAX_FRAME:
        raise AnswerError("too_long", "an order has at most %d bytes" % MAX_FRAME)
    if at != len(order):
        raise AnswerError("gap", "begin again at 0")
    try:
        order += binascii.a2b_base64(text)
    except ValueError:
        raise AnswerError("bad_request", "b64: not base64")
    if len(order) > size:
        raise AnswerError("bad_request", "more bytes than `of` says")
    if len(order) == size:
        return deliver(console.app, order)
    console.order = order
    return {"have": len(order)}


def deliver(app, order):
    """Give a frame to the core as the broker does; return what it says to it."""
    from pantau_wire import frame

    node = app.node
    seq, forged = node.result_seq, node.forged
    node.cable = True
    try:
        app.on_message(order)
    finally:
        node.cable = False
    if node.forged != forged:
        raise AnswerError("refused", "not signed with this node's key, or not newer than the last order")
    if node.result_seq == seq:
        return {"taken": 1}
    data = node.outbox.read(node.boot, node.result_seq)
    if data is None:
        raise AnswerError("failed", "the flash did not keep the result: ask for status")
    return frame.decode(data).fields
