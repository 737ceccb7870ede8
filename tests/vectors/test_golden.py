"""Every golden frame ever released decodes to what its file states, and encodes back to the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pantau_wire import _tables, frame
from pantau_wire import names as T
from pantau_wire.errors import CODES, WireError

FILES = sorted((Path(__file__).resolve().parents[2] / "schemas" / "vectors").glob("v*/*.json"))
VECTORS = [(doc, vector) for doc in (json.loads(f.read_text()) for f in FILES) for vector in doc["vectors"]]
GOOD = [pytest.param(d, v, id=v["name"]) for d, v in VECTORS if "decoded" in v]
BAD = [pytest.param(v, id=v["name"]) for _, v in VECTORS if "error" in v]


def described(got: frame.Frame) -> dict[str, Any]:
    """Return a frame in the form of the vector files."""
    said: dict[str, Any] = {"kind": T.KINDS[got.kind], "key_id": got.key_id}
    if got.kind in T.UP:
        said |= {name: getattr(got, name) for name in ("boot", "seq", "clock", "base_s", "profile")}
    else:
        said["counter"] = got.counter
    if got.kind == T.K_RECORDS:
        columns = {
            T.PROPERTIES[i][0]: {"values": v, "quality": q} for i, (v, q) in got.columns.items() if i != T.TIME_OFFSET
        }
        said |= {"alarm": got.alarm, "interval_s": got.interval_s, "times": frame.times(got), "columns": columns}
    else:
        said["fields"] = {n: {"hex": v.hex()} if isinstance(v, bytes) else v for n, v in got.fields.items()}
    return {**said, "skipped": got.skipped} if got.skipped else said


@pytest.mark.parametrize("doc, vector", GOOD)
def test_a_golden_frame_decodes_as_stated(doc: dict[str, str], vector: dict[str, Any]) -> None:
    """Values, times, quality and tag; nothing that was released may ever read differently."""
    data = bytes.fromhex(vector["hex"])
    got = frame.decode(data)
    assert described(got) == vector["decoded"]
    assert frame.verify(data, doc["node"], bytes.fromhex(doc["key"])) == vector["tag_fits"]
    assert not frame.verify(data, "another-node", bytes.fromhex(doc["key"]))
    assert not frame.verify(data, doc["node"], bytes(32))


@pytest.mark.parametrize("doc, vector", GOOD)
def test_the_encoder_still_writes_the_golden_bytes(doc: dict[str, str], vector: dict[str, Any]) -> None:
    """What this version knows in full it writes to the byte: a redelivered frame stays the same frame."""
    if "skipped" in vector["decoded"] or not vector["tag_fits"]:
        return
    got = frame.decode(bytes.fromhex(vector["hex"]))
    assert frame.encode(got, doc["node"], bytes.fromhex(doc["key"])).hex() == vector["hex"]


@pytest.mark.parametrize("vector", BAD)
def test_a_bad_frame_is_refused_with_its_code(vector: dict[str, str]) -> None:
    """Codes are stable: operators and dashboards count by them."""
    with pytest.raises(WireError) as refused:
        frame.decode(bytes.fromhex(vector["hex"]))
    assert refused.value.code == vector["error"]
    assert refused.value.code in CODES


@pytest.mark.parametrize("doc, vector", GOOD)
def test_every_single_changed_bit_breaks_the_tag(doc: dict[str, str], vector: dict[str, Any]) -> None:
    """No bit of header, body or tag is left outside the tag."""
    if not vector["tag_fits"]:
        return
    data, key = bytearray.fromhex(vector["hex"]), bytes.fromhex(doc["key"])
    for bit in range(len(data) * 8):
        data[bit // 8] ^= 1 << bit % 8
        assert not frame.verify(bytes(data), doc["node"], key)
        data[bit // 8] ^= 1 << bit % 8


def test_an_older_schema_reads_newer_frames_and_the_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column or field that a schema lacks is skipped; what it has reads as before."""
    for _, vector in VECTORS:
        if vector.get("decoded", {}).get("kind") not in {"records", "health"}:
            continue
        data = bytes.fromhex(vector["hex"])
        now = frame.decode(data)
        with monkeypatch.context() as older:
            older.setattr(_tables, "IDS", [i for i in _tables.IDS if i <= T.WATER_DISTANCE])
            older.setitem(_tables.LAYOUT, T.K_HEALTH, _tables.LAYOUT[T.K_HEALTH].partition("u.reset_cause")[0])
            then = frame.decode(data)
        assert then.columns == {i: c for i, c in now.columns.items() if i <= T.WATER_DISTANCE}
        assert all(now.fields[name] == value for name, value in then.fields.items())
        missing = (len(now.columns) - len(then.columns)) + (len(now.fields) - len(then.fields))
        assert len(then.skipped) == missing + len(now.skipped)
