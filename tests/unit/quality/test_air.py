"""Air: correction beside the raw value, humidity, A/B pair, NowCast, and an ISPU that is never made of half a day."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from built import T0_S
from pantau.quality import pm
from pantau.quality.site import AirSite, PmProfile
from quality_kit import City, Stand, flag_of

EPA = AirSite(profile=PmProfile())
START = T0_S // 3600 * 3600 + 3600


def air(site=EPA, **given):
    return City(Stand("taman", air=site), **given)


def hours(city, masses, rh=5000, **given):
    """Feed an hour for each mass in 0.1 ug/m3, one record a minute; None leaves the hour out."""
    for i, mass in enumerate(masses):
        if mass is not None:
            columns = {"pm2_5": [mass - 1, mass + 1] * 30, "relative_humidity": [rh] * 60, "pm10": [2 * mass] * 60}
            city.feed(size=15, start_s=START + 60 + 3600 * i, **columns | given)


def test_the_correction_stands_beside_the_raw_value_with_profile_and_version():
    for mass, rh, expected, reason in ((1000, 7500, 77.9, "ok"), (30, 9500, 0.0, "clamped"), (2300, 7000, 191.7, "ok")):
        city = air()
        city.feed(pm2_5=[mass], relative_humidity=[rh])
        raw, beside = city.of("pm2_5")[0], city.of("pm2_5_corrected")[0]
        assert (raw.value, raw.reason) == (mass / 10, "ok")
        assert (beside.value, beside.quality, beside.reason) == (expected, 1, reason)
        assert beside.tests == f"{raw.tests} epa-2021/1=1"


def test_a_local_profile_is_used_by_its_own_name_and_without_one_nothing_is_corrected():
    local = PmProfile(name="tangerang", version=3, slope=0.5, humidity=-0.1, offset=4.0)
    city = air(AirSite(profile=local))
    city.feed(pm2_5=[400], relative_humidity=[6000])
    assert [(s.value, "tangerang/3=1" in s.tests) for s in city.of("pm2_5_corrected")] == [(18.0, True)]
    for bare in (air(None), air(EPA)):
        bare.feed(pm2_5=[400], **({} if bare.registry.places[0].air else {"relative_humidity": [6000]}))
        assert not bare.of("pm2_5_corrected")  # no profile; no humidity
    with pytest.raises(ValidationError, match="slope"):
        PmProfile(name="tangerang")


def test_a_verdict_that_comes_later_is_told_of_both():
    city = air()
    city.feed(pm2_5=[400, 400, 4400], relative_humidity=[6000] * 3, size=3)
    city.feed(pm2_5=[400], relative_humidity=[6000], size=1, start_s=T0_S + 180)
    assert city.of("pm2_5")[2].reason == "spike" and city.of("pm2_5")[2].quality == 4
    assert city.of("pm2_5_corrected")[2].quality == 4


def test_particles_are_suspect_after_an_hour_of_droplets():
    city = air()
    rh = [8900] * 3 + [9100] * 70 + [8900] * 2
    city.feed(pm2_5=[400 + i % 5 for i in range(75)], pm10=[700 + i % 5 for i in range(75)], relative_humidity=rh)
    flags = city.flags("pm2_5", "humid")
    assert flags == [1] * 64 + [3] * 9 + [1] * 2 == city.flags("pm10", "humid")


def test_nowcast_of_whole_hours_at_the_first_record_of_the_next():
    city = air(None)
    masses = [130, 160, 100, 210, 740, 640, 530, 820, 900, 750, 800, 500]
    hours(city, [*reversed(masses), 130])
    told = city.of("pm2_5_nowcast")
    assert told[-1].value == 17.4 and told[-1].observed_at_ms == (START + 60 + 12 * 3600) * 1000
    assert len(told) == 11  # none before two hours are whole
    assert pm.nowcast([None, 16, 10]) is not None and pm.nowcast([None, None, 10, 20]) is None
    assert pm.nowcast([0.0, 0.0]) == 0.0


def test_means_are_made_before_clamping():
    city = air()
    hours(city, [30, 30, 30, 30], rh=9500)
    assert {s.value for s in city.of("pm2_5_corrected")} == {0.0}
    assert city.assessor._states.look("node/flood-01")["air"]["hours"]["pm2_5"][0][1] < 0
    assert {s.value for s in city.of("pm2_5_nowcast")} == {0.0}


@pytest.mark.parametrize("whole, told", [(17, False), (18, True), (24, True)])
def test_ispu_needs_three_quarters_of_a_day(whole, told):
    city = air(None)
    hours(city, [421] * whole + [None] * (24 - whole) + [421])
    found = city.of("ispu")
    assert bool(found) == told
    if told:
        # PM2.5 of 42.1 is 83 and PM10 of 84.2 is 67: the worse one, and never official
        assert (found[-1].value, found[-1].reason) == (83, "indicative") and found[-1].tests == "pm2_5=1 pm10=1"


def test_an_hour_with_holes_is_none():
    for minutes, count in ((44, 0), (46, 2)):
        city = air(None)
        for hour in range(3):
            city.feed(pm2_5=[400] * minutes, size=60, start_s=START + 60 + 3600 * hour)
        assert len(city.of("pm2_5_nowcast")) == count // 2


def test_ispu_meets_the_class_bounds_of_the_regulation():
    for pollutant, bounds in pm.ISPU_BOUNDS.items():
        assert [pm.ispu(pollutant, x) for x in bounds] == list(pm.ISPU_INDEX)
        assert pm.ispu(pollutant, 5000) == 500
    assert round(pm.ispu("pm2_5", 42.1)) == 83


def test_two_sensors_at_one_station_that_disagree_are_both_suspect_from_the_next_hour_on():
    nodes = {"air-01": "taman", "air-02": "taman"}
    city = air(None, nodes=nodes)

    def hour(number, node, mass, seq):
        columns = {"pm2_5": [mass + i % 3 for i in range(60)]}
        at = {"seq": seq, "base_s": START + 60 + 3600 * number, "node": node}
        return city.take(city.decoded(columns, **at))

    def pair(said):
        return {flag_of(s, "pair") for s in said.observations if s.property == "pm2_5"}

    for number, (a, b) in enumerate([(400, 420), (400, 420), (400, 900), (400, 900), (400, 900)], 1):
        last = [pair(hour(number, "air-01", a, number)), pair(hour(number, "air-02", b, number))]
        if number == 2:
            assert last == [{2}, {1}]  # one of two is the first to tell an hour
    assert last == [{3}, {3}]
    alone = air(None)
    alone.feed(pm2_5=[400 + i % 3 for i in range(150)])
    assert set(alone.flags("pm2_5", "pair")) == {2}
