"""The truth on paper: one JSON line per station, property and instant, beside what nodes and platform said."""

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self


class TruthRecorder:
    """Appends {"t", "station", "property", "value"} lines; t in Unix s, `since` added for values over an interval."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record(self, station: str, name: str, t_s: float, value: float | None, since_s: float | None = None) -> None:
        """One line."""
        line: dict[str, object] = {"t": t_s, "station": station, "property": name, "value": value}
        if since_s is not None:
            line["since"] = since_s
        self._file.write(json.dumps(line) + "\n")

    def record_all(self, rows: Iterable[tuple[str, str, float, float | None]]) -> None:
        """Many lines of (station, property, t_s, value)."""
        for row in rows:
            self.record(*row)

    def close(self) -> None:
        """Write everything out."""
        self._file.close()
