"""MQTT topics: pantau/v1/<city>/<partition>/<node>/<what>."""

import binascii

from .errors import WireError

PARTITIONS = 64
WHAT = ("up", "ack", "cmd", "res", "will")


def valid_id(text):
    """Tell whether text is a node (or city) id: 1 to 23 of a-z, 0-9 and hyphen."""
    if not 1 <= len(text) <= 23:
        return False
    for char in text:
        if not ("a" <= char <= "z" or "0" <= char <= "9" or char == "-"):
            return False
    return True


def partition(node):
    """Return the node's partition, 0..63: CRC-32 of its id modulo 64, fixed for ever."""
    return binascii.crc32(node.encode()) % PARTITIONS


def topic(city, node, what):
    """Return the topic of one node and purpose; raises WireError("bad_value") for an id that cannot stand in a topic."""
    if not valid_id(city) or not valid_id(node) or what not in WHAT:
        raise WireError("bad_value", "topic")
    return "pantau/v1/%s/%d/%s/%s" % (city, partition(node), node, what)


def parse(text):
    """Return (city, partition, node, what); raises WireError("bad_field") unless the partition is the node's own."""
    parts = text.split("/")
    if len(parts) != 6 or parts[0] != "pantau" or parts[1] != "v1" or parts[5] not in WHAT:
        raise WireError("bad_field", "topic")
    _, _, city, number, node, what = parts
    if not valid_id(city) or not valid_id(node):
        raise WireError("bad_field", "topic id")
    if number != str(partition(node)):
        raise WireError("bad_field", "topic partition")
    return city, partition(node), node, what
