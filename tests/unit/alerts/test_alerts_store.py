from __future__ import annotations

import json
import sqlite3

import pytest
from click.testing import CliRunner

from pantau.alerts import schema, store
from pantau.alerts.engine import Engine
from pantau.alerts.reads import AlertReader
from pantau.alerts.store import AlertStore
from pantau.cli import pantau
from unit.alerts import alert_kit as kit
from unit.alerts.alert_kit import MINUTE, T0, told


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alerts.sqlite3"


@pytest.fixture
def feed():
    return kit.Feed()


def opened(path, text=kit.LEVEL, registry=None, **more) -> AlertStore:
    return AlertStore(path, kit.rules(text), registry or kit.city("a", "b"), **more)


def kinds(verdicts) -> list[str]:
    return [verdict.kind for verdict in verdicts]


def test_a_delivery_is_judged_once_and_the_position_is_in_the_same_commit(path, feed):
    alerts = opened(path)
    heard = []
    stop = alerts.subscribe(heard.append)
    batch = [feed.frame(at=T0, values=[1.2]), feed.frame("b", at=T0, values=[0.1])]
    assert kinds(alerts.deliver(batch)) == ["stored", "stored"]
    assert [told(recorded) for recorded in heard] == [["open a:minor"]]
    assert alerts.position() == 2
    assert kinds(alerts.deliver(batch)) == ["duplicate", "duplicate"]
    assert len(heard) == 1
    stop()
    alerts.deliver([feed.frame(at=T0 + MINUTE, values=[1.7])])
    assert len(heard) == 1
    figures = alerts.figures()
    assert (figures['alerts_open{severity="moderate"}'], figures['alerts_open{severity="minor"}']) == (1, 0)
    assert (figures['alerts_raised_total{severity="minor"}'], figures['alerts_raised_total{severity="moderate"}']) == (
        1,
        1,
    )
    alerts.close()
    again = opened(path)
    assert again.position() == 3
    assert told(again.acknowledge(1, "Regu 2", T0 + MINUTE)) == ["acknowledge a:moderate"]
    again.close()


def test_a_new_store_can_begin_where_the_log_is(path, feed):
    alerts = opened(path, start=1)
    old, new = feed.frame(at=T0, values=[1.2]), feed.frame("b", at=T0 + 1, values=[1.2])
    heard = []
    alerts.subscribe(heard.append)
    assert kinds(alerts.deliver([old, new])) == ["duplicate", "stored"]
    assert [told(recorded) for recorded in heard] == [["open b:minor"]]
    alerts.close()


def test_trouble_of_the_file_is_retry_and_neither_loses_nor_repeats(path, feed):
    alerts = opened(path)
    blocker = sqlite3.connect(path, isolation_level=None)
    alerts._db.execute("PRAGMA busy_timeout = 1")
    blocker.execute("BEGIN IMMEDIATE")
    frame = feed.frame(at=T0, values=[1.2])
    (verdict,) = alerts.deliver([frame])
    assert verdict.kind == "retry" and "nothing of the batch was applied" in verdict.reason
    blocker.execute("ROLLBACK")
    # trouble in the middle of the writing: the fold goes back with the file
    blocker.execute("CREATE TRIGGER full BEFORE INSERT ON decisions BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    assert kinds(alerts.deliver([frame])) == ["retry"]
    blocker.execute("DROP TRIGGER full")
    assert kinds(alerts.deliver([frame])) == ["stored"]
    with_reader = AlertReader(path)
    assert [entry.action for entry in with_reader.decisions_after(0)] == ["open"]
    with_reader.close()
    blocker.close()
    alerts.close()


def test_a_frame_that_brings_out_a_defect_is_rejected_alone_and_judged_after_the_repair(path, feed, monkeypatch):
    alerts = opened(path)
    bad, good = feed.frame(at=T0, values=[1.2]), feed.frame("b", at=T0, values=[1.2])
    sound = Engine.observe

    def broken(self, frame):
        if frame.id == bad.id:
            self.spots.get("a").heard_ms = 1  # half done
            raise ZeroDivisionError("oops")
        return sound(self, frame)

    monkeypatch.setattr(Engine, "observe", broken)
    verdicts = alerts.deliver([bad, good])
    assert kinds(verdicts) == ["rejected", "stored"] and "ZeroDivisionError: oops" in verdicts[0].reason
    monkeypatch.setattr(Engine, "observe", sound)
    heard = []
    alerts.subscribe(heard.append)
    alerts.deliver([bad])
    assert [told(recorded) for recorded in heard] == [["open a:minor"]]
    alerts.close()


def test_what_is_read_is_worst_first_and_explained(path, feed):
    alerts = opened(path, registry=kit.city("a", "b", "c"))
    for index, (name, value) in enumerate([("a", 1.2), ("b", 2.2), ("c", 1.2)]):
        alerts.deliver([feed.frame(name, at=T0 + index, values=[value])])
    alerts.deliver([feed.frame("a", at=T0 - 300 * MINUTE, received=T0 + 10, values=[2.5])])
    alerts.deliver([feed.frame("a", at=T0 + m * MINUTE, values=[0]) for m in range(1, 5)])
    reader = AlertReader(path)
    assert [(one.alert.station, one.alert.past) for one in reader.open_alerts()] == [
        ("b", False),
        ("c", False),
        ("a", True),
    ]
    assert [one.alert.id for one in reader.history(limit=2)] == [4, 3]
    assert [one.alert.id for one in reader.history(station="a", before=4)] == [1]
    ended = reader.alert(1)
    assert ended.alert.closed_ms == T0 + 3 * MINUTE and ended.english.startswith("Ended")
    first, last = reader.explain(1)
    assert (first.action, last.action) == ("open", "clear")
    assert (
        first.explanation["figures"][0] | {"value": 1.2, "quality": 1, "node": "na"} == first.explanation["figures"][0]
    )
    assert first.explanation["limits"]["levels"][0]["value"] == 1.0
    assert reader.decisions_after(first.number, 1)[0].number == first.number + 1
    assert reader.last_number() == reader.decisions_after(0)[-1].number
    assert reader.alert(99) is None and reader.explain(99) == []
    reader.close()
    alerts.close()


def test_the_log_is_written_once_and_kept_so_long(path, feed):
    alerts = opened(path, "[settings]\nkeep_days = 30\n" + kit.LEVEL)
    alerts.deliver([feed.frame(at=T0 + m * MINUTE, values=[v]) for m, v in enumerate([1.2, 0, 0, 0])])
    alerts.deliver([feed.frame("b", at=T0, values=[1.2])])
    with pytest.raises(sqlite3.IntegrityError, match="written once"):
        alerts._db.execute("UPDATE decisions SET english = 'never happened'")
    alerts.tick(T0 + 29 * 86_400_000)
    reader = AlertReader(path)
    assert len(reader.history()) == 2
    alerts.tick(T0 + 31 * 86_400_000)
    assert [one.alert.station for one in reader.history()] == ["b"]
    assert reader.explain(1) == [] and [entry.action for entry in reader.explain(2)] == ["open"]
    newest = reader.last_number()
    reader.close()
    (made,) = alerts.acknowledge(2, "Regu", T0)
    assert made.number == newest + 1
    alerts.close()


def test_a_tick_without_news_writes_nothing(path):
    alerts = opened(path)
    alerts.tick(T0)
    before = alerts._db.total_changes
    for second in range(1, 50):
        alerts.tick(T0 + 1000 * second)
    assert alerts._db.total_changes == before
    alerts.close()


def test_files_of_other_versions(path, monkeypatch):
    opened(path).close()
    step = "CREATE TABLE news (id INTEGER PRIMARY KEY);"
    with monkeypatch.context() as newer:
        newer.setattr(store, "MIGRATIONS", (*schema.MIGRATIONS, step))
        newer.setattr(store, "VERSION", schema.VERSION + 1)
        alerts = opened(path)
        assert [row[0] for row in alerts._db.execute("SELECT version FROM migrations")] == [1, 2]
        alerts._db.execute("SELECT id FROM news")
        alerts.close()
    with pytest.raises(RuntimeError, match="store version 2, this Pantau writes 1"):
        opened(path)
    with pytest.raises(RuntimeError, match="store version 2"):
        AlertReader(path)


def test_the_commands_list_and_explain(tmp_path, feed):
    (tmp_path / "pantau.toml").write_text('[bridge]\ncity = "tng"\n[mqtt]\nhost = "localhost"\n')
    config = ["-c", str(tmp_path / "pantau.toml")]
    said = CliRunner().invoke(pantau, ["alerts", "list", *config])
    assert said.exit_code == 2 and "has not run yet" in said.output
    (tmp_path / "data").mkdir()
    alerts = opened(tmp_path / "data" / "alerts.sqlite3")
    alerts.deliver([feed.frame(at=T0, values=[1.2]), feed.frame("b", at=T0, values=[1.7])])
    alerts.deliver([feed.frame("b", at=T0 + m * MINUTE, values=[0]) for m in range(1, 5)])
    alerts.close()
    listed = CliRunner().invoke(pantau, ["alerts", "list", *config])
    assert (
        listed.exit_code == 0
        and "Kali a" in listed.output
        and "Kali b" not in listed.output
        and "1 alerts" in listed.output
    )
    every = CliRunner().invoke(pantau, ["alerts", "list", "--all", "--lang", "id", *config])
    assert "Selesai: Tinggi muka air, Kali b" in every.output and "2 peringatan" in every.output
    lines = CliRunner().invoke(pantau, ["alerts", "list", "--json", *config]).output.splitlines()
    assert json.loads(lines[0])["station"] == "a" and len(lines) == 1
    told_ = CliRunner().invoke(pantau, ["alerts", "explain", "2", *config])
    assert told_.exit_code == 0 and "at or above 1.5 m" in told_.output and "nb 1/0/0" in told_.output
    assert CliRunner().invoke(pantau, ["alerts", "explain", "9", *config]).exit_code == 2
