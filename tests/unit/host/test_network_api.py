"""The network's health on HTTP: what is expected, what came, what each figure comes to, and what the public is not told."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from built import T0_MS
from city_rig import REGISTRY, City
from pantau.access.model import Role, Who
from pantau.alerts.files import load
from pantau.ops import snapshot
from pantau.ops.dashboard import RULES_OF_BRIDGE
from pantau.web import gate, network, network_tiles
from pantau_wire import names as T

NOW_MS = T0_MS
BARE = """
[[station]]
id = "no-node-yet"
name = "No node yet"
domain = "air"
latitude = -6.19
longitude = 106.62
report_interval_s = 900
"""
TROUBLE = 'sink postgres: server at "db.city.example" (10.0.0.3), port 5432 is away; look at /etc/pantau/pantau.toml'


@pytest.fixture
def city(tmp_path):
    made = City(tmp_path, REGISTRY + BARE, now_ms=lambda: NOW_MS)
    yield made
    made.close()


def ask(city):
    answer = TestClient(city.app).get("/api/network")
    assert answer.status_code == 200, answer.text
    return answer.json()


def node_of(body, name):
    return next(one for one in body["nodes"] if one["node"] == name)


def tile_of(body, name):
    return next(one for one in body["tiles"] if one["id"] == name)


def reports(city, node, minutes_ago, **more):
    """One frame an instant, as a node sends that reports each minute; the oldest first."""
    for ago in sorted(minutes_ago, reverse=True):
        city.feed(node, {T.WATER_DISTANCE: [4000]}, ago_s=60 * ago, **more)


def test_the_registry_says_what_is_expected_not_those_who_spoke(city):
    reports(city, "flood-01", [0])
    body = ask(city)
    assert body["totals"]["expected"] == 6 and body["totals"]["reporting"] == 1 and body["totals"]["never"] == 4
    bare = next(one for one in body["nodes"] if one["node"] is None)
    assert (bare["station"], bare["state"], bare["worries"]) == ("no-node-yet", "empty", ["empty"])
    assert node_of(body, "air-02")["worries"] == ["never"]
    assert tile_of(body, "reporting")["level"] == "bad" and tile_of(body, "reporting")["advice"] == "many"


def test_completeness_counts_reports_that_came_of_those_that_are_overdue(city):
    reports(city, "flood-01", [26 * 60])  # it has stood there for more than a day
    kept = [ago for ago in range(125) if not 20 <= ago < 50]
    reports(city, "flood-01", kept)
    row = node_of(ask(city), "flood-01")
    # The last three may still come; thirty of the sixty before them did not.
    assert row["reports"]["hour"] == {"received": 30, "expected": 60}
    assert row["reports"]["day"] == {"received": 125 - 30 - 3, "expected": 1440}
    assert row["worries"] == ["incomplete"]


def test_a_report_of_many_records_counts_once_and_a_few_seconds_of_jitter_do_not(city):
    reports(city, "flood-01", [26 * 60])
    for ago in range(2, 64):  # six records in each minute, in batches that come seconds off the minute
        city.feed("flood-01", {T.WATER_DISTANCE: [4000] * 6}, ago_s=60 * ago + (7 * ago) % 9, every_s=1)
    assert node_of(ask(city), "flood-01")["reports"]["hour"] == {"received": 60, "expected": 60}


def test_what_comes_late_is_complete_again_and_a_new_node_owes_nothing_from_before_it(city):
    reports(city, "flood-02", [10])
    row = node_of(ask(city), "flood-02")
    assert row["reports"]["day"] == {"received": 1, "expected": 8}  # from its first report until two minutes ago
    city.feed("flood-02", {T.WATER_DISTANCE: [4000] * 9}, ago_s=60)  # a batch with what was missing
    assert node_of(_recounted(city), "flood-02")["reports"]["day"] == {"received": 8, "expected": 8}


def test_counts_that_are_kept_for_a_minute_are_held_against_what_was_due_when_they_were_made(tmp_path):
    clock = [NOW_MS]
    made = City(tmp_path, now_ms=lambda: clock[0])
    reports(made, "flood-01", range(61))
    before = node_of(ask(made), "flood-01")["reports"]
    clock[0] += 10 * 60_000
    assert node_of(ask(made), "flood-01")["reports"] == before
    made.close()


def _recounted(city):
    """What another page's process would count: counts are kept for a minute."""
    from pantau.web.app import create_app

    app = create_app(city.store, city.bridge, public_read=True, city="tng", now_ms=lambda: NOW_MS)
    return TestClient(app).get("/api/network").json()


def test_a_node_says_how_it_is_and_what_needs_somebody(city):
    reports(city, "flood-01", [0])
    city.say_health("flood-01", battery_mv=3290, rssi=-93, overwritten_records=7, clock_source=2, utc_ms=NOW_MS + 9000)
    city.say_health("flood-02", firmware="0.0.9", battery_mv=4100)
    body = ask(city)
    row = node_of(body, "flood-01")
    assert row["worries"] == ["battery", "overwritten", "clock", "rssi"]
    assert (row["clock_source"], row["clock_offset_ms"], row["uptime_s"]) == ("sntp", 9000, 5)
    assert body["firmware"] == [
        {"version": "0.1.0", "nodes": 1, "behind": 0},
        {"version": "0.0.9", "nodes": 1, "behind": 1},
    ]
    batteries = tile_of(body, "batteries")
    assert batteries["level"] == "bad" and batteries["figures"][0]["about"] == "flood-01" and batteries["at"]
    levels = [network_tiles.LEVELS.index(one["level"]) for one in body["tiles"]]
    assert levels == sorted(levels)


def test_firmware_is_ordered_by_release_and_then_by_number():
    row = {"worries": [], "release": None}
    rows = [row | {"firmware": version} for version in ("0.9.0", "0.10.0", "0.9.0")]
    assert [one["version"] for one in network.firmware(network.with_behind(rows))] == ["0.10.0", "0.9.0"]
    rows.append(row | {"firmware": "0.8.1", "release": 4})
    assert network.firmware(network.with_behind(rows))[0] == {"version": "0.8.1", "nodes": 1, "behind": 0}


def test_restarts_of_a_day_are_counted_from_boots(city):
    reports(city, "flood-01", [26 * 60])
    for boot, ago in enumerate((600, 400, 200, 100), start=2):
        reports(city, "flood-01", [ago], boot=boot)
    row = node_of(ask(city), "flood-01")
    assert row["restarts"] == 3 and "restarts" in row["worries"]


def test_staff_reads_the_bridges_words_and_the_public_no_hosts_nor_paths(city, monkeypatch):
    city.bridge.wrong = [TROUBLE]
    city.bridge.numbers = {'sink_lag_frames{sink="postgres"}': 9.0, 'sink_working{sink="postgres"}': 0.0}
    public = TestClient(city.app).get("/api/network").text
    assert not any(secret in public for secret in ("db.city", "10.0.0.3", "/etc"))
    assert "sink postgres: " in public and "is away; look at " in public
    monkeypatch.setattr(gate, "ANYBODY", Who("viewer-1", Role.VIEWER, "session"))
    body = ask(city)
    assert body["problems"] == [TROUBLE]
    assert body["sinks"][0]["working"] is False and body["sinks"][0]["trouble"].startswith("server at ")
    assert tile_of(body, "sinks")["level"] == "bad"


@pytest.mark.parametrize(
    "said",
    [
        "broker mqtts://user:secret@mqtt.city.example:8883/x refuses",
        "postgresql: host=db-1.internal user=pantau refuses",
        "/var/lib/pantau/spool.sqlite3: disk I/O error",
        "no route to [fd00::12]:8883 or fe80:0:0::1",
        "mail to duty@city.example waits",
        "could not translate host name 'db-1' to address; localhost:5432 too",
        "look at ~/.pantau/keys.json",
    ],
)
def test_what_is_redacted(said):
    shown = network.redacted(said)
    secrets = ("city", "secret", "internal", "/var", "fd00", "fe80", "duty", "5432", "8883", "~", "db-1")
    assert not any(secret in shown for secret in secrets), shown


def test_what_to_do_survives_the_redaction():
    said = "spool: 900 of 1000 MiB used; raise [spool] max_mib in pantau.toml and/or see 0.5 s, 3/4"
    assert network.redacted(said) == said


@pytest.mark.parametrize(
    "figures, name, level, advice",
    [
        ({"spool_bytes": 91.0, "spool_limit_bytes": 100.0}, "spool", "bad", "full"),
        ({"spool_bytes": 10.0, "spool_limit_bytes": 100.0}, "spool", "good", "room"),
        ({"disk_free_bytes": 9.0, "disk_size_bytes": 100.0}, "disk", "bad", "low"),
        ({"broker_connected": 0.0}, "broker", "bad", "down"),
        ({'sink_lag_frames{sink="a"}': 1.0, 'sink_lag_seconds{sink="a"}': 601.0}, "sinks", "watch", "lags"),
        ({'certificate_expires_seconds{of="ca"}': 29 * 86400.0}, "certificates", "watch", "soon"),
        ({'certificate_expires_seconds{of="ca"}': -5.0}, "certificates", "bad", "ended"),
        ({"backup_time_seconds": 0.0}, "backup", "watch", "never"),
        ({"quarantine_entries": 3.0}, "quarantine", "watch", "look"),
        ({'commit_seconds{quantile="0.99"}': 0.06}, "commits", "watch", "slow"),
        ({'notices_waiting{channel="m"}': 2.0, 'notice_channel_working{channel="m"}': 0.0}, "notices", "bad", "down"),
        ({'notices_waiting{channel="m"}': 1.0, 'notices_oldest_seconds{channel="m"}': 90.0}, "notices", "watch", "waiting"),
        ({'notices_failed_total{channel="m"}': 1.0}, "notices", "watch", "failed"),
    ],
)  # fmt: skip
def test_what_a_figure_comes_to(figures, name, level, advice):
    seen = snapshot.Figures(figures)
    state = snapshot.build(figures, [], city="tng", now_ms=NOW_MS)
    found = network_tiles.tiles(seen, state, [], network.totals([]), None, NOW_MS)
    made = next(one for one in found if one["id"] == name)
    assert (made["level"], made["advice"]) == (level, advice)


def test_the_limits_are_those_of_the_rules_that_ship():
    rules = {rule.name: rule.condition for rule in RULES_OF_BRIDGE}
    t = network_tiles
    for name, limit in (
        ("PantauSpoolFills", f"> {t._SPOOL_HIGH} *"),
        ("PantauDiskLow", f"< {t._DISK_LOW} *"),
        ("PantauSinkLags", f"> {t._SINK_LAG_S}"),
        ("PantauCommitSlow", f"> {t._COMMIT_SLOW_S}"),
        ("PantauCertificateEnds", f"< {t._CERTIFICATE_S // 86400} * 86400"),
        ("PantauNoBackup", f"> {t._BACKUP_S // 86400} * 86400"),
        ("PantauNodesOffline", f"> {t._OFFLINE_MANY} *"),
    ):
        assert limit in rules[name], name
    battery = load(None).rules["battery-low"]
    assert [level.value for level in battery.levels] == [network.BATTERY_LOW_MV, network.BATTERY_EMPTY_MV]


def test_what_there_is_no_figure_for_has_no_tile(city):
    assert {one["id"] for one in ask(city)["tiles"]} == {"reporting", "complete", "rate"}


def test_closed_reading_is_refused_and_a_lost_store_is_503_in_words(tmp_path):
    made = City(tmp_path, public_read=False)
    assert TestClient(made.app).get("/api/network").status_code in (401, 403)
    made.close()
    (tmp_path / "open").mkdir()
    made = City(tmp_path / "open")
    made.store._db.execute("DROP TABLE placements")
    answer = TestClient(made.app).get("/api/network")
    assert answer.status_code == 503 and answer.headers["content-type"] == "application/problem+json"
    made.close()
