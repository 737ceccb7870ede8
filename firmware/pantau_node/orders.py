"""What a node does when it is told to: commands and configurations. Loaded with the first order; their result is one line."""

import json

from pantau_wire import _tables as T

_SECRET = ("password", "pin")


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
    if name not in COMMANDS:
        return 0, "unknown command %s; known: %s" % (name[:32], " ".join(sorted(COMMANDS)))
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
    from .config import SCHEMA

    key = args.get("key")
    if key not in [row[0] for row in SCHEMA]:
        return 0, "%s: unknown key" % str(key)[:32]
    value = getattr(node.config, key.replace(".", "_"))
    return 1, "%s=%s" % (key, "***" if key.split(".")[-1] in _SECRET and value else json.dumps(value))


COMMANDS = {"ping": _ping, "flush": _flush, "health": _health, "restart": _restart, "get": _get}
