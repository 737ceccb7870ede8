from __future__ import annotations

import json
import stat
from importlib.resources import files

import pytest

from pantau import config, keys, registry
from pantau.problems import ConfigError
from unit.host import bridge_kit as kit


def wrong(load, path):
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [(p.key, p.message) for p in caught.value.problems]


def write(folder, text, name="pantau.toml"):
    path = folder / name
    path.write_text(text)
    return path


def test_the_least_configuration_and_paths_from_its_folder(tmp_path):
    path = write(tmp_path, '[bridge]\ncity = "tng"\nkeys = "/etc/pantau/keys.json"\n[mqtt]\nhost = "localhost"\n')
    loaded = config.load(path)
    assert loaded.bridge.registry == tmp_path / "registry.toml"
    assert loaded.spool_path == tmp_path / "data" / "spool.sqlite3"
    assert str(loaded.bridge.keys) == "/etc/pantau/keys.json"
    assert (loaded.mqtt.port, loaded.mqtt.tls, loaded.web.public_read) == (8883, True, False)


def test_three_mistakes_are_named_at_once_with_key_paths(tmp_path):
    text = '[bridge]\ncity = "tng"\n[mqtt]\nhostt = "localhost"\nport = 70000\n[web]\nlisten = "nowhere"\n[spoool]\n'
    found = dict(wrong(config.load, write(tmp_path, text)))
    assert found["mqtt.hostt"] == "unknown key; did you mean host?"
    assert found["mqtt.host"].startswith("is missing")
    assert "65535" in found["mqtt.port"]
    assert "web.listen" in found
    assert found["spoool"] == "unknown key; did you mean spool?"


def test_an_unknown_key_with_no_likeness_lists_the_known_ones(tmp_path):
    text = '[bridge]\ncity = "tng"\n[mqtt]\nhost = "h"\n[quarantine]\nzzz = 1\n'
    assert wrong(config.load, write(tmp_path, text)) == [
        ("quarantine.zzz", "unknown key; known here: max_mib, max_rows")
    ]


@pytest.mark.parametrize(
    "mqtt, says",
    [
        ("tls = false", "lab_plain"),
        ('certificate = "a"', "belong together"),
        ('password_file = "a"', "without user"),
        ('port = "1883"', "integer"),
    ],
)
def test_what_does_not_fit_together(tmp_path, mqtt, says):
    path = write(tmp_path, f'[bridge]\ncity = "tng"\n[mqtt]\nhost = "h"\n{mqtt}\n')
    assert says in wrong(config.load, path)[0][1]


def test_mistakes_that_touch_are_all_named_beside_those_of_single_keys(tmp_path):
    mqtt = 'tls = false\nprivate_key = "k"\npassword_file = "p"\nport = "1883"\nzzz = 1'
    found = wrong(config.load, write(tmp_path, f'[bridge]\ncity = "tng"\n[mqtt]\nhost = "h"\n{mqtt}\n'))
    assert {key for key, _ in found} == {
        "mqtt.tls", "mqtt.private_key", "mqtt.password_file", "mqtt.port", "mqtt.zzz",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text, keys",
    [
        ("[sinks.postgres]\nport = 1\n", {"sinks.postgres.host", "sinks.postgres.dbname", "sinks.postgres.user"}),
        ("[sinks.line]\nbatch = 0\n", {"sinks.line.url", "sinks.line.batch"}),
        ("[sinks.nats]\nservers = [3]\n[web]\nlistn = 1\n", {"sinks.nats.servers[0]", "web.listn"}),
        (
            "[[serial]]\nfoo = 1\n[[serial]]\nbaud = 1\n",
            {"serial[0].path", "serial[0].foo", "serial[1].path", "serial[1].baud"},
        ),
        ('[[serial]]\npath = "/dev/x"\n[cluster]\nname = "c"\nlab_plain = true\nservers = ["nats://h:1"]\n', {""}),
    ],
)
def test_a_draft_does_without_a_table_that_lacks_what_it_needs(tmp_path, text, keys):
    """As of a sink: the command that tells its mistakes must not fail over what they leave behind."""
    path = write(tmp_path, f'[bridge]\ncity = "tng"\n[mqtt]\nhost = "h"\n{text}')
    drafted, problems = config.draft(path)
    assert {problem.key for problem in problems} >= keys
    assert (drafted.bridge.city, drafted.mqtt.host) == ("tng", "h")
    assert drafted.sinks == config.SinksTable() and drafted.serial == []


@pytest.mark.parametrize(
    "text", ["mqtt = 3\n", "bridge = []\nmqtt = 1\n", '[sinks]\nsqlite = "x"\n', "[sinks.sqlite]\npath = 1\n"]
)
def test_a_draft_stands_whatever_is_wrong(tmp_path, text):
    drafted, problems = config.draft(write(tmp_path, text))
    assert problems
    assert drafted.bridge.keys == tmp_path / "keys.json"


@pytest.mark.parametrize(
    "listen, says",
    [
        ("127.0.0.1:99999", "port 99999 does not exist; give one from 1 to 65535"),
        ("127.0.0.1:0", "port 0"),
        ("8080", "HOST:PORT"),
        ("host:http", "HOST:PORT"),
    ],
)
def test_an_address_that_cannot_be_listened_at(tmp_path, listen, says):
    path = write(tmp_path, f'[bridge]\ncity = "tng"\n[mqtt]\nhost = "h"\n[web]\nlisten = "{listen}"\n')
    ((key, message),) = wrong(config.load, path)
    assert key == "web.listen" and says in message


def test_not_toml_names_the_line_and_a_missing_file_the_way_on(tmp_path):
    assert "line 2" in wrong(config.load, write(tmp_path, "[bridge]\ncity = \n"))[0][1]
    assert "bridge init" in wrong(config.load, tmp_path / "none.toml")[0][1]


def test_the_shipped_templates_are_valid():
    templates = files("pantau").joinpath("templates")
    loaded = config.load(templates / "pantau.toml")
    assert loaded.mqtt.client_prefix == "pantau-bridge"
    assert registry.load(templates / "registry.toml").nodes == ()


def test_the_examples_in_the_registry_template_are_valid(tmp_path):
    text = files("pantau").joinpath("templates", "registry.toml").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines()[2:]]
    loaded = registry.load(write(tmp_path, "\n".join(lines), "registry.toml"))
    assert loaded.stations["angke-hilir"].tip_mm == 0.2


# --- registry


def test_nodes_come_and_go_at_stations(tmp_path):
    text = kit.REGISTRY.replace(
        'id = "flood-01"\nstation = "angke"', 'id = "flood-01"\nstation = "angke"\nto = 2026-02-01T00:00:00Z'
    )
    loaded = registry.load(write(tmp_path, text))
    before, after = 1_769_000_000_000, 1_780_000_000_000
    assert loaded.station_of("flood-01", before).id == "angke"
    assert loaded.station_of("flood-01", after) is None
    assert loaded.knows("flood-01")
    assert loaded.nodes_at("angke", after) == ("air-02",)


def test_contradictions_are_all_named(tmp_path):
    text = (
        kit.REGISTRY
        + kit.REGISTRY.split("[[node]]")[0]
        + '[[node]]\nid = "air-02"\nstation = "nowhere"\nfrom = 2026-01-01T00:00:00Z\nto = 2025-01-01T00:00:00Z\n'
    )
    found = wrong(registry.load, write(tmp_path, text))
    assert [key for key, _ in found] == [
        "station[0].id",
        "station[1].id",
        "node[2].station",
        "node[2].to",
        "node[2].from",
    ]


def test_mistakes_in_a_station_have_their_place(tmp_path):
    text = (
        kit.REGISTRY.replace('"flood"', '"flod"')
        .replace("latitude = -6.2", "latitude = -96.2")
        .replace('"flood-01"', '"Flood_01"')
    )
    found = dict(wrong(registry.load, write(tmp_path, text)))
    assert set(found) == {"station[0].domain", "station[0].latitude", "node[0].id"}


def test_a_mistake_in_a_field_hides_no_contradiction(tmp_path):
    text = kit.REGISTRY.replace("latitude = -6.2", "latitude = -96.2") + (
        '[[node]]\nid = "air-02"\nstation = "angke"\n[[node]]\nid = "x"\nstation = "nowhere"\nfrom = 3\n'
    )
    found = {key for key, _ in wrong(registry.load, write(tmp_path, text))}
    assert found == {"station[0].latitude", "node[2].from", "node[3].station", "node[3].from"}


def test_a_local_time_without_zone_is_refused(tmp_path):
    text = kit.REGISTRY + "from = 2026-01-01T00:00:00\n"
    assert wrong(registry.load, write(tmp_path, text))[0][0] == "node[1].from"


# --- keys


def test_keys_survive_the_file_and_nobody_else_reads_it(tmp_path):
    path = tmp_path / "keys.json"
    keys.save(path, kit.KEYS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = keys.load(path)
    assert loaded.signing(kit.OTHER) == (1, kit.KEY)
    assert loaded.find(kit.OTHER, 0) == kit.OTHER_KEY
    assert loaded.find(kit.OTHER, 3) is None
    assert list(tmp_path.iterdir()) == [path]


def test_an_open_key_file_is_refused_with_the_command_that_closes_it(tmp_path):
    path = tmp_path / "keys.json"
    keys.save(path, kit.KEYS)
    path.chmod(0o640)
    assert f"chmod 600 {path}" in wrong(keys.load, path)[0][1]


def test_mistakes_in_keys_are_named_and_no_key_is_quoted(tmp_path):
    path = tmp_path / "keys.json"
    secret = kit.KEY.hex().upper()
    nodes = {"a": {"keys": {"0": secret}, "key_id": 0}, "b": {"keys": {"0": "00" * 32}, "key_id": 3}}
    path.write_text(json.dumps({"version": 1, "nodes": nodes}))
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        keys.load(path)
    assert {p.key for p in caught.value.problems} == {"nodes.a.keys.0", "nodes.b.key_id"}
    assert secret not in str(caught.value)


def test_an_open_file_with_a_bad_key_and_a_dangling_key_id_says_all_three(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"version": 1, "nodes": {"a": {"keys": {"0": "zz"}, "key_id": 4}}}))
    path.chmod(0o644)
    found = wrong(keys.load, path)
    assert [key for key, _ in found] == ["", "nodes.a.keys.0", "nodes.a.key_id"]
    assert "chmod 600" in found[0][1]


@pytest.mark.parametrize(
    "text", ["[]", "3", '{"version": 1, "nodes": []}', '{"version": 1, "nodes": {"a": 3}}', "{", ""]
)
def test_keys_of_any_other_form_are_refused(tmp_path, text):
    path = write(tmp_path, text, "keys.json")
    path.chmod(0o600)
    assert wrong(keys.load, path)
    assert "cannot be read" in wrong(keys.load, tmp_path / "none.json")[0][1]


def test_a_failed_save_leaves_the_old_keys(tmp_path, monkeypatch):
    path = tmp_path / "keys.json"
    keys.save(path, kit.KEYS)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="space"):
        keys.save(path, keys.Keys({}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_id_and_a_node_that_the_wire_cannot_carry_are_refused(tmp_path):
    path = tmp_path / "keys.json"
    path.touch(mode=0o600)
    for nodes in (
        {"a": {"keys": {"4": "00" * 32}, "key_id": 4}},
        {"Bad Node": {"keys": {"0": "00" * 32}, "key_id": 0}},
    ):
        path.write_text(json.dumps({"version": 1, "nodes": nodes}))
        with pytest.raises(ConfigError):
            keys.load(path)
