"""More than one way in at once: the ports of this computer beside a broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pantau.sources import Inbox, Source


class Several:
    """Sources as one. What goes to a node takes the first that has a way to it: put those first that know their nodes."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    async def run(self, inbox: Inbox) -> None:
        """Receive from all until cancelled."""
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(source.run(inbox))

    def publish(self, node: str, what: str, payload: bytes) -> bool:
        """Send to a node; False when no source can now."""
        return any(source.publish(node, what, payload) for source in self._sources)

    async def close(self) -> None:
        """Close all."""
        for source in self._sources:
            await source.close()

    def problems(self) -> Sequence[str]:
        """Return what is wrong with any."""
        return [problem for source in self._sources for problem in source.problems()]

    def figures(self) -> Mapping[str, float]:
        """Return the numbers of all."""
        return {name: value for source in self._sources for name, value in source.figures().items()}
