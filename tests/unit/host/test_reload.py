"""Files of a running bridge that change: what the plan says, and that a wrong file changes nothing until it is right."""

from __future__ import annotations

import os
import pickle
from importlib import resources

import pytest

from pantau import keys as key_file
from pantau.alerts.rules import RuleSet
from pantau.config import SinksTable, SqliteTable
from pantau.keys import Keys
from pantau.problems import ConfigError
from pantau.reload import plan
from pantau.watcher import Watcher
from unit.host import bridge_kit as kit

CONFIG = '[bridge]\ncity = "tng"\n[mqtt]\nhost = "h"\ntls = false\nlab_plain = true\n'


class Files:
    """The files of one bridge, and a watcher that has read them."""

    def __init__(self, folder):
        self.folder = folder
        self.config, self.registry, self.keys = (folder / n for n in ("pantau.toml", "registry.toml", "keys.json"))
        self.put(self.config, CONFIG)
        self.put(self.registry, kit.REGISTRY)
        key_file.save(self.keys, kit.KEYS)
        self.watcher = Watcher(self.config)

    @staticmethod
    def put(path, text):
        """Write, with a time of its own even where the clock of the file system is coarse."""
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text(text)
        if path.stat().st_mtime_ns == before:
            os.utime(path, ns=(before + 1, before + 1))

    def edit(self, path, old, new):
        text = path.read_text()
        assert old in text
        self.put(path, text.replace(old, new, 1))

    def plan(self):
        """Return what the second look finds; the first only sees that something moves."""
        assert self.watcher.look() is None
        return self.watcher.look()

    def said(self):
        plan = self.plan()
        assert plan is not None
        return "\n".join(plan.words())


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def test_nothing_changed_is_nothing_to_do_and_a_touch_is_no_change(files):
    before = files.watcher.setup
    assert files.watcher.look() is None
    assert files.watcher.setup is before
    os.utime(files.registry, ns=(1, 1))
    assert files.plan() is None
    assert files.watcher.problems() == files.watcher.notes() == []


def test_a_file_is_read_once_it_is_still(files):
    half = kit.REGISTRY.split("[[node]]")[0]  # valid TOML, and every node gone
    files.put(files.registry, half)
    assert files.watcher.look() is None
    files.put(files.registry, kit.REGISTRY + "from = 2026-01-01T00:00:00Z\n")
    assert files.watcher.look() is None
    assert files.watcher.setup.registry.nodes == (kit.NODE, kit.OTHER)
    plan = files.watcher.look()
    assert plan is not None and [c.subject for c in plan.changes] == ["node air-02"]
    assert files.watcher.setup.registry.place_of(kit.OTHER, 0) is None


def test_what_is_written_while_it_is_read_is_not_taken(files, monkeypatch):
    files.edit(files.registry, "Kali Angke", "Kali Angke hilir")
    assert files.watcher.look() is None
    from pantau import watcher

    real = watcher.survey

    def meanwhile(*args, **options):
        found = real(*args, **options)
        files.edit(files.registry, "hilir", "hulu")
        return found

    monkeypatch.setattr(watcher, "survey", meanwhile)
    assert files.watcher.look() is None
    monkeypatch.setattr(watcher, "survey", real)
    assert files.watcher.setup.registry.stations["angke"].name == "Kali Angke"
    assert "'Kali Angke' -> 'Kali Angke hulu'" in files.said()


def test_made_wrong_the_old_stays_until_it_is_right_again(files):
    before = files.watcher.setup
    files.edit(files.registry, "latitude", "latitud")
    files.edit(files.config, 'city = "tng"', 'city = "tng"\nlog_level = "debug"')
    assert files.plan() is None
    assert files.watcher.setup is before  # the config was right, and waits for the rest
    found = files.watcher.problems()
    assert len(found) == 2 and "station[0].latitud: unknown key; did you mean latitude?" in found[1]
    assert files.watcher.look() is None
    assert files.watcher.problems() == found
    files.put(files.config, "not toml")
    assert files.plan() is None
    assert "is not TOML" in files.watcher.problems()[0]
    files.put(files.config, CONFIG.replace('"tng"', '"tng"\nlog_level = "debug"'))
    files.edit(files.registry, "latitud ", "latitude ")
    plan = files.plan()
    assert plan is not None and plan.words() == ["bridge.log_level: 'info' -> 'debug'"]
    assert plan.touches("config", "bridge.log_level") and not plan.touches("registry")
    assert files.watcher.problems() == []
    assert files.watcher.setup.config.bridge.log_level == "debug"


def test_a_key_file_opened_to_others_is_a_problem_and_closed_it_is_none(files):
    files.keys.chmod(0o644)
    assert files.plan() is None
    assert "chmod 600" in files.watcher.problems()[0]
    files.keys.chmod(0o600)
    assert files.plan() is None
    assert files.watcher.problems() == []


def test_a_missing_file_and_one_that_comes_back(files):
    text = files.registry.read_text()
    files.registry.unlink()
    assert files.plan() is None
    assert "cannot be read" in files.watcher.problems()[0]
    files.put(files.registry, text)
    assert files.plan() is None
    assert files.watcher.problems() == []


def test_now_does_not_wait(files):
    files.edit(files.registry, "Kali Angke", "Kali Angke hilir")
    plan = files.watcher.look(now=True)
    assert plan is not None and plan.touches("registry")


def test_what_needs_a_restart_is_said_and_the_old_value_stays(files):
    files.edit(files.config, 'city = "tng"', 'city = "jkt"\ndata_dir = "elsewhere"\nlog_level = "debug"')
    plan = files.plan()
    assert plan is not None
    assert {c.subject for c in plan.waiting} == {"bridge.city", "bridge.data_dir"}
    assert "bridge.city: 'tng' -> 'jkt'; the old value holds until the bridge is restarted" in plan.words()
    config = files.watcher.setup.config
    assert (config.bridge.city, config.bridge.data_dir) == ("tng", files.folder / "data")
    assert config.bridge.log_level == "debug"
    assert len(files.watcher.notes()) == 2
    files.edit(files.registry, "Kali Angke", "Kali Angke hilir")
    assert files.plan().touches("registry")
    assert len(files.watcher.notes()) == 2
    files.put(files.config, CONFIG)
    assert files.plan().words() == ["bridge.log_level: 'debug' -> 'info'"]
    assert files.watcher.notes() == []


def test_another_registry_and_its_own_changes_are_followed(files):
    other = files.folder / "other.toml"
    files.put(other, kit.REGISTRY.replace("Kali Angke", "Kali lain"))
    files.edit(files.config, 'city = "tng"', 'city = "tng"\nregistry = "other.toml"')
    assert "Kali lain" in files.said()
    for _ in range(3):  # the file that is new to the watcher is looked at once more
        assert files.watcher.look() is None
    files.edit(other, "Kali lain", "Kali baru")
    assert "'Kali lain' -> 'Kali baru'" in files.said()


def test_a_password_written_anew_waits_for_a_restart(files):
    password = files.folder / "mqtt.password"
    password.touch(mode=0o600)
    files.edit(files.config, 'host = "h"', 'host = "h"\nuser = "u"\npassword_file = "mqtt.password"')
    watcher = Watcher(files.config)
    files.put(password, "secret")
    assert watcher.look() is None
    plan = watcher.look()
    assert plan is not None and [c.subject for c in plan.waiting] == ["mqtt.password_file"]
    assert "secret" not in "".join(plan.words() + watcher.notes())


def test_a_node_that_is_removed_and_one_that_has_no_key(files):
    text = kit.REGISTRY.replace('[[node]]\nid = "air-02"', '[[node]]\nid = "air-03"')
    files.put(files.registry, text)
    said = files.said()
    assert "node air-03: new, at angke" in said
    assert "node air-02: gone; what it still sends is quarantined as unknown_node" in said
    assert "air-03 has no key" in files.watcher.notes()[0]


def test_a_renamed_station_is_told_from_one_with_a_new_id(files):
    files.edit(files.registry, "Kali Angke", "Kali Angke hilir")
    assert files.said() == "station angke: name 'Kali Angke' -> 'Kali Angke hilir'"
    files.put(files.registry, files.registry.read_text().replace('"angke"', '"angke-hilir"'))
    said = files.said()
    assert "station angke: gone" in said and "keep the id angke" in said
    assert "node flood-01: now at angke-hilir" in said


def test_a_survey_in_the_past_says_that_decoded_values_stay(files):
    survey = '[[calibration]]\nstation = "angke"\nversion = 1\nsensor_height_m = 4.1\nto = 2026-01-01T00:00:00Z\n'
    files.put(files.registry, kit.REGISTRY + survey)
    assert "until it is replayed" in files.said()


def test_keys_are_named_and_never_shown(files):
    new = bytes(range(64, 96))
    key_file.save(files.keys, Keys({kit.NODE: ({0: kit.KEY, 1: new}, 1), "new-1": ({0: new}, 0)}))
    said = files.said()
    assert "node flood-01: key 1 added, we sign with key 1" in said
    assert "node new-1: has a key now" in said
    assert "node air-02: has no key any more" in said
    assert new.hex() not in said


def test_the_full_disk_of_a_running_bridge_does_not_refuse_what_makes_room(files, monkeypatch):
    files.edit(files.config, 'city = "tng"', 'city = "tng"\nlog_level = "debug"')
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert files.said() == "bridge.log_level: 'info' -> 'debug'"


def test_wrong_from_the_start_is_an_error(files):
    files.edit(files.registry, "latitude", "latitud")
    with pytest.raises(ConfigError):
        Watcher(files.config)


def test_of_very_many_changes_the_first_and_their_number_are_said(files):
    more = "".join(f'[[node]]\nid = "n-{i}"\nstation = "angke"\n' for i in range(500))
    files.put(files.registry, kit.REGISTRY + more)
    assert files.said().endswith("and 460 more")


def test_alert_rules_and_the_page_s_store(files):
    shipped = files.watcher.setup.rules
    late, *others = shipped.rules.values()
    fewer = RuleSet([late.model_copy(update={"name": "Terlambat"}), late.model_copy(update={"id": "own"}), *others[1:]])
    old = files.watcher.setup
    store = SinksTable(sqlite=SqliteTable(path=files.folder / "other.sqlite3"))
    config = old.config.model_copy(update={"sinks": store})
    planned = plan(old, old._replace(config=config, rules=fewer))
    assert [(c.subject, c.live) for c in planned.changes] == [
        ("sinks.sqlite.path", False), (f"rule {late.id}", True), ("rule own", True), (f"rule {others[0].id}", True),
    ]  # fmt: skip
    assert planned.touches("alerts") and not planned.touches("config")
    assert planned.setup.config == old.config


def test_own_rules_are_followed_and_checked_against_the_stations(files):
    rules = files.folder / "alerts.toml"
    shipped = resources.files("pantau").joinpath("templates", "alerts.toml").read_text()
    files.put(rules, shipped)
    files.edit(files.config, 'city = "tng"', 'city = "tng"\n[alerts]\nrules = "alerts.toml"\n[bridge.x]')
    assert files.plan() is None and "bridge.x" in files.watcher.problems()[0]
    files.put(files.config, CONFIG + '[alerts]\nrules = "alerts.toml"\n')
    assert files.said().startswith("alerts.rules: not set -> ")
    assert files.watcher.look() is files.watcher.look() is files.watcher.look() is None
    files.edit(rules, "keep_days = 400", "keep_days = 300")
    assert files.said() == "settings of the alerts: changed"
    files.edit(rules, "[[rule]]", '[[rule]]\nwhere = {stations = ["ciledug"]}')
    assert files.plan() is None and "station ciledug" in files.watcher.problems()[0]


def test_a_set_goes_from_process_to_process(files):
    files.edit(files.registry, "tip_mm", "[station.flood]\nsiaga_1 = 2.0\n#")
    assert files.plan() is not None
    setup = pickle.loads(pickle.dumps(files.watcher.setup))
    assert plan(files.watcher.setup, setup).changes == ()
    assert setup.registry.station_of(kit.NODE, kit.NOW_MS).flood.siaga_1 == 2.0
