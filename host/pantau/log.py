"""Log lines: one event, one line. `event key=value ...` for people, one JSON object for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_FIELDS = "pantau_fields"


def event(logger: logging.Logger, level: int, name: str, **fields: Any) -> None:
    """Log `name` with `fields`. Values are quoted so that one event stays one line whatever a stranger sent."""
    logger.log(level, name, extra={_FIELDS: fields})


class Lines(logging.Formatter):
    """`time LEVEL event key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        fields = "".join(f" {key}={_plain(value)}" for key, value in getattr(record, _FIELDS, {}).items())
        return f"{_time(record)} {record.levelname:<7} {_plain(record.getMessage())}{fields}{_trace(record)}"


class JsonLines(logging.Formatter):
    """One JSON object per event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        head = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        fields = getattr(record, _FIELDS, {})
        trace = {"trace": text} if (text := _trace(record)) else {}
        return json.dumps(head | fields | trace, default=str)


def set_up(level: str, *, as_json: bool) -> None:
    """Send the logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _plain(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str:
    return " " + json.dumps(logging.Formatter().formatException(record.exc_info)) if record.exc_info else ""
