"""What stands in the store of leases, as JSON: heartbeats of bridges and holders of partitions. Anything can be read."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

BRIDGE = "bridge."
PARTITION = re.compile(r"p(\d{2})")


class Record(NamedTuple):
    """What a heartbeat says. `leaving`: this bridge wants no partitions."""

    incarnation: str
    beat: int
    leaving: bool

    def value(self) -> bytes:
        """Return it as it is stored."""
        return json.dumps(self._asdict()).encode()


class Holder(NamedTuple):
    """Who holds a partition, as of a revision of its key; no name = nobody. The epoch stays when nobody does."""

    revision: int = 0
    name: str = ""
    incarnation: str = ""
    epoch: int = 0

    def value(self) -> bytes:
        """Return it as it is stored."""
        return json.dumps({"bridge": self.name, "incarnation": self.incarnation, "epoch": self.epoch}).encode()


def read_record(value: bytes | None) -> Record:
    """Return the heartbeat in `value`; what is none is of a bridge that is not there."""
    found = _object(value)
    incarnation = _text(found.get("incarnation"))
    return Record(incarnation, _number(found.get("beat")), found.get("leaving") is True or not incarnation)


def read_holder(value: bytes | None, revision: int) -> Holder:
    """Return the holder in `value`; what is none is nobody."""
    found = _object(value)
    return Holder(revision, _text(found.get("bridge")), _text(found.get("incarnation")), _number(found.get("epoch")))


def _object(value: bytes | None) -> dict[str, object]:
    try:
        found = json.loads(value or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _number(found: object) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0
