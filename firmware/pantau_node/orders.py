"""What a node does when it is told to: commands and configurations. Loaded with the first order; their result is one line."""

import json

from pantau_wire import _tables as T

_SECRET = ("password", "pin")
_DAY_S = 86400
FIELDWORK = ("clock", "commission", "unlock")  # a technician's, in fieldwork.py
_SIREN_S = {"test": 5, "hold": 600, "mute": 3600}  # where the order says no time


def carry_out(node, f):
    """Carry out an authenticated order that is not a replay; return (1 or 0, the resulting value or why not)."""
    fields = f.fields
    if f.kind == T.K_CONFIG:
        return _config(node, fields)
    if f.kind != T.K_COMMAND:
        return 0, "an order of kind %d is not supported by this firmware" % f.kind
    expires, utc = fields.get("expires_s", 0), node.clock.utc_ms()
    if expires and utc is None:
        return 0, "expires, but the clock is not set"
    if expires and utc > expires * 1000:
        return 0, "expired"
    name = fields.get("name", "")
    if name in FIELDWORK:
        from . import fieldwork

        return getattr(fieldwork, name)(node, fields)
    if name not in COMMANDS:
        return 0, "unknown command %s; known: %s" % (name[:32], " ".join(sorted(COMMANDS) + list(FIELDWORK)))
    try:
        args = json.loads(fields.get("args", "") or "{}")
    except ValueError:
        return 0, "args: not JSON"
    return COMMANDS[name](node, args if isinstance(args, dict) else {})


def _config(node, fields):
    if node.trial is None:
        return 0, "this node keeps no configuration"
    try:
        patch = json.loads(fields.get("body", ""))
    except ValueError:
        return 0, "body: not JSON"
    ok, detail = node.trial.apply(patch, fields.get("generation", 0), node.clock.uptime_ms())
    if ok:
        node.restart_soon()
    return ok, detail


def _ping(node, _args):
    return 1, "uptime %d ms, boot %d, %d records held" % (node.clock.uptime_ms(), node.boot, node.outbox.records())


def _flush(node, _args):
    return 1, "sealed %d records" % node.seal_open()


def _health(node, _args):
    node.report()
    return 1, "sealed"


def _restart(node, _args):
    node.restart_soon()
    return 1, "restarting boot %d" % node.boot


def _get(node, args):
    """Tell one value in force: {"key": "sampling.interval_s"}."""
    from .config import get

    key = str(args.get("key"))
    value = get(node.config, key)
    if value is None:
        return 0, "%s: unknown key" % key[:32]
    secret = key.rpartition(".")[2] in _SECRET and value
    return 1, "%s=%s" % (key, "***" if secret else json.dumps(value))


def _seconds(args, default):
    """Return args["s"] if it is a time of up to a day, the default where there is none, else None."""
    seconds = args.get("s", default)
    return seconds if type(seconds) is int and 0 <= seconds <= _DAY_S else None


def _maintenance(node, args):
    """Begin, lengthen or, with {"s": 0}, end the maintenance of the station."""
    seconds = _seconds(args, 3600)
    if seconds is None:
        return 0, "s: must be seconds in 0..%d" % _DAY_S
    if node.maintenance is not None and node.maintenance.FIELD == "setup":
        return 0, "in set-up mode until it is commissioned: records are flagged, no alarms"
    node.maintain(seconds)
    return 1, "for %d s: records are flagged, no alarms" % seconds if seconds else "over"


def _siren(node, args):
    """Test, hold or mute the siren: {"do": "test"}, seconds in "s"; 0 ends what was ordered."""
    siren, do = node.siren, args.get("do")
    if siren is None:
        return 0, "no siren: alarm.siren is false"
    if do not in _SIREN_S:
        return 0, "do: must be test, hold or mute"
    seconds = _seconds(args, _SIREN_S[do])
    if seconds is None:
        return 0, "s: must be seconds in 0..%d" % _DAY_S
    if do == "mute":
        siren.mute(seconds)
    else:
        siren.hold(seconds)
    return 1, "%s for %d s; %s" % (do, seconds, ("silent", "sounding", "muted")[siren.state()])


def _update(node, args):
    """Give up the update of the bundle with this id, or forget what became of it: {"cancel": id}."""
    ident = args.get("cancel")
    if type(ident) is not int:
        return 0, "cancel: must be the id of a bundle"
    node.act("update", {"cancel": ident})
    return 1, "cancelled unless it is being tried"


COMMANDS = {
    "ping": _ping,
    "flush": _flush,
    "health": _health,
    "restart": _restart,
    "get": _get,
    "maintenance": _maintenance,
    "siren": _siren,
    "update": _update,
}
