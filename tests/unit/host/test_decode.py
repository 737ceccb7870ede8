"""Stored frame -> observations: values, flags, times, what is derived, and that nothing makes it raise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from built import KEY, T0_MS, Place, Places, health, records
from pantau.decode import Decoder, quality_of
from pantau.model import StoredFrame
from pantau_wire import frame
from pantau_wire import names as T

BARE = Decoder(Places())
PLACED = Decoder(Places(Place()))


def by_property(decoded, name):
    return [seen for seen in decoded.observations if seen.property == name]


def test_values_are_the_decimal_that_the_sensor_meant():
    decoded = BARE.decode(records({T.WATER_DISTANCE: [1237, 1238], T.RELATIVE_HUMIDITY: [8001, 8002]}))
    assert [seen.value for seen in by_property(decoded, "water_distance")] == [1.237, 1.238]
    assert [seen.value for seen in by_property(decoded, "relative_humidity")] == [80.01, 80.02]
    assert {seen.unit for seen in by_property(decoded, "water_distance")} == {"m"}
    assert decoded.error is None


def test_each_record_has_its_own_time_and_key():
    offsets = {T.TIME_OFFSET: [0, -1], T.WATER_DISTANCE: [1000, 1001]}
    seen = BARE.decode(records(offsets, boot=7, seq=9)).observations
    assert [o.observed_at_ms for o in seen] == [T0_MS, T0_MS + 59_000]
    assert [o.key for o in seen] == [("flood-01", 7, 9, i, "water_distance") for i in (0, 1)]
    assert all(o.uptime_ms is None and o.clock == 3 for o in seen)


def test_without_a_clock_the_uptime_is_kept_and_no_date_is_guessed():
    seen = BARE.decode(records({T.RAIN_TIPS: [0, 2]}, clock=0, base_s=60)).observations
    assert [(o.observed_at_ms, o.uptime_ms) for o in seen] == [(None, 60_000), (None, 120_000)]


def test_a_missing_value_keeps_its_reason_and_a_flagged_one_its_value():
    column = ([None, 25_00, 31_00], [frame.quality(T.R_NO_ECHO), frame.quality(T.R_OUT_OF_RANGE), 0])
    seen = BARE.decode(records({T.WATER_DISTANCE: column})).observations
    assert [(o.value, o.quality, o.reason) for o in seen] == [
        (None, 9, "no_echo"), (2.5, 4, "out_of_range"), (3.1, 1, "ok"),
    ]  # fmt: skip


def test_level_and_rain_follow_from_the_stations_figures_and_inherit_flags():
    column = ([1234, None], [0, frame.quality(T.R_TIMEOUT)])
    decoded = PLACED.decode(records({T.WATER_DISTANCE: column, T.RAIN_TIPS: [3, 0]}))
    assert [(o.value, o.unit, o.reason) for o in by_property(decoded, "water_level")] == [
        (5.266, "m", "ok"), (None, "m", "timeout"),
    ]  # fmt: skip
    assert [(o.value, o.unit) for o in by_property(decoded, "rain_amount")] == [(0.6, "mm"), (0.0, "mm")]


def test_the_level_follows_the_distance_that_the_node_corrected_and_the_raw_one_where_it_could_not():
    corrected = ([1300, None], [0, frame.quality(T.R_NO_SAMPLE)])
    raw = ([1234, 1234], [0, 0])
    decoded = PLACED.decode(records({T.WATER_DISTANCE: raw, T.WATER_DISTANCE_CORRECTED: corrected}))
    assert [(o.value, o.reason) for o in by_property(decoded, "water_level")] == [(5.2, "ok"), (5.266, "ok")]
    assert {o.station for o in decoded.observations} == {"cisadane-pintu-10"}


@pytest.mark.parametrize("place", [None, Place(sensor_height_m=None, tip_mm=None)])
def test_nothing_is_derived_without_the_figure(place):
    decoded = Decoder(Places(place)).decode(records({T.WATER_DISTANCE: [1], T.RAIN_TIPS: [1]}))
    assert {o.property for o in decoded.observations} == {"water_distance", "rain_tips"}


def test_health_gives_the_mapping_and_json_values():
    fields = {
        "uptime_ms": 5_000,
        "utc_ms": T0_MS,
        "rssi": -71,
        "firmware": "1.2",
        "sensor_errors": bytes([1, 4, 0x81, 1]),
    }
    decoded = BARE.decode(health(fields, boot=3))
    assert decoded.clock_map == (3, T0_MS - 5_000, 3)
    assert decoded.health == fields | {"sensor_errors": [[1, "checksum", 129]]}


@pytest.mark.parametrize("fields", [{"uptime_ms": 5_000}, {"utc_ms": T0_MS}])
def test_half_a_mapping_is_none(fields):
    assert BARE.decode(health(fields)).clock_map is None


def test_a_mapping_of_an_unset_clock_is_none():
    assert BARE.decode(health({"uptime_ms": 5_000, "utc_ms": 0}, clock=0)).clock_map is None


def test_a_command_result_and_the_alarm_flag_are_told():
    f = frame.Frame(T.K_RESULT)
    f.boot, f.seq, f.fields = 1, 2, {"id": 4, "ok": 1, "detail": "done"}
    stored = StoredFrame(1, "flood-01", 1, 2, T0_MS, frame.encode(f, "flood-01", KEY))
    assert BARE.decode(stored).result == {"id": 4, "ok": 1, "detail": "done"}
    assert BARE.decode(records({T.RAIN_TIPS: [1]}, alarm=True)).alarm is True


def test_a_commissioning_record_is_told_as_it_was_signed():
    f = frame.Frame(T.K_COMMISSIONING)
    f.boot, f.seq, f.fields = 1, 2, {"id": 4, "body": '{"who":"t","zero_m":106.8456}'}
    stored = StoredFrame(1, "flood-01", 1, 2, T0_MS, frame.encode(f, "flood-01", KEY))
    decoded = BARE.decode(stored)
    assert decoded.commissioning == f.fields and decoded.error is None and not decoded.observations


def test_a_down_going_kind_is_refused():
    f = frame.Frame(T.K_ACK)
    f.counter, f.fields = 1, {"boot": 1, "through": 1}
    stored = StoredFrame(1, "flood-01", 1, 2, T0_MS, frame.encode(f, "flood-01", KEY))
    assert BARE.decode(stored).error == "unexpected_kind"


def test_a_code_of_a_newer_schema_is_not_evaluated_rather_than_good():
    assert quality_of(0) == (1, "ok")
    assert quality_of(99 * 8 + 7) == (2, "reason_99")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_decoded_frame(payload):
    decoded = PLACED.decode(StoredFrame(1, "flood-01", 1, 1, T0_MS, payload))
    assert decoded.error or decoded.clock is not None


@given(st.integers(0, 60), st.integers(0, 255))
def test_a_damaged_frame_gives_a_decoded_frame(at, byte):
    column = ([1000, None, 1002], [0, frame.quality(T.R_NO_ECHO), 0])
    stored = records({T.WATER_DISTANCE: column, T.RAIN_TIPS: [0, 0, 1]})
    damaged = bytearray(stored.payload)
    damaged[at % len(damaged)] = byte
    PLACED.decode(replace(stored, payload=bytes(damaged)))
