"""What a SensorThings server holds of our log: one Thing with the name of the log and how far it is delivered.

From it a bridge sees that the server lost its data, was set back to an older copy, or is another one. Deleting the Thing
has everything that the log still holds delivered again.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.sinks._sta_client import encoded, id_of, text
from pantau.sinks.items import Refused, TargetTrouble

if TYPE_CHECKING:
    from pantau.sinks._sta_client import Client
    from pantau.sinks.kept import Kept

_KIND = "mark"


class Held(NamedTuple):
    """What the server says: the frame that it holds everything up to, 0 without a mark; `lost`: that is less than before."""

    through: int
    there: bool
    lost: bool


class Mark:
    """The Thing, and our copy of what it says."""

    def __init__(self, client: Client, kept: Kept, city: str, log: str) -> None:
        self.name = f"pantau-bridge {log or city}"
        self._client, self._kept = client, kept
        self._properties: dict[str, Any] = {"city": city, "log": log}
        self._id: str | None = None  # once it was seen

    def look(self) -> Held:
        """Ask the server. What it says is what we know from then on."""
        token, through = self._kept.get(_KIND, "token"), int(self._kept.get(_KIND, "through") or 0)
        self._id, says = None, None
        for entity in self._client.pages(f"/Things?{encoded(f'$filter=name eq {text(self.name)}')}"):
            says = entity.get("properties") or {}
            self._id = id_of(entity)
            break
        if says is None:
            self._kept.forget(_KIND)
            return Held(0, there=False, lost=token is not None)
        there = says.get("through")
        holds = there if isinstance(there, int) else 0
        lost = token is not None and (says.get("token") != token or holds < through)
        self._properties["token"] = str(says.get("token"))
        self._note(holds)
        return Held(holds, there=True, lost=lost)

    def begin(self) -> None:
        """Make the mark; `look` found none."""
        token = secrets.token_hex(8)
        body = {"name": self.name, "description": "How far a bridge of Pantau has delivered its log"}
        self._id = self._client.create(
            "Things", {**body, "properties": {**self._properties, "token": token, "through": 0}}
        )
        self._properties["token"] = token
        self._note(0)

    def write(self, through: int) -> bool:
        """Say how far the server holds the log; False when the mark is gone. TargetTrouble when it cannot be changed."""
        if self._id is None:
            return False
        properties = {**self._properties, "through": through}
        try:
            there = self._client.change(f"/Things({self._id})", {"properties": properties})
        except Refused as error:
            raise TargetTrouble(f"the server does not let us change {self.name!r}, a Thing of ours: {error}") from None
        if not there:
            return False
        self._note(through)
        return True

    def _note(self, through: int) -> None:
        self._kept.put(_KIND, {"token": self._properties["token"], "through": str(through)})
