"""[cluster] of pantau.toml: how several bridges share a city."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pantau.cluster.log import Stream
from pantau.natslink import NatsLink

_DAY_S = 86_400.0


class ClusterTable(NatsLink):
    """This bridge's name among the others, and the log and leases that they share on NATS JetStream."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    replicas: Annotated[int, Field(ge=1, le=5)] = 3
    max_age_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    max_mib: Annotated[int, Field(ge=16)] = 10_240
    followers: list[str] | None = None  # which sinks, "alerts" among them, `pantau city run` has here; None: all
    lease_s: Annotated[float, Field(ge=1, le=300)] = 10.0

    def stream(self, city: str) -> Stream:
        """Return the stream of `city`."""
        return Stream(city, self.replicas, self.max_age_days * _DAY_S, self.max_mib)
