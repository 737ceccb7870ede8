"""Who the node is: its id, its keys, its broker login. The one place that keys are read from.

/identity.json for now; a two-copy partition later stands behind the same load(). A key is never printed.
"""

import binascii
import json

from pantau_wire.topics import valid_id

KEY_BYTES = 32


class IdentityError(Exception):
    """The node does not know who it is: nothing that it signed could be believed. Provision it over USB."""


class Identity:
    """Who this node is; never shows a key.

    node: its id; keys: {key id: 32 bytes}; key_id: the one that signs; user, password: the broker login; made_s: Unix
    seconds of the provisioning, or 0.
    """

    def __init__(self, node, generation, keys, key_id, user, password, made_s=0):
        self.node = node
        self.generation = generation
        self.keys = keys
        self.key_id = key_id
        self.user = user
        self.password = password
        self.made_s = made_s

    def __repr__(self):
        return "<Identity %s generation %d>" % (self.node, self.generation)


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
        key = _key(given[name])
        if name in ("0", "1", "2", "3") and key is not None:
            keys[int(name)] = key
        else:
            wrong.append("keys.%s: must be 0..3 with %d bytes as hex" % (name, KEY_BYTES))
    key_id = data.get("key_id", 0)
    if key_id not in keys:
        wrong.append("key_id: names no key")
    login = (data.get("mqtt_user", node), data.get("mqtt_password", ""))
    if not isinstance(login[0], str) or not isinstance(login[1], str):
        wrong.append("mqtt_user, mqtt_password: must be texts")
    for name in ("generation", "made_s"):
        if type(data.get(name, 0)) is not int:
            wrong.append(name + ": must be an integer")
    if wrong:
        raise IdentityError("; ".join(wrong))
    return Identity(node, data.get("generation", 0), keys, key_id, login[0], login[1], data.get("made_s", 0))


def _key(text):
    try:
        key = binascii.unhexlify(text)
    except (ValueError, TypeError):
        return None
    return key if len(key) == KEY_BYTES else None


def load(path):
    """Return the Identity stored at path; raises IdentityError with what to do."""
    try:
        with open(path) as file:
            text = file.read()
    except OSError:
        raise IdentityError(path + " is missing: run `pantau node provision`")
    try:
        return parse(text)
    except IdentityError as error:
        raise IdentityError("%s: %s: run `pantau node provision`" % (path, error))
