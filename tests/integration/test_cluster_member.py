"""A bridge's part in the cluster, and a city behind the shared log, when NATS is away or another one: on a real nats-server."""

from __future__ import annotations

import asyncio
import socket

import pytest
from click.testing import CliRunner

from integration.bridge_env import free_port
from needs import missing
from pantau import keys, natslink
from pantau.city import City, the_same_log
from pantau.cli import pantau
from pantau.cluster.member import Member
from pantau.cluster.reader import SharedReaders
from pantau.cluster.settings import ClusterTable
from pantau.cluster.spool import SharedSpool
from pantau.config import MqttTable
from pantau.followers import FollowerStore
from pantau.ingest import Ingest
from pantau.problems import ConfigError
from pantau.sources.mqtt import MqttSource
from pantau.spool import Spool
from pantau.watcher import Watcher
from pantau.worker import Worker
from pantau_sim.servers import Missing
from pantau_sim.servers import nats as server
from unit.host import bridge_kit as kit

ALL = frozenset(range(64))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(natslink, "_LOOK_S", 0.05)


@pytest.fixture
def nats(tmp_path):
    """One that is not started yet."""
    try:
        made = server.Server(tmp_path / "nats")
    except Missing as error:
        missing(error.what, error.package)
    yield made
    made.stop()


def test_a_member_without_nats_says_so_holds_nothing_and_comes_back(nats, tmp_path):
    settings = ClusterTable(
        servers=[nats.url], lab_plain=True, name="one", replicas=1, max_mib=16, lease_s=1, timeout_s=2
    )
    mqtt = MqttTable(host="127.0.0.1", port=free_port(), tls=False, lab_plain=True)

    async def run():
        spool = SharedSpool(tmp_path / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
        worker = Worker("spool")
        source = MqttSource(kit.CITY, mqtt, expect_session=False, on_settled=lambda: None)
        gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
        member = Member(kit.CITY, settings, tmp_path, spool, gate, source, worker)
        task = asyncio.create_task(member.run())
        await kit.until(lambda: nats.url in member.problems()[0])
        assert "nodes keep their frames" in member.problems()[0]
        assert not source.held and not any(map(member.holds, ALL))
        nats.start()
        await kit.until(lambda: source.held == ALL and all(map(member.holds, ALL)))
        assert member.problems() == []
        # A word of the server's after which the package gives up: nothing is held, and another connection is made.
        await member.log._client._process_err("'user authentication expired'")
        await kit.until(lambda: "authentication expired" in "".join(member.problems()))
        assert not source.held
        await kit.until(lambda: source.held == ALL)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        worker.stop()
        spool.close()

    asyncio.run(run())


def written(folder, nats):
    """A configuration of a city behind the shared log."""
    (folder / "pantau.toml").write_text(
        f'[bridge]\ncity = "{kit.CITY}"\n[mqtt]\nhost = "localhost"\ntls = false\nlab_plain = true\n[web]\nenabled = false\n'
        f'[cluster]\nname = "city"\nservers = ["{nats.url}"]\nlab_plain = true\nreplicas = 1\nmax_mib = 16\n'
    )
    (folder / "registry.toml").write_text(kit.REGISTRY)
    keys.save(folder / "keys.json", kit.KEYS)
    (folder / "data").mkdir()
    return folder / "pantau.toml"


def test_a_city_whose_connection_has_ended_for_good_ends_and_says_why(nats, tmp_path):
    nats.start()
    setup = Watcher(written(tmp_path, nats)).setup

    async def run():
        shared = await SharedReaders.connect(kit.CITY, setup.config.cluster)
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        task = asyncio.create_task(City(setup, shared).run(reader, writer))
        await shared.client._process_err("'user authentication expired'")
        try:
            with pytest.raises(OSError, match="authentication expired"):
                await asyncio.wait_for(task, 15)
        finally:
            await natslink.close(shared.client)
            writer.close()
            await writer.wait_closed()
            theirs.close()

    asyncio.run(run())


def test_a_city_refuses_a_folder_that_followed_another_log(nats, tmp_path):
    nats.start()
    config = written(tmp_path, nats)
    spool = Spool(tmp_path / "data" / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    spool.note("follows", "pantau-log-tng of last year")
    spool.close()
    done = CliRunner().invoke(pantau, ["city", "run", "-c", str(config)])
    assert done.exit_code == 1, done.output
    assert "followed the log 'pantau-log-tng of last year'" in done.output


def test_a_folder_of_a_bridge_alone_and_its_positions_are_of_another_log(tmp_path):
    spool = Spool(tmp_path / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    store = FollowerStore(tmp_path / "followers.sqlite3")
    store.save("sqlite", 1_000_000, {})
    with pytest.raises(ConfigError, match="of its own bridge"):
        the_same_log(spool, store, "log a")
    store._db.execute("DELETE FROM cursors")
    assert the_same_log(spool, store, "log a") == "log a"
    store.save("sqlite", 1_000_000, {})
    assert the_same_log(spool, store, "log a") == "log a"
    with pytest.raises(ConfigError, match="'log a'"):
        the_same_log(spool, store, "log b")
    store.close()
    spool.close()
