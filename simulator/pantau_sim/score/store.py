"""What a run or a replay left in its stores, as the score takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.alerts.reads import AlertReader
from pantau_sim.score.alerts import Said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pantau.alerts.track import Alert


def decisions(folder: Path) -> Iterator[Said]:
    """Yield every decision about alerts in the city's `folder`, in order."""
    reader = AlertReader(folder / "alerts.sqlite3")
    known: dict[int, Alert] = {}
    try:
        after = 0
        while entries := reader.decisions_after(after):
            for entry in entries:
                if entry.alert not in known and (listed := reader.alert(entry.alert)) is not None:
                    known[entry.alert] = listed.alert
                alert = known[entry.alert]
                yield Said(
                    entry.alert, alert.station, alert.rule, entry.action, alert.opened_ms / 1000, entry.at_ms / 1000,
                    entry.decided_ms / 1000, entry.past, entry.confirmed,
                )  # fmt: skip
            after = entries[-1].number
    finally:
        reader.close()
