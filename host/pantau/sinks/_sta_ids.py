"""Ids that a SensorThings server gave: remembered, found by name, or made. What is remembered may be forgotten at any time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pantau.sinks._sta_client import Exists
from pantau.sinks.items import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pantau.sinks._sta_client import Client
    from pantau.sinks.kept import Kept

_KINDS = ("Things", "Locations", "FeaturesOfInterest", "Sensors", "ObservedProperties", "Datastreams")
_NOTES = ("placed", "drawn", "server")  # what we know of entities beside their ids
_ASK_AGAIN_S = 60.0


class NotProvided(ValueError):  # noqa: N818  a fact about one observation, handled by the sink
    """The server has no place for an observation, and we may not, or cannot, make one."""


class Ids:
    """Names to ids, by kind of entity."""

    def __init__(self, client: Client, kept: Kept, *, provision: bool) -> None:
        self.client, self.provision = client, provision
        self._kept = kept
        self._known: dict[str, dict[str, str]] = {kind: kept.all(kind) for kind in (*_KINDS, *_NOTES)}
        self.new: set[str] = set()  # Datastreams made since this was emptied: they hold nothing
        self._without: dict[tuple[str, str], tuple[float, str]] = {}  # until when nobody asks again, and why

    def get(self, kind: str, name: str) -> str | None:
        """Return what is remembered."""
        return self._known[kind].get(name)

    def note(self, kind: str, texts: Mapping[str, str]) -> None:
        """Remember."""
        if texts:
            self._kept.put(kind, texts)
            self._known[kind].update(texts)

    def forget(self) -> None:
        """Forget all: the server lost it, or changed its ids."""
        for kind, known in self._known.items():
            self._kept.forget(kind)
            known.clear()
        self.new.clear()
        self._without.clear()

    def found(self, kind: str, name: str) -> str | None:
        """Return the id of what the server has by this name."""
        known = self._known[kind].get(name)
        if known is None and (known := self.client.find(kind, name)) is not None:
            self.note(kind, {name: known})
        return known

    def made(self, kind: str, name: str, body: Callable[[], Mapping[str, Any]], *, look: bool = True) -> str:
        """Return the id of an entity, made where it is missing. With `look` false it is known to be.

        Raises NotProvided when we may not make it, or the server refuses it; it is asked again after a while.
        """
        known = self._known[kind].get(name)
        if known is not None:
            return known
        until, why = self._without.get((kind, name), (0.0, ""))
        if time.monotonic() < until:
            raise NotProvided(why)
        known = self.found(kind, name) if look else None
        if known is not None:
            return known
        try:
            return self._make(kind, name, body)
        except (NotProvided, Refused) as error:
            self._without[kind, name] = (time.monotonic() + _ASK_AGAIN_S, str(error))
            raise NotProvided(str(error)) from None

    def _make(self, kind: str, name: str, body: Callable[[], Mapping[str, Any]]) -> str:
        if not self.provision:
            raise NotProvided(f"the server has none of {kind} named {name!r}; create it, or set provision = true")
        try:
            made = self.client.create(kind, {"name": name, **body()})
        except Exists:
            there = self.client.find(kind, name)
            if there is None:
                raise
            made = there
        except Refused as error:
            raise Refused(f"{kind} {name!r}: {error}") from None
        else:
            if kind == "Datastreams":
                self.new.add(made)
        self.note(kind, {name: made})
        return made
