"""Who the node is: its id, its keys, its broker login. The one place that keys are read from; a key is never printed.

Two copies of one JSON object in Slots, put there by provision.py. Needed at the start only.
"""

import binascii
import json

from pantau_wire.topics import valid_id

from .who import Identity

KEY_BYTES = 32
_DO = "provision it anew (docs/install-by-hand.md)"


class IdentityError(Exception):
    """The node does not know who it is: nothing that it signed could be believed. Provision it over USB."""


def parse(text):
    """Return the Identity that a JSON text holds; raises IdentityError naming every problem, no secret."""
    try:
        data = json.loads(text)
    except ValueError:
        raise IdentityError("not JSON")
    if not isinstance(data, dict):
        raise IdentityError("not a JSON object")
    wrong = []
    node = data.get("node")
    if not isinstance(node, str) or not valid_id(node):
        wrong.append("node: must be 1 to 23 of a-z, 0-9 and hyphen")
    keys = {}
    given = data.get("keys")
    for name in given if isinstance(given, dict) else ():
        key = _bytes(given[name])
        if name in ("0", "1", "2", "3") and key is not None and len(key) == KEY_BYTES:
            keys[int(name)] = key
        else:
            wrong.append("keys.%s: must be 0..3 with %d bytes as hex" % (name, KEY_BYTES))
    key_id = data.get("key_id", 0)
    if type(key_id) is not int or key_id not in keys:
        wrong.append("key_id: names no key")
    login = (data.get("mqtt_user", node), data.get("mqtt_password", ""))
    if not isinstance(login[0], str) or not isinstance(login[1], str):
        wrong.append("mqtt_user, mqtt_password: must be texts")
    for name in ("generation", "made_s"):
        if type(data.get(name, 0)) is not int:
            wrong.append(name + ": must be an integer")
    who = Identity(node, data.get("generation", 0), keys, key_id, login[0], login[1], data.get("made_s", 0))
    _more(who, data, wrong)
    if wrong:
        raise IdentityError("; ".join(wrong))
    return who


def _more(who, data, wrong):
    """Take what is not every node's: a client certificate, TLS-PSK, the configuration of last resort."""
    for name in ("tls_cert", "tls_key"):
        der = _bytes(data.get(name, ""))
        if der is None or der[:1] not in (b"", b"\x30"):
            wrong.append(name + ": must be DER as hex")
        setattr(who, name, der)
    if bool(who.tls_cert) != bool(who.tls_key):
        wrong.append("tls_cert, tls_key: one without the other")
    psk = data.get("psk")
    if psk is not None:
        name, key = (psk.get("identity"), _bytes(psk.get("key"))) if isinstance(psk, dict) else (None, None)
        if not isinstance(name, str) or not name or not key:
            wrong.append("psk: must be an object with identity and a key as hex")
        who.psk = (name, key)
    who.rescue = data.get("rescue")
    if who.rescue is not None and not isinstance(who.rescue, dict):
        wrong.append("rescue: must be an object like config.json")


def _bytes(text):
    try:
        return binascii.unhexlify(text)
    except (ValueError, TypeError):
        return None


def load(slots):
    """Return the Identity of the newest sound copy; raises IdentityError with what to do."""
    why = "identity: no copy can be read: "
    for _, payload in slots.read():
        try:
            return parse(payload)
        except IdentityError as error:
            why = "identity: %s: " % error
    raise IdentityError(why + _DO)
