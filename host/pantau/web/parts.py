"""What the features of the web are given: one value, made once in create_app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pantau.access.store import AccessStore
    from pantau.alerts.store import AlertStore
    from pantau.notify.cap_settings import CapTable
    from pantau.registry import Registry
    from pantau.web.events import Hub
    from pantau.web.reads import CityReader


class Status(Protocol):
    """What the bridge says of itself."""

    def problems(self) -> Sequence[str]:
        """Return what is wrong now, each with what to do; empty means healthy."""

    def figures(self) -> Mapping[str, float]:
        """Return plain numbers for /metrics: {name or name{label="value"}: number}, *_total for counters."""


class Store(Protocol):
    """What the web needs of the city store: where it is and when it changes."""

    @property
    def path(self) -> Path:
        """The SQLite file."""

    def subscribe(self, listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call `listener` with the nodes that a commit touched, from any thread; returns the way to stop it."""


@dataclass(frozen=True)
class Parts:
    """The bridge as the web sees it. What is None is not there: no alerts are judged, nobody can log in, no basemap."""

    store: Store
    reader: CityReader
    status: Status
    hub: Hub
    city: str  # its id in topics
    title: str  # what people read
    licence: str  # of the data
    public_read: bool
    now_ms: Callable[[], int]
    registry: Callable[[], Registry] | None = None
    alerts: AlertStore | None = None
    access: AccessStore | None = None
    basemap: Path | None = None
    cap: CapTable | None = None  # None: the feed speaks as its defaults say
    public_url: str = ""  # where others reach us, "" when nobody said
