"""A series as a file: CSV that a spreadsheet opens, Parquet that says what its columns are. Both page by page."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.web.geojson import iso
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Rows = Iterator[list[tuple[Any, ...]]]

COLUMNS = ("observed_at", "value", "quality", "reason", "dated_later")
_CHUNK = 1 << 16
_IN_MEMORY = 1 << 22  # bytes of a Parquet file before it goes to disk


class About(NamedTuple):
    """What a file is of; stands in its metadata."""

    source: str
    property: str
    unit: str
    licence: str


class Kind(NamedTuple):
    """A format: its media type, the end of its file's name and how it is written."""

    media_type: str
    suffix: str
    write: Callable[[About, Rows], Iterator[bytes]]


def to_csv(_about: About, pages: Rows) -> Iterator[bytes]:
    """Yield RFC 4180 text with a header, times in ISO 8601 UTC; a missing value is empty."""
    yield _lines([COLUMNS])
    for page in pages:
        yield _lines((iso(at), value, quality, reason, later) for at, value, quality, reason, later in page)


def _lines(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def to_parquet(about: About, pages: Rows) -> Iterator[bytes]:
    """Yield a Parquet file; RequestError 501 where pyarrow is not installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise RequestError(
            501,
            "No Parquet here",
            "Parquet needs pyarrow on the bridge: pip install 'pantau[parquet]'. CSV needs nothing.",
        ) from None
    said = {"property": about.property, "unit": about.unit, "source": about.source, "licence": about.licence}
    kinds = (pa.timestamp("ms", tz="UTC"), pa.float64(), pa.int8(), pa.dictionary(pa.int16(), pa.string()), pa.bool_())
    fields = [pa.field(name, kind) for name, kind in zip(COLUMNS, kinds, strict=True)]
    fields[1] = fields[1].with_metadata({"unit": about.unit})
    schema = pa.schema(fields, metadata={"pantau": json.dumps(said)})
    return _parquet(pa, parquet, schema, pages)


def _parquet(pa: Any, parquet: Any, schema: Any, pages: Rows) -> Iterator[bytes]:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        with parquet.ParquetWriter(file, schema) as writer:
            for page in pages:
                columns = [list(column) for column in zip(*page, strict=True)]
                columns[4] = [bool(later) for later in columns[4]]
                arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        file.seek(0)
        while chunk := file.read(_CHUNK):
            yield chunk


KINDS = {
    "csv": Kind("text/csv; charset=utf-8", "csv", to_csv),
    "parquet": Kind("application/vnd.apache.parquet", "parquet", to_parquet),
}
