"""Orders of a technician on the spot: set the clock, commission the station, open the REPL. Loaded for each."""

import json

from pantau_wire import _tables as T
from pantau_wire.errors import WireError

from . import clock as clocks

_BY_HAND_MS = 2000  # a computer's clock, and the way through its USB port
_UNLOCK_S = (60, 3600)


def _object(fields):
    """Return the arguments of an order, or None."""
    try:
        args = json.loads(fields.get("args", "") or "{}")
    except ValueError:
        args = None
    return args if isinstance(args, dict) else None


def clock(node, fields):
    """Set the clock: {"utc_ms": N}. Over the console only: by the broker it may come hours late."""
    args = _object(fields) or {}
    utc_ms = args.get("utc_ms")
    if not getattr(node, "cable", False):
        return 0, "over the console only"
    if type(utc_ms) is not int:
        return 0, "utc_ms: must be Unix milliseconds"
    did = node.clock.set_utc(utc_ms, _BY_HAND_MS, clocks.COARSE, clocks.TECHNICIAN)
    if did == "refused":
        return 0, "not plausible, or against a better source (%d)" % node.clock.source
    node.on_clock(did)
    return 1, did


def commission(node, fields):
    """Seal the record that the arguments are, then end set-up mode: a power cut in between leaves it, and nothing is lost."""
    args = _object(fields)
    if not args or not isinstance(args.get("who"), str) or not args["who"]:
        return 0, "args: must be a JSON object with who"
    if node.clock.utc_ms() is None:
        return 0, "the clock is not set: a record without a date is worth little; connect the node, or order clock"
    body = fields["args"]  # as it came: this chip's floats have 32 bits
    try:
        seq = node.seal_fields(T.K_COMMISSIONING, {"id": fields.get("id", 0), "body": body})
    except WireError as error:
        return 0, "the record cannot be sealed: %s" % error
    if node.outbox.read(node.boot, seq) is None:
        return 0, "the flash did not keep the record; send it again"
    setup = node.maintenance
    if setup is None or setup.FIELD != "setup":
        return 1, "recorded, boot %d seq %d; it was in service already" % (node.boot, seq)
    if not setup.end():
        return 0, "recorded, but the flash keeps the file setup: send it again"
    node.maintenance = None
    node.maintained()
    node.report()
    return 1, "in service, boot %d seq %d" % (node.boot, seq)


def unlock(node, fields):
    """Stop the node and open the REPL for so many seconds: {"s": 600}. The watchdog restarts it then."""
    seconds = (_object(fields) or {}).get("s", 600)
    if type(seconds) is not int or not _UNLOCK_S[0] <= seconds <= _UNLOCK_S[1]:
        return 0, "s: must be seconds in %d..%d" % _UNLOCK_S
    node.act("unlock", seconds * 1000)
    return 1, "the REPL for %d s, then a restart" % seconds
