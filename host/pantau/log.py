"""Log lines: one event, one line. `event key=value ...` for people, one JSON object for machines.

Whatever a stranger sent, a line stays one line of bounded length; a repeated line is held back and counted; keys and passwords
never show.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = "pantau_fields"
_SUPPRESSED = "pantau_suppressed"
_MAX_VALUE = 1000  # characters; the bytes themselves are in the spool or the quarantine
_SECRET_NAME = re.compile(r"(^|_)(key|keys|password|secret|token|credential|credentials)$")
_SECRET = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")  # a node's key, wherever it slipped into
_HIDDEN = "(hidden)"
# syslog's numbers, as journald takes them at the start of a line
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def event(logger: logging.Logger, level: int, name: str, **fields: Any) -> None:
    """Log `name` with `fields`. Values are quoted so that one event stays one line whatever a stranger sent."""
    logger.log(level, name, extra={_FIELDS: fields})


class Lines(logging.Formatter):
    """`time LEVEL event key=value`; under journald `<priority>event key=value`, for the journal knows the time."""

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        fields = "".join(f" {key}={_plain(value)}" for key, value in _fields(record).items())
        head = _priority(record) if self._journal else f"{_time(record)} {record.levelname:<7} "
        return f"{head}{_plain(record.getMessage())}{fields}{_trace(record)}"


class JsonLines(logging.Formatter):
    """One JSON object per event: time, level, part, event, then its fields."""

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        head = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "part": (record.name or "").removeprefix("pantau."),
            "event": _text(record.getMessage()),
        }
        trace = {"trace": json.loads(text)} if (text := _trace(record).strip()) else {}
        fields = {
            f"{key}_" if key in head or key == "trace" else key: _json(value) for key, value in _fields(record).items()
        }
        line = json.dumps(head | fields | trace, default=str)
        return f"{_priority(record)}{line}" if self._journal else line


class Limiter(logging.Filter):
    """Holds back what repeats: of one event at most `burst` lines at once, then one per `every_s`. The next says how many.

    `suppressed` counts over all events. Sinks are told apart; distinct events that are remembered are bounded.
    """

    def __init__(self, burst: int = 50, every_s: float = 1.0, remembered: int = 512) -> None:
        super().__init__()
        self._burst, self._every_s, self._remembered = burst, every_s, remembered
        self._events: OrderedDict[tuple[object, ...], tuple[float, float, int]] = OrderedDict()  # tokens, since, held
        self.suppressed = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if record.levelno >= logging.CRITICAL:
            return True
        key = (record.name, record.levelno, record.msg, getattr(record, _FIELDS, {}).get("sink"))
        tokens, since, held = self._events.pop(key, (float(self._burst), record.created, 0))
        # A clock that jumps back gives nothing and takes nothing.
        tokens = min(float(self._burst), tokens + max(0.0, record.created - since) / self._every_s)
        passes = tokens >= 1
        if passes and held:
            setattr(record, _SUPPRESSED, held)
        self._events[key] = (tokens - 1, record.created, 0) if passes else (tokens, record.created, held + 1)
        if len(self._events) > self._remembered:
            self._events.popitem(last=False)
        self.suppressed += not passes
        return passes


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Do nothing: a log that nobody reads any more must not stop the bridge."""


def set_up(level: str, *, as_json: bool, stream: TextIO | None = None) -> Limiter:
    """Send the logs of this process to standard error, with priorities when that is the journal. Returns the limiter."""
    stream = stream or sys.stderr
    handler = _Handler(stream)
    journal = _is_journal(stream, os.environ)
    handler.setFormatter(JsonLines(journal=journal) if as_json else Lines(journal=journal))
    limiter = Limiter()
    handler.addFilter(limiter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    return limiter


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether `stream` is what systemd connected to the journal: JOURNAL_STREAM is its device:inode."""
    try:
        device, inode = environ["JOURNAL_STREAM"].split(":")
        here = os.fstat(stream.fileno())
        return (here.st_dev, here.st_ino) == (int(device), int(inode))
    except (KeyError, ValueError, OSError):
        return False


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields to show, secrets hidden, with how many such lines were held back before."""
    fields: dict[str, Any] = getattr(record, _FIELDS, {})
    shown = {name: _HIDDEN if _SECRET_NAME.search(name) else value for name, value in fields.items()}
    held = getattr(record, _SUPPRESSED, 0)
    return shown | {"suppressed": held} if held else shown


def _json(value: Any) -> Any:
    """Return a JSON value; a number that JSON has no word for becomes text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return _text(value)


def _text(value: Any) -> str:
    return _cut(_SECRET.sub(_HIDDEN, value.hex() if isinstance(value, bytes) else str(value)))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}... ({len(text)} characters)"


def _plain(value: Any) -> str:
    text = _text(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)


def _priority(record: logging.LogRecord) -> str:
    return f"<{_PRIORITY.get(record.levelno, 6)}>"


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    return " " + json.dumps(_SECRET.sub(_HIDDEN, logging.Formatter().formatException(record.exc_info)))
