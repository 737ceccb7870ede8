"""What became known later, told to a SensorThings server: a PATCH for each observation of which the flag or date changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.log import event
from pantau.sinks._sta_client import Broken, Gone, encoded, id_of, iot_id, literal
from pantau.sinks._sta_rows import Found, Identity, Row, found, identity, parameters, spans, times, within
from pantau.sinks.items import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pantau.model import Revision
    from pantau.sinks._sta_client import Client
    from pantau.sinks._sta_ids import Ids

_log = logging.getLogger("pantau.sink")
_STREAMS = 50_000  # Datastreams of which the last observations are remembered
_EACH = 4  # of them: a later verdict is one about the end of the frame before
_SHOWN = "$select=@iot.id,phenomenonTime,parameters"
_REPLACES = "replaces"  # in parameters: the id of the observation that this one stands for


class Change(NamedTuple):
    """A revision of an observation that may be in a Datastream."""

    stream: str
    revision: Revision

    @property
    def identity(self) -> Identity:
        """The identity within the Datastream."""
        return self.revision.key[1:4]


class Recent:
    """The observations of each Datastream that the server took last: bounded, the Datastream that was told first goes first."""

    def __init__(self) -> None:
        self._held: dict[str, dict[Identity, Found | tuple[str, Row]]] = {}

    def note(self, stream: str, which: Identity, what: Found | tuple[str, Row]) -> None:
        """Remember one, as it was found, or by its link and what was sent."""
        here = self._held.get(stream)
        if here is None:
            if len(self._held) >= _STREAMS:
                del self._held[next(iter(self._held))]
            here = self._held[stream] = {}
        here[which] = what
        if len(here) > _EACH:
            del here[next(iter(here))]

    def get(self, stream: str, which: Identity) -> Found | None:
        """Return one that is remembered."""
        held = self._held.get(stream, {}).get(which)
        if held is None or isinstance(held, Found):
            return held
        link, row = held
        return Found(literal(link), row.at_ms // 1000, parameters(row))

    def forget(self) -> None:
        """Forget all."""
        self._held.clear()


class Reader:
    """Looks up what a Datastream holds."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def between(self, stream: str, times_ms: Iterable[int], before_ms: int = 0) -> dict[Identity, Found]:
        """Return what the Datastream holds around these times. Gone when it is not there."""
        held: dict[Identity, Found] = {}
        for span in spans(times_ms, before_ms):
            held |= self._where(stream, within(span))
        return held

    def of(self, stream: str, which: Identity) -> Found | None:
        """Return an observation whenever it was: slower, for servers have no index for this."""
        boot, seq, index = which
        query = f"parameters/boot eq {boot} and parameters/seq eq {seq} and parameters/index eq {index}"
        return self._where(stream, query, optional=True).get(which)

    def _where(self, stream: str, condition: str, *, optional: bool = False) -> dict[Identity, Found]:
        path = f"/Datastreams({stream})/Observations?{encoded(f'$filter={condition}&{_SHOWN}')}"
        quoted = stream.startswith("'")
        held = (found(entity, quoted=quoted) for entity in self.client.pages(path, optional=optional))
        return {_identity(one): one for one in held if one is not None}


class Reviser:
    """Brings observations at the server up to what is known now."""

    def __init__(self, reader: Reader, ids: Ids, recent: Recent, *, writes: Callable[[], bool]) -> None:
        """`writes` as for Sender."""
        self._reader, self._ids, self._recent, self._writes = reader, ids, recent, writes
        self._client = reader.client

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply changes, the last for each observation; one that the server does not hold is left out."""
        groups: dict[str, list[Change]] = {}
        for change in {(change.stream, change.identity): change for change in changes}.values():
            groups.setdefault(change.stream, []).append(change)
        for stream, some in groups.items():
            self._apply(stream, some)

    def _apply(self, stream: str, changes: list[Change]) -> None:
        unknown = [change for change in changes if self._recent.get(stream, change.identity) is None]
        dates = [at for change in unknown if (at := change.revision.observed_at_ms) is not None]
        held = self._reader.between(stream, dates) if dates else {}
        for change in changes:
            which = change.identity
            here = self._recent.get(stream, which) or held.get(which) or self._reader.of(stream, which)
            if here is not None:
                self.amend(stream, here, change.revision)

    def amend(self, stream: str, here: Found, revision: Revision) -> None:
        """Bring one observation up to `revision`. What differs in the list of tests alone is left as it is."""
        try:
            self._amend(stream, here, revision)
        except Refused as error:
            said = {"sink": "sensorthings", "observation": here.id, "reason": str(error)}
            event(_log, logging.WARNING, "sensorthings.revision_refused", **said)

    def _amend(self, stream: str, here: Found, revision: Revision) -> None:
        at_ms = revision.observed_at_ms
        moved = at_ms is not None and at_ms // 1000 != here.second
        if (old := here.parameters.get(_REPLACES)) is not None:
            self._client.delete(f"/Observations({old})")  # a copy that an earlier try left behind
        told = here.parameters
        if not moved and (told.get("quality"), told.get("reason")) == (revision.quality, revision.reason):
            return
        told = {**told, "quality": revision.quality, "reason": revision.reason, "tests": revision.tests}
        body: dict[str, Any] = {"parameters": told}
        if moved and at_ms is not None:
            intervals = self._ids.get("server", "intervals") != "no"
            body["phenomenonTime"] = times(at_ms, 1000 * told.get("interval_s", 0), intervals=intervals)
        if not self._change(f"/Observations({here.id})", body):
            self._recent.forget()  # it went since; what the log says of it comes again with its frame
            return
        now = here._replace(parameters=told)
        if moved and at_ms is not None:
            now = self._moved(stream, now, at_ms, body["phenomenonTime"])
        self._recent.note(stream, _identity(now), now)

    def _change(self, path: str, body: dict[str, Any]) -> bool:
        try:
            return self._client.change(path, body)
        except Broken:
            if not self._writes():
                raise Gone("the server has none of our data any more") from None
        return self._client.change(path, body)

    def _moved(self, stream: str, here: Found, at_ms: int, when: str) -> Found:
        """Make sure of a date that was changed: a server may say yes and keep the old. Then the observation is replaced."""
        whole = self._client.entity(f"/Observations({here.id})?{encoded('$expand=FeatureOfInterest')}")
        shown = None if whole is None else found(whole, quoted=here.id.startswith("'"))
        if whole is None or shown is None or shown.second == at_ms // 1000:
            return here._replace(second=at_ms // 1000)
        told = {**here.parameters, _REPLACES: here.id}
        cells = {
            "phenomenonTime": when,
            "result": whole.get("result"),
            "resultTime": whole.get("resultTime"),
            "parameters": told,
        }
        if isinstance(feature := whole.get("FeatureOfInterest"), dict):
            cells["FeatureOfInterest/id"] = iot_id(id_of(feature))
        number = self._client.create_row(iot_id(stream), cells)
        self._client.delete(f"/Observations({here.id})")
        return Found(number, at_ms // 1000, told)


def _identity(what: Found) -> Identity:
    known = identity(what.parameters)
    assert known is not None
    return known
