"""The codec against the declaration that was written from FORMAT.md alone: same bytes, same content, same refusals."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import pytest
from construct import ConstructError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wire_answers import ATTRIBUTES, KEY, NODE, build
from wire_cases import frame_case, near_case

from pantau import explain
from pantau import wire_declared as declared
from pantau_wire import frame
from pantau_wire import names as T
from pantau_wire.errors import CODES, WireError

SEEDS = st.integers(0, 2**32 - 1)
VECTOR_FILES = sorted((Path(__file__).resolve().parents[2] / "schemas" / "vectors").glob("v*/*.json"))
VECTORS = [vector for file in VECTOR_FILES for vector in json.loads(file.read_text())["vectors"]]
CONTENT = (*ATTRIBUTES, "columns", "fields", "skipped")
SLOWEST_S = 1.0  # a thousand times the usual: decode must not blow up, and a busy machine must not fail the test


def codec(data):
    """Return the content or None, in bounded time; anything but a WireError is a bug."""
    start = time.process_time()
    code = found = None
    try:
        found = frame.decode(data)
    except WireError as error:
        code = error.code
    assert found is not None or code in CODES
    assert time.process_time() - start < SLOWEST_S
    return found and {name: getattr(found, name) for name in CONTENT}


def oracle(data):
    try:
        found = declared.parse(data)
    except ConstructError:
        return None
    return {name: getattr(found, name) for name in CONTENT}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_oracle_reads_the_golden_frames(vector):
    data = bytes.fromhex(vector["hex"])
    assert (oracle(data) is None) == ("error" in vector)
    assert oracle(data) == codec(data)


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS)
def test_what_the_codec_encodes_the_oracle_reads_alike(seed):
    made = build(frame_case(Random(seed))["frame"])
    try:
        data = frame.encode(made, NODE, KEY)
    except WireError:  # too long; test_wire_vms.py sees to the code
        return
    found = oracle(data)
    assert found is not None
    assert found == codec(data)
    assert found["columns"] == made.columns
    assert found["fields"] == made.fields


@settings(max_examples=500, deadline=None)
@given(seed=SEEDS)
def test_codec_and_oracle_accept_the_same_damaged_frames(seed):
    data = bytes.fromhex(near_case(Random(seed))["hex"])
    assert codec(data) == oracle(data)


def _frame(kind, content):
    """Return header, parts and an empty tag; `content` is [(step, bytes)], or all the bytes after the header."""
    if kind == T.K_RECORDS:
        head = bytes.fromhex("6665 0c07 6553f100 01")
    elif kind in T.UP:
        head = bytes([0x40 | kind]) + bytes.fromhex("30 0c07 6553f100 01")
    else:
        head = bytes([0x40 | kind, 0, 5])
    if not isinstance(content, bytes):
        content = b"".join(bytes([step << 4 | len(data)]) + data for step, data in content)
    return head + content + bytes(8)


PARTS = st.lists(st.tuples(st.integers(0, 14), st.binary(max_size=14)), max_size=6)


@settings(max_examples=700, deadline=None)
@given(st.sampled_from(sorted(T.KINDS)), st.one_of(PARTS, st.binary(max_size=1020)))
@example(T.K_ACK, [(1, bytes(9))])
@example(T.K_RECORDS, [(2, bytes.fromhex("affffffffff700"))])
def test_codec_and_oracle_accept_the_same_noise_behind_a_header(kind, content):
    data = _frame(kind, content)
    assert codec(data) == oracle(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 255), st.integers(0, 15), st.binary(min_size=1, max_size=40), st.sampled_from((1, 2, 4, 15)))
def test_codec_and_oracle_accept_the_same_columns(count, code, bits, ident):
    """Every code is met, with any number of records; the last byte is cleared half of the time, as padding must be."""
    column = bytes([code << 4 | bits[0] & 15]) + bits[1:]
    head = bytes([0x66, 0x60 | min(count, 32) - 1]) + (bytes([count]) if count > 31 else b"")
    step = bytes([min(ident, 15) << 4 | 15]) + (b"\0" if ident == 15 else b"")
    for trimmed in (column, column[:-1] + b"\0", column.rstrip(b"\0") + b"\0"):
        size = len(trimmed)
        sized = step[:1] + step[1:] + bytes([size - 15]) if size >= 15 else bytes([step[0] & 0xF0 | size]) + step[1:]
        data = head + bytes.fromhex("0c07 6553f100 01") + sized + trimmed + bytes(8)
        assert codec(data) == oracle(data)


@pytest.mark.parametrize("clock", [1, 2, 3])
def test_kinds_that_go_down_have_no_clock(clock):
    data = bytes([0x40 | T.K_ACK, clock << 4, 5]) + bytes(8)
    assert codec(data) is None
    assert oracle(data) is None


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS)
def test_any_bytes_are_explained(seed):
    """Every byte of a frame stands in some row, children lie inside their parents; bad bytes say where it stopped."""
    rng = Random(seed)
    case = rng.choice((frame_case, near_case))(rng)
    try:
        data = bytes.fromhex(case["hex"]) if "hex" in case else frame.encode(build(case["frame"]), NODE, KEY)
    except WireError:
        return
    said = explain.explain(data)
    assert (said.frame is None) == (said.error is not None) == bool(said.stopped)
    if said.frame is not None:
        tops = [row for row in said.rows if row.depth == 0]
        assert sum(row.bits for row in tops) == len(data) * 8
        assert [row.bit for row in said.rows] == sorted(row.bit for row in said.rows)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=20000, deadline=None)
@given(seed=SEEDS)
def test_codec_and_oracle_agree_at_length(seed):
    rng = Random(seed)
    for _ in range(5):
        data = bytes.fromhex(near_case(rng)["hex"])
        assert codec(data) == oracle(data)
