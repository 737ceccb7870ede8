"""What the commands of `pantau node` share."""

from __future__ import annotations

from datetime import UTC, datetime

from pantau.registry import EVER_MS, NEVER_MS


def now() -> datetime:
    """Return the time, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def unix_ms(time: datetime) -> int:
    """Return Unix ms."""
    return round(time.timestamp() * 1000)


def day(unix_ms: int) -> str:
    """Return a time of the registry for a table."""
    if unix_ms <= EVER_MS or unix_ms >= NEVER_MS:
        return "-"
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
