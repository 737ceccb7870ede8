"""Provisioning on a board: the virtual one, with the application on it, by the command that a technician types."""

import hashlib
import json

import pytest
from click.testing import CliRunner

from board_rig import port_of, switched_on
from pantau.cli import pantau
from pantau.fleet import files
from pantau.node import provision
from pantau.node.board import Board
from pantau.node.partitions import Partition
from pantau.node.provision import Who
from pantau.node.reach import wait_for_node
from pantau_sim.board.node import STOCK as TABLE
from pantau_sim.board.node import Kind

pytestmark = pytest.mark.usefixtures("vm")

PHRASE = "empat kata yang panjang"
WIFI = "rahasia-kali-12"
REGISTRY = '[[station]]\nid = "angke"\nname = "Kali"\ndomain = "flood"\nlatitude = -6.2\nlongitude = 106.6\n'
PARTITIONS = (
    *TABLE[:3],
    Partition("pantau_id", 1, 0x40, 0x200000, 0x2000),
    Partition("vfs", 1, 0x81, 0x202000, 0x1FE000),
)


def city(folder):
    """A fleet, a registry and a configuration."""
    (folder / "phrase").write_text(PHRASE)
    (folder / "phrase").chmod(0o600)
    init = ["fleet", "init", str(folder / "fleet"), "--city", "tng", "--host", "broker.example"]
    done = CliRunner().invoke(pantau, [*init, "--passphrase-file", str(folder / "phrase")])
    assert done.exit_code == 0, done.output
    (folder / "registry.toml").write_text(REGISTRY)
    text = '[bridge]\ncity = "tng"\nkeys = "fleet/keys.vault"\n[mqtt]\nhost = "broker.example"\n'
    (folder / "pantau.toml").write_text(text)


def call(folder, board, *words, code=0, env=None):
    place = ["-d", str(folder / "fleet"), "-c", str(folder / "pantau.toml"), "--port", board.port]
    done = CliRunner().invoke(
        pantau, ["node", "provision", *place, *words], env={"PANTAU_WIFI_PASSWORD": WIFI} | (env or {})
    )
    assert done.exit_code == code, done.output
    assert WIFI not in done.output and PHRASE not in done.output
    for node in (store := files.load(folder / "fleet").store).nodes:
        secrets = store.secrets(node)
        assert secrets.key.hex() not in done.output and secrets.mqtt_password not in done.output
    return done


def ready(board):
    """A slot that is ready, without the application: the board stays at its REPL."""
    (board.root / "a").mkdir()
    (board.root / "a" / "ready").write_text('{"version": "0.1.0", "release": 0}')


def test_a_board_becomes_a_node_and_a_second_time_nothing_is_written(tmp_path):
    city(tmp_path)
    with switched_on(tmp_path / "board") as board:
        words = ("--station", "angke", "--wifi", "kali", "--no-reset", "--json")
        assert "pantau node install" in call(tmp_path, board, *words, code=5).stderr
        ready(board)
        first = json.loads(call(tmp_path, board, *words).stdout)
        assert (first["node"], first["new_keys"], first["registry"]) == ("angke-1", True, "placed")
        secrets = files.load(tmp_path / "fleet").store.secrets("angke-1")
        there = board.root
        assert json.loads((there / "identity.json").read_text())["keys"] == {"0": secrets.key.hex()}
        assert json.loads((there / "config.json").read_text())["link"]["password"] == WIFI
        assert (there / "ca.der").read_bytes() == (tmp_path / "fleet" / "ca.der").read_bytes()
        again = json.loads(call(tmp_path, board, *words).stdout)
        assert (again["written"], again["new_keys"], again["registry"]) == ([], False, "")
        assert files.load(tmp_path / "fleet").store.secrets("angke-1") == secrets
        other = call(tmp_path, board, *words, "--node", "angke-9", "--beside", code=5)
        assert "This board is the node angke-1" in other.stderr


def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path):
    city(tmp_path)
    with switched_on(tmp_path / "board") as board:
        ready(board)
        for words, code, said in (
            (("--station", "ankge", "--wifi", "x"), 5, "has no station ankge"),
            (("--station", "angke", "--wifi", "x", "--board", "arduino"), 5, "no board arduino"),
            (("--station", "angke", "--wifi", "x", "--sensor", "a02yyuw:uart=9"), 5, "has no uart 9"),
            (("--station", "angke", "--wifi", "x", "--node", "Ä"), 5, "is no node id"),
            (("--wifi", "x"), 2, "--station"),
            (("--station", "angke"), 2, "--wifi"),
        ):
            assert said in call(tmp_path, board, *words, code=code).stderr
        short = call(
            tmp_path, board, "--station", "angke", "--wifi", "x", code=2, env={"PANTAU_WIFI_PASSWORD": "kurang"}
        )
        assert "8 to 63" in short.stderr and "kurang" not in short.stderr
        id_said = call(tmp_path, board, "--station", "ankge", "--wifi", "x", "--lang", "id", code=5).stderr
        assert "tidak memuat stasiun ankge" in id_said
        assert files.load(tmp_path / "fleet").store.nodes == []
        assert not (board.root / "identity.json").exists() and "node" not in (tmp_path / "registry.toml").read_text()


def test_a_new_board_takes_over_from_one_that_broke(tmp_path):
    city(tmp_path)
    words = ("--station", "angke", "--wifi", "kali", "--no-reset", "--json")
    for number, more in ((1, ()), (2, ("--replace", "angke-1"))):
        with switched_on(tmp_path / f"board{number}") as board:
            ready(board)
            if more:
                assert "--replace angke-1" in call(tmp_path, board, *words, code=2).stderr
            said = json.loads(call(tmp_path, board, *words, *more).stdout)
            assert said["node"] == f"angke-{number}"
    assert said["registry"] == "replaced"
    assert (tmp_path / "registry.toml").read_text().count("to = ") == 1


@pytest.mark.parametrize("table", [TABLE, PARTITIONS], ids=["files", "partition"])
def test_a_board_tells_who_it_is_and_no_key(tmp_path, table):
    text = b'{"node":"n-2","keys":{"0":"00ff"}}'
    with switched_on(tmp_path / "board", Kind(table=table)) as board, Board.connect(port_of(board)) as at:
        assert provision.who(at) == Who()
        copies = [provision.slot(1, b'{"node":"n-1"}'), provision.slot(2, text)]
        if table is TABLE:
            for name, data in zip("ab", copies, strict=True):
                at.write("/identity." + name, data)
        else:
            code = "from esp32 import Partition as P\np=P.find(P.TYPE_DATA,label='pantau_id')[0]\n"
            for number, data in enumerate(copies):
                code += f"p.ioctl(6,{number})\np.writeblocks({number},{data!r},0)\n"
            at.run(code)
        assert provision.who(at) == Who("n-2", hashlib.sha256(text).hexdigest())
        assert "00ff" not in at.run(provision._WHO)
        at.write("/identity.json", b'{"node":"n-3"}')
        assert provision.who(at).node == "n-3"


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_running_node_is_unlocked_by_its_key_and_provisioned_anew(tmp_path):
    city(tmp_path)
    with switched_on(tmp_path / "board") as board:
        done = CliRunner().invoke(pantau, ["node", "install", "--port", board.port, "--no-reset"])
        assert done.exit_code == 0, done.output
        words = ("--station", "angke", "--json")
        call(tmp_path, board, *words, "--wifi", "kali")
        assert wait_for_node(port_of(board), 60, "angke-1")["setup"]
        again = call(tmp_path, board, *words, "--wifi", "sungai")
        assert json.loads(again.stdout)["written"] == ["/config.json"] and "opens its REPL" in again.stderr
        wait_for_node(port_of(board), 60, "angke-1")
        said = CliRunner().invoke(pantau, ["node", "get", "link.ssid", "--port", board.port])
        assert "sungai" in said.output
