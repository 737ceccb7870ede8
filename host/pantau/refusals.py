"""Why a message is refused: stable codes, and what they mean for people. I/O-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_wire import topics
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

# The wire's own codes (truncated, bad_field ...) are used as they are.
REASONS = {
    "too_long": "longer than any frame",
    "truncated": "ends before its header does",
    "bad_field": "the header is not canonical",
    "unknown_version": "not a frame of a version that this bridge knows, and signed by no key of the node",
    "unknown_kind": "a kind that this bridge does not know, and signed by no key of the node",
    "newer_wire": "signed by the node, made by newer firmware: update this bridge, then replay; the node keeps it",
    "bad_topic": "the topic is not pantau/v1/<city>/<partition>/<node>/up",
    "wrong_partition": "the topic's partition is not the node's",
    "wrong_city": "the topic names another city",
    "unknown_node": "the node is not in registry.toml: add it, then replay",
    "no_key": "the node has no key in keys.json: enrol it, then replay",
    "unknown_key": "signed with a key id that keys.json does not have for this node",
    "bad_tag": "the tag does not fit: forged, damaged, another node's, or an outdated key",
    "wrong_kind": "a kind that only the bridge may send",
    "conflict": "other bytes than the frame stored under this boot and seq: a copied node or a boot counter that went back",
    "undecodable": "signed and stored, but its body cannot be decoded: update this bridge, then replay",
    "sink_rejected": "stored, but a sink refused it",
    "elsewhere": "another bridge holds the node's partition: replay the same there; nothing of it was kept here",
}


def elsewhere(topic: str, holds: Callable[[int], bool] | None) -> bool:
    """Return whether what came on `topic` is another bridge's to store. `holds` None: there is none."""
    if holds is None:
        return False
    try:
        return not holds(topics.parse(topic)[1])
    except WireError:
        return False  # refused, whoever takes it


def topic_fault(topic: str) -> str:
    """Return the code of a topic that cannot be parsed: tell a wrong partition from a topic that is none of ours."""
    parts = topic.split("/")
    try:
        right = topics.topic(parts[2], parts[4], parts[5])
    except (IndexError, WireError):
        return "bad_topic"
    return "wrong_partition" if parts[:3] == right.split("/")[:3] and len(parts) == 6 else "bad_topic"
