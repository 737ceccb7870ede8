"""The PostgreSQL sink on its real server: what the server refuses, and its trouble."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import replace

import psycopg
import pytest

from integration.test_bridge_tls import certify
from pantau.model import Revision
from pantau.sinks import _postgres_link
from sinks import kit as kits
from sinks.kit import T0_S, check


@pytest.fixture
def kit(postgres):
    return postgres[0]


@pytest.fixture
def town(postgres):
    return next(postgres[1])


@pytest.fixture
def sink(kit):
    opened = kit.open()
    yield opened
    opened.close()


@pytest.fixture
def empty(kit):
    """The kit with a database that nobody has used; the others get theirs back as it was."""
    with kit.another():
        yield kit


def kinds(verdicts):
    return [verdict.kind for verdict in verdicts]


# What the server refuses


def test_a_row_that_the_server_refuses_is_found_and_the_others_are_stored(kit, town, sink):
    sink.deliver([town.level(1499)])
    ((level,),) = kit.ask("SELECT id FROM pantau.properties WHERE property = 'water_level'")
    kit.ask(f"ALTER TABLE pantau.observations ADD CONSTRAINT dry CHECK (property <> {level} OR value < 6.4)")
    try:
        log = [
            town.level(1500),
            town.level(1501, 50, 1502, at_s=T0_S + 300),
            town.road(7),
            town.level(1503, at_s=T0_S + 900),
        ]
        verdicts = sink.deliver(log)
        assert kinds(verdicts) == ["stored", "rejected", "stored", "stored"]
        assert verdicts[1].reason.startswith("1 of 12 observations: water_level[1]:")
        assert "dry" in verdicts[1].reason and "23514" in verdicts[1].reason
        odd = next(o for o in log[1].observations if o.property == "water_level" and o.index == 1)
        town.said[2] = replace(log[1], observations=tuple(o for o in log[1].observations if o is not odd))
        check(kit, town)
        assert sink.position() == log[-1].id
        assert kinds(sink.deliver(log)) == ["duplicate", "rejected", "duplicate", "duplicate"]
        check(kit, town)
    finally:
        kit.ask("ALTER TABLE pantau.observations DROP CONSTRAINT dry")


def test_health_that_json_can_say_and_jsonb_cannot(kit, town, sink):
    odd = town.instead(town.level(1500), health={"firmware": "1\0"})
    verdicts = sink.deliver([odd, town.level(1501, at_s=T0_S + 60)])
    assert kinds(verdicts) == ["rejected", "stored"]
    check(kit, town)
    assert "22P05" in verdicts[0].reason


def test_a_revision_that_cannot_be_held_is_told_with_its_frame(kit, town, sink):
    first = town.level(1500)
    odd = town.instead(town.state(), revisions=(Revision(first.observations[0].key, 4, "spike", "", 10**17),))
    verdicts = sink.deliver([first, odd])
    assert kinds(verdicts) == ["stored", "rejected"] and "revision of water_distance[0]" in verdicts[1].reason
    check(kit, town, [first])


# Trouble


def test_a_server_that_stops_answering_is_left_within_the_time(kit, town, monkeypatch):
    monkeypatch.setattr(_postgres_link, "_GRACE_S", 0.2)
    sink = kit.open(timeout_s=0.5)
    sink.deliver([town.level(1500)])
    ((pid,),) = kit.ask(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pantau' ORDER BY backend_start DESC LIMIT 1"
    )
    os.kill(pid, signal.SIGSTOP)
    try:
        (verdict,) = sink.deliver([town.level(1501, at_s=T0_S + 60)])
    finally:
        os.kill(pid, signal.SIGCONT)
    assert verdict.kind == "retry" and "has not answered for 0.5 s" in verdict.reason
    assert kinds(sink.deliver(town.said)) == ["duplicate", "stored"]
    check(kit, town)
    sink.close()


def test_somebody_holds_a_lock(kit, town):
    sink = kit.open(timeout_s=0.3)
    sink.deliver([])
    with psycopg.connect(f"{kit.server.url}/city") as other:
        other.execute("LOCK TABLE pantau.newest IN EXCLUSIVE MODE")
        (verdict,) = sink.deliver([town.level(1500)])
    assert verdict.kind == "retry" and "57014" in verdict.reason and "pg_stat_activity" in verdict.reason
    assert kinds(sink.deliver(town.said)) == ["stored"]
    sink.close()


def test_a_database_of_an_earlier_time_gets_again_what_it_lacks(kit, town, sink):
    sink.deliver([one := town.level(1500)])
    sink.close()
    kit.server.psql("CREATE DATABASE copied TEMPLATE city")
    sink = kit.open()
    sink.deliver([two := town.level(1501, at_s=T0_S + 60)])
    kit.server.drop("city")
    kit.server.psql("ALTER DATABASE copied RENAME TO city")
    three = town.level(1502, at_s=T0_S + 120)
    assert kinds(sink.deliver([three])) == ["retry"]  # the connection is gone
    (verdict,) = sink.deliver([three])
    assert verdict.kind == "retry" and f"through frame {one.id}, and held it through {two.id}" in verdict.reason
    assert sink.position() == one.id
    assert kinds(sink.deliver([two, three])) == ["stored", "stored"]
    check(kit, town)
    sink.close()


def test_what_a_crash_takes_back_goes_with_its_position(kit, town):
    sink = kit.open()
    for n in range(5):
        assert kinds(sink.deliver([town.level(1500 + n, at_s=T0_S + 60 * n)])) == ["stored"]
    sink.close()
    kit.server.stop(crash=True)
    kit.server.start()
    sink = kit.open()
    has = sink.position()
    check(kit, town, [frame for frame in town.said if frame.id <= has])
    sink.deliver([frame for frame in town.said if frame.id > has])
    check(kit, town)
    sink.close()


def test_tables_that_somebody_dropped_while_we_deliver_are_made_again(empty):
    town, sink = next(kits.towns()), empty.open()
    sink.deliver([one := town.level(1500)])
    empty.ask("DROP SCHEMA pantau CASCADE")
    (verdict,) = sink.deliver([two := town.level(1501, at_s=T0_S + 60)])
    assert verdict.kind == "retry" and "made anew" in verdict.reason and sink.position() == 0
    assert kinds(sink.deliver([one, two])) == ["stored", "stored"]
    check(empty, town)
    sink.close()


@pytest.mark.parametrize(
    "prepare, words",
    [
        ("CREATE SCHEMA pantau; CREATE TABLE pantau.theirs ()", "not Pantau's"),
        (
            "DROP EXTENSION postgis; CREATE ROLE poor LOGIN; GRANT CREATE ON DATABASE city TO poor",
            "CREATE EXTENSION postgis",
        ),
    ],
)
def test_a_database_that_is_not_for_us_is_left_alone(empty, prepare, words):
    empty.ask(prepare)
    sink = empty.open(user="poor" if "poor" in prepare else "postgres")
    assert sink.position() is None
    (verdict,) = sink.deliver([next(kits.towns()).level(1500)])
    assert verdict.kind == "retry" and words in verdict.reason
    sink.close()


def test_tables_of_a_newer_pantau_are_refused(empty):
    sink = empty.open()
    sink.deliver([])
    empty.ask("UPDATE pantau.about SET version = 99")
    sink.close()
    sink = empty.open()
    (verdict,) = sink.deliver([next(kits.towns()).level(1500)])
    sink.close()
    assert verdict.kind == "retry" and "version 99" in verdict.reason and "newer" in verdict.reason


def test_a_role_that_owns_its_schema_needs_no_other_right(empty):
    empty.ask("CREATE ROLE writer LOGIN; CREATE SCHEMA kota AUTHORIZATION writer")
    town = next(kits.towns())
    sink = empty.open(user="writer", schema="kota")
    assert kinds(sink.deliver(town.day())) == ["stored"] * 6
    assert empty.ask("SELECT count(*) FROM kota.readings") == [(38,)]
    assert "kota.readings" in sink.find(town.said[0].observations[0])
    sink.close()


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"dbname": "nowhere"}, "create the role and the database"),
        ({"lab_plain": False}, "switch on TLS"),
        ({"port": 1}, "correct host and port"),
    ],
)
def test_a_server_that_does_not_let_us_in(kit, town, settings, words):
    sink = kit.open(**settings)
    (verdict,) = sink.deliver([town.level(1500)])
    assert verdict.kind == "retry" and words in verdict.reason, verdict.reason
    assert sink.position() is None


def test_tls_with_a_verified_name(kit, town, tmp_path):
    ca = certify(tmp_path, "ca")
    certify(tmp_path, "server", ca)  # for the name localhost
    certify(tmp_path, "stranger")
    for name, there in (("server.pem", "server.crt"), ("server.key", "server.key")):
        shutil.copyfile(tmp_path / name, kit.server.data / there)
        shutil.chown(kit.server.data / there, *kit.server.owner)
        (kit.server.data / there).chmod(0o600)
    kit.ask("ALTER SYSTEM SET ssl = on")
    kit.ask("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while kit.ask("SHOW ssl") != [("on",)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    log = [town.level(1500)]
    wrong = {"stranger.pem": ("localhost", "check ca"), "ca.pem": ("127.0.0.1", "check ca")}
    for name, (host, words) in wrong.items():
        sink = kit.open(host=host, lab_plain=False, ca=str(tmp_path / name))
        (verdict,) = sink.deliver(log)
        assert verdict.kind == "retry" and words in verdict.reason, verdict.reason
    sink = kit.open(host="localhost", lab_plain=False, ca=str(tmp_path / "ca.pem"))
    assert kinds(sink.deliver(log)) == ["stored"]
    assert kit.ask(
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'pantau'"
    ) == [(True,)]
    sink.close()
