"""A backup of a bridge that is at work: whole, secret, verified, and put back without overwriting anything."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing

import pytest
from click.testing import CliRunner

from pantau import config as config_file
from pantau import keys as key_file
from pantau.access.store import AccessStore
from pantau.cli import pantau
from pantau.decode import Decoder
from pantau.followers import FollowerStore
from pantau.ops import backup as backups
from pantau.ops import restore as restores
from pantau.ops.backup import BackupError
from pantau.ops.figures import undocumented
from pantau.sinks.sqlite import CityStore
from pantau.spool import Spool, SpoolReader
from unit.host import bridge_kit as kit


class Running:
    """The files of a bridge, with its writers still open."""

    def __init__(self, folder):
        folder.mkdir()
        self.config_path = folder / "pantau.toml"
        self.config_path.write_text(
            '[bridge]\ncity = "tng"\n[mqtt]\nhost = "localhost"\nuser = "b"\npassword_file = "secret/pw"\n'
        )
        self.registry = kit.registry(folder)
        key_file.save(folder / "keys.json", kit.KEYS)
        (folder / "secret").mkdir()
        (folder / "secret" / "pw").write_text("hunter2")
        (folder / "secret" / "pw").chmod(0o600)
        self.config = config_file.load(self.config_path)
        self.config.bridge.data_dir.mkdir()
        self.spool = Spool(self.config.spool_path, max_mib=64, quarantine_rows=100, quarantine_mib=1)
        self.store = CityStore(self.config.store_path)
        self.followers = FollowerStore(self.config.bridge.data_dir / "followers.sqlite3")
        self.gate = kit.ingest(folder, self.spool)
        self.seq = 0

    def frames(self, count, *, taken=True):
        for _ in range(count):
            self.seq += 1
            self.gate.offer(kit.up(), kit.records(self.seq), kit.NOW_MS + self.seq)
        batch = self.gate.take()
        self.spool.commit(batch)
        self.gate.settle(batch)
        if taken:
            reader = SpoolReader(self.spool.path)
            frames = reader.read(self.store.position(), 1000)
            reader.close()
            decoder = Decoder(self.registry)
            self.store.deliver([decoder.decode(frame) for frame in frames])
            self.followers.save("sqlite", frames[-1].id, {})

    def close(self):
        for part in (self.spool, self.store, self.followers):
            part.close()


@pytest.fixture
def running(tmp_path):
    made = Running(tmp_path / "bridge")
    made.frames(5)
    made.frames(3, taken=False)
    yield made
    made.close()


def count(path, query):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchone()[0]


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_there_and_back_with_the_writers_at_work(running, tmp_path, name):
    target = tmp_path / "safe" / name
    made = backups.make(running.config, running.config_path, target)
    assert stat.S_IMODE(target.stat().st_mode) in (0o600, 0o700)
    assert {entry.role for entry in made.manifest.files if entry.secret} == {"bridge.keys", "mqtt.password_file"}
    running.frames(4)  # after the backup
    done = restores.restore(target, tmp_path / "new")
    assert done.missing == [] and done.manifest.city == "tng"
    config = config_file.load(tmp_path / "new" / "pantau.toml")
    assert key_file.load(config.bridge.keys).to_json() == kit.KEYS.to_json()
    assert config.mqtt.password_file.read_text() == "hunter2"
    assert {stat.S_IMODE(path.stat().st_mode) for path in done.written} == {0o600}
    spool = Spool(config.spool_path, max_mib=64, quarantine_rows=100, quarantine_mib=1)
    store = CityStore(config.store_path)
    try:
        assert (spool.last_id, store.position()) == (8, 5)  # the sink behind the log, never ahead
        # what comes again is known, what came after the backup is new
        gate = kit.ingest(tmp_path / "new", spool)
        gate.offer(kit.up(), kit.records(8), kit.NOW_MS)
        gate.offer(kit.up(), kit.records(9), kit.NOW_MS)
        batch = gate.take()
        assert (batch.counts["redelivered"], batch.counts["new"]) == (1, 1)
    finally:
        spool.close()
        store.close()
    left = [path.name for folder in (target.parent, config.bridge.data_dir) for path in folder.glob(".*")]
    assert left == []


def test_copies_are_taken_against_the_flow(running, tmp_path, monkeypatch):
    order = []
    real = backups._copy_store

    def copied(source, target):
        order.append(source.name)
        running.frames(1)  # the world goes on between two copies
        return real(source, target)

    monkeypatch.setattr(backups, "_copy_store", copied)
    (running.config.bridge.data_dir / "alerts.sqlite3").touch()
    backups.make(running.config, running.config_path, tmp_path / "b")
    assert order == ["followers.sqlite3", "alerts.sqlite3", "city.sqlite3", "spool.sqlite3"]
    data = tmp_path / "b" / "data"
    noted = count(data / "followers.sqlite3", "SELECT position FROM cursors")
    has = count(data / "city.sqlite3", "SELECT value FROM meta WHERE key = 'position'")
    reader = SpoolReader(data / "spool.sqlite3")
    last = reader.last_id()
    reader.close()
    assert noted < has < last


def test_a_spool_that_lets_go_meanwhile_is_noticed(running, tmp_path, monkeypatch):
    firsts = iter([1, 7, 7, 7])  # the copied spool begins at 7, the copied city store has come to 5
    monkeypatch.setattr(backups, "first_frame", lambda _path: next(firsts))
    monkeypatch.setattr(backups, "_TRIES", 1)
    with pytest.raises(BackupError, match="let go of frames"):
        backups.make(running.config, running.config_path, tmp_path / "b")
    assert not list(tmp_path.glob("*b*/manifest.json"))
    # who was behind before we began is not waited for
    firsts = iter([7, 7])
    assert backups.make(running.config, running.config_path, tmp_path / "b").target.exists()


def damage_hash(folder):
    (folder / "config" / "pantau.toml").write_text("[bridge]")


def damage_missing(folder):
    (folder / "data" / "city.sqlite3").unlink()


def damage_store(folder):
    path = folder / "data" / "spool.sqlite3"
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 3] = bytes(4096)
    path.write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = next(e for e in manifest["files"] if e["path"] == "data/spool.sqlite3")
    entry["sha256"] = backups._sha256(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def damage_path(folder):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("data/city.sqlite3", "data/../../x"))


@pytest.mark.parametrize(
    "damage,said",
    [
        (damage_hash, "hash differs"),
        (damage_missing, "city.sqlite3 is missing"),
        (damage_store, "spool.sqlite3: "),
        (damage_path, "leads out"),
    ],
)
def test_a_damaged_backup_is_refused_with_its_faults_and_nothing_written(running, tmp_path, damage, said):
    backups.make(running.config, running.config_path, tmp_path / "b")
    damage(tmp_path / "b")
    with pytest.raises(BackupError, match=said):
        restores.restore(tmp_path / "b", tmp_path / "new")
    assert [p for p in tmp_path.glob("new/**/*") if p.is_file()] == []


def test_nothing_is_overwritten_and_no_foreign_log_is_left_beside(running, tmp_path):
    backups.make(running.config, running.config_path, tmp_path / "b")
    with pytest.raises(BackupError, match="already"):
        backups.make(running.config, running.config_path, tmp_path / "b")
    with pytest.raises(BackupError, match="already"):
        restores.restore(tmp_path / "b", running.config_path.parent)
    new = tmp_path / "new"
    (new / "data").mkdir(parents=True)
    for name in ("spool.sqlite3-wal", "city.sqlite3"):
        (new / "data" / name).write_bytes(b"of somebody")
    with pytest.raises(BackupError, match=r"in the way(.|\n)*city.sqlite3(.|\n)*spool.sqlite3-wal"):
        restores.restore(tmp_path / "b", new)
    assert not (new / "pantau.toml").exists() and (new / "data" / "city.sqlite3").read_bytes() == b"of somebody"


def test_a_backup_of_the_future_is_refused_in_words(running, tmp_path):
    backups.make(running.config, running.config_path, tmp_path / "b")
    path = tmp_path / "b" / "manifest.json"
    manifest = json.loads(path.read_text())
    with closing(sqlite3.connect(tmp_path / "b" / "data" / "city.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")
    for entry in manifest["files"]:
        if entry["path"].endswith("city.sqlite3"):
            entry |= {"version": 99, "sha256": backups._sha256(tmp_path / "b" / entry["path"])}
    path.write_text(json.dumps(manifest))
    with pytest.raises(BackupError, match="city store version 99"):
        restores.restore(tmp_path / "b", tmp_path / "new")


def test_a_tar_that_leads_outside_is_refused(tmp_path):
    (tmp_path / "evil").write_text("[bridge]\ncity = 'x'\n[mqtt]\nhost = 'h'\n")
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        archive.add(tmp_path / "evil", "config/pantau.toml")
        archive.add(tmp_path / "evil", "../outside")
    with pytest.raises(BackupError, match="cannot be unpacked"):
        restores.restore(tmp_path / "evil.tar", tmp_path / "deep" / "new")
    assert not (tmp_path / "deep" / "outside").exists()


def test_the_commands_say_what_was_done_and_what_comes(running, tmp_path, monkeypatch):
    def call(*words):
        return CliRunner().invoke(pantau, ["bridge", *map(str, words)])

    target = tmp_path / "b.tar"
    said = call("backup", target, "-c", running.config_path, "--without-keys")
    assert said.exit_code == 0 and "no keys" in said.output, said.output
    assert call("backup", target, "-c", running.config_path).exit_code == 1
    said = call("backup", "--check", target)
    assert (said.exit_code, "is whole" in said.output) == (0, True)
    said = call("restore", target, tmp_path / "new")
    assert said.exit_code == 0 and "bridge.keys" in said.output and "It is lost, unless a sink" in said.output
    figures = backups.backup_figures(running.config.bridge.data_dir)
    assert figures["backup_time_seconds"] > 1.7e9 and undocumented(figures) == []
    assert backups.backup_figures(tmp_path) == {"backup_time_seconds": 0.0}
    shutil.copy(target, tmp_path / "cut.tar")
    with (tmp_path / "cut.tar").open("r+b") as file:
        file.truncate(30_000)
    assert call("backup", "--check", tmp_path / "cut.tar").exit_code == 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(0, 0, 10))
    said = call("backup", tmp_path / "c", "-c", running.config_path)
    assert (said.exit_code, "another disk" in said.output) == (1, True)


def test_without_keys_no_secret_of_targets_or_cluster_is_in_it_and_never_what_a_target_holds(running, tmp_path):
    folder = running.config_path.parent
    secrets = ("mqtt_token", "nats_nkey", "cluster_pw")
    for name in secrets:
        (folder / name).write_text("s3cret")
        (folder / name).chmod(0o600)
    (folder / "parquet").mkdir()
    (folder / "parquet" / "day.parquet").write_text("much data")
    running.config_path.write_text(
        running.config_path.read_text()
        + '[sinks.files]\npath = "parquet"\n[sinks.mqtt]\nhost = "h"\ntoken_file = "mqtt_token"\n'
        '[sinks.nats]\nservers = ["tls://h:1"]\nnkey_file = "nats_nkey"\n'
        '[cluster]\nname = "one"\nservers = ["tls://h:1"]\nuser = "u"\npassword_file = "cluster_pw"\n'
    )
    config = config_file.load(running.config_path)
    for keys, count in ((True, 5), (False, 0)):
        made = backups.make(config, running.config_path, tmp_path / f"backup-{keys}", keys=keys)
        texts = [(made.target / entry.path).read_bytes() for entry in made.manifest.files]
        assert sum(entry.secret for entry in made.manifest.files) == count
        assert (b"s3cret" in texts) == keys
        assert b"much data" not in texts


def test_hashes_of_passwords_are_a_secret_and_stay_out_without_keys(running, tmp_path):
    AccessStore(running.config.bridge.data_dir / "access.sqlite3").close()
    for keys in (True, False):
        made = backups.make(running.config, running.config_path, tmp_path / f"backup-{keys}", keys=keys)
        assert {e.path: e.secret for e in made.manifest.files}.get("data/access.sqlite3", False) == keys
        assert (tmp_path / f"backup-{keys}" / "data" / "access.sqlite3").exists() == keys
