"""`pantau frame explain`: what people are told about good and bad bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pantau import explain, keys
from pantau.cli import pantau
from pantau_wire import frame
from pantau_wire import names as T
from pantau_wire.errors import CODES

NODE = "flood-01"
KEY = bytes(range(32))
NO_ECHO = frame.quality(T.R_NO_ECHO)


def flood(**changed):
    made = frame.Frame(T.K_RECORDS)
    made.boot, made.seq, made.clock, made.base_s, made.profile = 3, 7, 3, 1700000000, 1
    made.count, made.interval_s = 3, 60
    made.columns = {
        T.TIME_OFFSET: ([0, 1, 0], None),
        T.WATER_DISTANCE: ([3001, None, 20000], [0, NO_ECHO, frame.quality(T.R_OUT_OF_RANGE)]),
        T.AIR_TEMPERATURE: ([2805, -15, 0], None),
    }
    for name, value in changed.items():
        setattr(made, name, value)
    return frame.encode(made, NODE, KEY)


def run(*args, **options):
    return CliRunner().invoke(pantau, ["frame", "explain", *args], **options)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    keys.save(path, keys.Keys({NODE: ({0: KEY}, 0)}))
    return path


def test_values_come_in_their_units_with_flag_and_time():
    done = run(flood().hex())
    assert done.exit_code == 0, done.output
    assert "record   0  2023-11-14 22:13:20 UTC = 2023-11-15 05:13:20 WIB  water_distance 3.001 m" in done.output
    assert "water_distance - [MISSING no_echo]  air_temperature -0.15 Cel" in done.output
    assert "water_distance 20.000 m [FAIL out_of_range]" in done.output
    assert "22:14:21 UTC" in done.output  # one second off the grid
    assert "tag not checked" in done.output


def test_every_field_has_its_offset_and_bytes():
    said = json.loads(run(flood().hex(), "--json").output)
    layout = {row["field"]: row for row in reversed(said["layout"])}
    assert layout["version"] == {
        "offset": "0", "bit": 0, "bits": 2, "depth": 0, "data": "0b01", "field": "version", "meaning": "wire version 1",
    }  # fmt: skip
    assert layout["count code"]["offset"] == "1.3"
    assert (layout["time base"]["offset"], layout["time base"]["data"]) == ("4", "6553f100")
    assert layout["tag"]["data"] == flood()[-8:].hex()
    assert said["records"][1]["water_distance"] == {"value": None, "unit": "m", "flag": "MISSING", "reason": "no_echo"}
    assert said["tag_fits"] is None


def test_without_a_clock_times_are_uptime():
    done = run(flood(clock=0, base_s=90061).hex())
    assert "1 d 1 h 1 min 1 s" in done.output
    assert "WIB" not in done.output


@pytest.mark.parametrize("form", ["{}", " {} ", "0x{}"])
def test_hex_may_be_spaced_or_come_on_stdin(form):
    text = form.format(flood().hex())
    assert run(text).exit_code == 0
    assert run("-", input=text + "\n").exit_code == 0
    assert run(flood().hex(":")).exit_code == 0
    assert run(flood().hex(" ", 2)).exit_code == 0


def test_the_tag_is_checked_with_node_and_key_file(key_file):
    fits = run(flood().hex(), "--node", NODE, "--key-file", str(key_file))
    assert fits.exit_code == 0
    assert f"tag fits key 0 of {NODE}" in fits.output
    forged = run((flood()[:-1] + b"\0").hex(), "--node", NODE, "--key-file", str(key_file), "--json")
    assert forged.exit_code == 1
    assert '"tag_fits": false' in forged.output


@pytest.mark.parametrize(
    "args, said",
    [
        (["6"], "odd number"),
        (["66zz"], "'z' at digit 3"),
        (["66", "--node", "Flood 01"], "not a node id"),
        (["66", "--node", NODE], "--node needs --key-file"),
        (["66", "--key-file", __file__], "--key-file needs --node"),
        ([flood().hex(), "--node", "flood-02", "--key-file", "KEYS"], "holds no key 0 of node flood-02"),
        ([flood().hex(), "--node", NODE, "--key-file", "nowhere.json"], "does not exist"),
    ],
)
def test_wrong_use_ends_with_exit_2_and_says_what_to_do(args, said, key_file):
    done = run(*(str(key_file) if arg == "KEYS" else arg for arg in args))
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    "data, code, stopped",
    [
        (b"", "truncated", "before the first field"),
        (flood()[:14], "truncated", "after"),
        (bytes([0x86]) + flood()[1:], "unknown_version", "inside version"),
        (bytes([0x5F]) + flood()[1:], "unknown_kind", "inside kind"),
        (flood()[:3] + b"\0" + flood()[4:], "bad_field", "inside seq"),
        (bytes(1025), "too_long", "before the first field"),
    ],
)
def test_bad_bytes_give_the_code_its_meaning_and_the_place(data, code, stopped):
    done = run(data.hex())
    assert done.exit_code == 1
    assert f"{code}: {explain.ERRORS[code]}" in done.output
    assert stopped in done.output
    said = json.loads(run(data.hex(), "--json").stdout)
    assert said["error"]["code"] == code


def test_every_error_code_is_explained():
    assert set(explain.ERRORS) == set(CODES)


def test_health_fields_have_units():
    made = frame.Frame(T.K_HEALTH)
    made.boot, made.seq = 1, 1
    made.fields = {"uptime_ms": 61234, "rssi": -71, "reset_cause": 3, "sensor_errors": bytes([1, T.R_CHECKSUM, 4])}
    output = run(frame.encode(made, NODE, KEY).hex()).output
    for said in ("1 min 1.234 s", "-71 dBm", "3 = watchdog", "sensor 1: 4 x checksum"):
        assert said in output


def test_every_field_of_every_kind_can_be_put_in_words():
    """Also with values at their ends: no date, no number, no text makes it fail."""
    for kind, rows in T.FIELDS.items():
        for _, name, form in rows:
            ends = {
                T.UINT: (0, 2**64 - 1),
                T.INT: (-(2**63), 2**63 - 1),
                T.BYTES: (b"", b"\xff\x01"),
                T.STR: ("", "\x1b[2J"),
            }
            for value in ends[form]:
                made = frame.Frame(kind)
                made.seq = 1
                made.fields = {name: value}
                done = run(frame.encode(made, NODE, KEY).hex())
                assert done.exit_code == 0, done.output
                assert "\x1b" not in done.output
