"""[fleet] in pantau.toml: where the book lies, which nodes go first, and how much updates may take of the links."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pantau.keys import NodeId
from pantau.problems import Table
from pantau.settings import FilePath


class FleetTable(Table):
    """Orders and releases. Bridges that share a city on one machine name one `book`."""

    book: FilePath | None = None  # <data_dir>/fleet.sqlite3
    lab: list[NodeId] = Field(default_factory=list)
    canary: list[NodeId] = Field(default_factory=list)
    canary_percent: Annotated[float, Field(ge=0, le=100)] = 5.0
    nodes_at_once: Annotated[int, Field(ge=1, le=10_000)] = 50
    bytes_per_s: Annotated[int, Field(ge=1_000)] = 100_000
