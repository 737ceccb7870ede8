"""A board becomes a node: what is written, in which order, and that a cable pulled at any byte leaves the old node or the new one."""

import hashlib
import json
from datetime import UTC, datetime

import pytest

from pantau.fleet.keystore import Keystore, Secrets
from pantau.node import batch, provision, siteconfig
from pantau.node.board import NEW, Facts
from pantau.node.office import Office
from pantau.node.ports import Port
from pantau.node.provision import CA, CONFIG, IDENTITY, SETUP, Who
from pantau.node.siteconfig import Broker, Link
from pantau.node.trouble import RefusedError, UnreachedError
from pantau.vault import Secret

CA_DER = b"\x30" + bytes(300)
TRUST = ["ab" * 384, "cd" * 384]
MADE = "2026-07-01T00:00:00+00:00"
NOW = datetime(2026, 7, 1, tzinfo=UTC)


def secrets(node="angke-1", key=1):
    return Secrets(node, {0: bytes([key]) * 32}, 0, "login-" + node, b"", b"", MADE)


def config(node="angke-1", ssid="kali"):
    sensors = [siteconfig.sensor(text) for text in siteconfig.SENSORS["flood"]]
    return siteconfig.config(
        node, "tng", "flood", "esp32-generic", Link("wifi", ssid, "rahasia12"), Broker("b"), sensors
    )


class Disk:
    """A board's files behind a cable that is pulled when `fuse` bytes have passed; what the node does at its start is start()."""

    def __init__(self, files=None, fuse=None):
        self.files, self.fuse, self.passed, self.order = dict(files or {}), fuse, 0, []

    def _burn(self, count):
        self.passed += count
        if self.fuse is not None and self.passed >= self.fuse:
            raise UnreachedError("board.lost", port="p", what="cut")

    def write(self, path, data, moved=None):
        self.files[path + NEW] = b""
        for at in range(0, len(data), 64):
            self._burn(64)
            self.files[path + NEW] += data[at : at + 64]
        self._burn(1)  # behind the last byte, before the name
        self.files[path] = self.files.pop(path + NEW)
        self.order.append(path)
        if moved:
            moved(len(data))
        self._burn(1)

    def read(self, path):
        return self.files[path]

    def remove(self, path):
        self._burn(1)
        self.files.pop(path, None)

    def sizes(self):
        return {path: len(data) for path, data in self.files.items()}

    def hashes(self, paths):
        return {path: hashlib.sha256(self.files[path]).hexdigest() if path in self.files else None for path in paths}

    def run(self, code):
        if code == provision._FORGET:
            self.files.pop("/outbox.log", None)
            return ""
        text = self.identity()
        return json.dumps([json.loads(text)["node"], hashlib.sha256(text).hexdigest()] if text else [])

    def identity(self):
        return self.files.get(IDENTITY) or provision._slot(self.files.get("/identity.a", b""))[1]

    def start(self):
        """Take the files over, as pantau_node/provision.py does."""
        for path, name in ((IDENTITY, "identity"), (CONFIG, "config")):
            if path in self.files:
                text = self.files.pop(path)
                self.files[f"/{name}.a"] = self.files[f"/{name}.b"] = provision.slot(1, text)


def run(disk, who=None, what=None, **options):
    who = who or secrets()
    return provision.provision(disk, who, what or config(who.node), CA_DER, TRUST, **options)


def test_the_identity_is_written_last():
    disk = Disk()
    done = run(disk)
    assert disk.order == ["/trust.a", "/trust.b", CA, SETUP, CONFIG, IDENTITY] == done.written
    assert not any(path.endswith(NEW) for path in disk.files)
    assert json.loads(disk.files[IDENTITY])["keys"] == {"0": "01" * 32}


def test_a_second_run_writes_nothing_before_and_after_the_node_started():
    disk = Disk()
    run(disk)
    assert run(disk).written == []
    disk.start()
    del disk.files[SETUP]  # commissioned
    assert run(disk).written == []
    assert run(disk, what=config(ssid="other")).written == [CONFIG]
    assert SETUP not in disk.files  # another Wi-Fi does not take a station out of service


@pytest.mark.parametrize("was", [None, "old"])
def test_a_cable_pulled_at_any_byte_leaves_the_old_node_or_the_new_and_a_second_run_finishes(was):
    def board(fuse=None):
        disk = Disk(fuse=None)
        if was:
            run(disk, secrets("old-1", 7))
            disk.start()
            disk.files["/outbox.log"] = b"frames of old-1"
        disk.fuse, disk.passed, disk.order = fuse, 0, []
        return disk

    whole = board()
    run(whole, over=True)
    before = board().identity()
    kept = set()
    for fuse in range(1, whole.passed + 1, 3):
        disk = board(fuse)
        with pytest.raises(UnreachedError):
            run(disk, over=True)
        assert disk.identity() in (before, whole.files[IDENTITY])
        kept.add(disk.identity())
        if disk.files.get(IDENTITY):  # whole from its first appearance, and all that it needs is there
            assert {CA, SETUP, CONFIG, "/trust.a", "/trust.b"} <= set(disk.files)
        disk.fuse = None
        run(disk, over=True)
        assert disk.files == whole.files
    assert len(kept) == 2 or fuse < whole.passed


def test_a_board_that_is_another_node_is_left_as_it_is():
    disk = Disk()
    run(disk, secrets("old-1", 7))
    disk.files["/outbox.log"] = b"frames"
    before = dict(disk.files)
    with pytest.raises(RefusedError, match="is the node old-1"):
        run(disk)
    assert disk.files == before
    run(disk, over=True)
    assert "/outbox.log" not in disk.files and json.loads(disk.files[IDENTITY])["node"] == "angke-1"


def test_trust_that_the_node_renewed_is_left_when_it_is_the_same():
    sound = provision.slot(5, json.dumps({"keys": TRUST}).encode())
    assert provision.trust(TRUST, {"/trust.a": sound, "/trust.b": sound}) == []
    damaged = {"/trust.a": sound, "/trust.b": b"PNT1" + bytes(30)}
    assert provision.trust(TRUST, damaged) == [("/trust.b", sound)]
    older = provision.slot(4, json.dumps({"keys": TRUST}).encode())
    other = provision.trust(["ef" * 384] * 2, {"/trust.a": sound, "/trust.b": older})
    assert [path for path, _ in other] == ["/trust.b", "/trust.a"]
    assert provision._slot(other[0][1])[0] == 6


def test_nothing_longer_than_a_node_keeps_is_written():
    disk = Disk()
    with pytest.raises(RefusedError, match=r"config\.json has"):
        run(disk, what={"x": "y" * 5000})
    assert disk.files == {}


@pytest.mark.parametrize(
    "given, placed, taken, wanted",
    [
        ({}, [], {}, "angke-1"),
        ({}, [], {"angke-1", "angke-2"}, "angke-3"),
        ({"B1": "angke-2"}, [], {"angke-1", "angke-2"}, "angke-2"),  # the same board again
        ({}, ["flood-07"], {"flood-07"}, "flood-07"),  # the registry expects it
        ({"B2": "flood-07"}, ["flood-07"], {"flood-07"}, "angke-1"),  # another board is that already
    ],
)
def test_an_id_is_proposed(given, placed, taken, wanted):
    assert provision.propose("angke", "B1", given, placed, taken) == wanted


def test_a_proposed_id_fits_a_topic():
    assert provision.propose("Kali_Angke.at-the-very-long-bridge", "", {}, [], []) == "kali-angke-at-the-ver-1"


def test_an_id_that_cannot_be():
    for node, others, revoked in (("Ä", {}, []), ("a" * 24, {}, []), ("n", {}, ["n"]), ("n", {"B2": "n"}, [])):
        with pytest.raises(RefusedError):
            provision.checked(node, "B1", others, revoked)
    assert provision.checked("n", "B1", {"B1": "n"}, ["m"]) == "n"


def test_the_configuration_is_one_that_the_firmware_takes_without_a_word():
    import runpy

    build = runpy.run_path(str(siteconfig.firmware_folder() / "pantau_node" / "config.py"))["build"]
    for domain, sensors in siteconfig.SENSORS.items():
        for board in siteconfig.boards():
            entries = [siteconfig.sensor(text) for text in sensors]
            for link in (Link("wifi", "s", "password"), Link("ethernet"), Link("ppp", apn="internet")):
                made = siteconfig.config("n-1", "tng", domain, board, link, Broker("b.example"), entries, 30)
                assert build(made)[1] == []
            assert len(siteconfig.wiring(board, entries)) == len(sensors)


def test_wiring_is_shown_from_the_boards_file():
    rows = siteconfig.wiring("esp32-generic", [siteconfig.sensor("a02yyuw:uart=1"), siteconfig.sensor("sht4x:i2c=0")])
    assert rows[0] == ("a02yyuw", "uart 1", [("RX", "GPIO 26"), ("TX", "GPIO 27")])
    assert rows[1] == ("sht4x", "i2c 0", [("SCL", "GPIO 22"), ("SDA", "GPIO 21")])


@pytest.mark.parametrize(
    "board, sensors, said",
    [
        ("esp32-c3", ["a02yyuw:uart=2"], "has no uart 2"),
        ("esp32-generic", ["a02yyuw:uart=1", "pms5003:uart=1"], "Two sensors"),
        ("arduino", ["a02yyuw:uart=1"], "no board arduino"),
        ("esp32-generic", ["a02yyuw"], "model:bus"),
        ("esp32-generic", ["a02yyuw:adc=1"], "model:bus"),
        ("esp32-generic", ["nonsuch:uart=1"], "No driver"),
    ],
)
def test_wiring_that_cannot_be(board, sensors, said):
    with pytest.raises(RefusedError, match=said):
        siteconfig.wiring(board, [siteconfig.sensor(text) for text in sensors])


@pytest.mark.parametrize(
    "machine, board",
    [
        ("Generic ESP32 module with ESP32", "esp32-generic"),
        ("Generic ESP32S3 module with ESP32S3", "esp32-s3"),
        ("ESP32-C3 module", "esp32-c3"),
        ("WT32-ETH01 with ESP32", "wt32-eth01"),
    ],
)
def test_the_board_is_known_by_what_the_chip_says(machine, board):
    assert siteconfig.board_of(Facts((1, 25, 0), machine)) == board


def test_no_secret_stands_in_a_repr():
    assert "rahasia12" not in repr(Link("wifi", "s", "rahasia12")) + repr(secrets())


REGISTRY = '# ours\n[[station]]\nid = "angke"\nname = "Kali"\ndomain = "flood"\nlatitude = -6.2\nlongitude = 106.6\n'


class Table:
    certificates = False
    city = "tng"


class FakeFleet:
    """A fleet without a broker's files."""

    def __init__(self, folder):
        self.folder, self.table = folder, Table()
        self.store = Keystore.create(folder / "keys.vault", Secret(key=bytes(32)))


def office(tmp_path, monkeypatch):
    monkeypatch.setattr("pantau.fleet.files.publish", lambda *_: [])
    (tmp_path / "registry.toml").write_text(REGISTRY)
    return Office(FakeFleet(tmp_path), tmp_path / "registry.toml", NOW)


def no_authority():
    raise AssertionError("nobody's passphrase is needed without certificates")


def test_a_run_that_was_cut_before_the_board_knew_proposes_the_same_id_and_makes_no_new_keys(tmp_path, monkeypatch):
    first = office(tmp_path, monkeypatch)
    node = first.propose("angke", "B1")
    made, fresh = first.enrol(node, "angke", "B1", no_authority)
    assert (node, fresh) == ("angke-1", True)
    second = Office(first.fleet, first.path, NOW)
    assert second.propose("angke", "B1") == "angke-1" and second.propose("angke", "B2") == "angke-2"
    assert second.enrol("angke-1", "angke", "B1", no_authority) == (made, False)
    with pytest.raises(RefusedError, match="is the board B1"):
        second.check("angke-1", "angke", "B2")
    assert made.key.hex() not in (tmp_path / "boards.json").read_text()


def test_a_new_board_takes_the_place_of_another_in_the_registry(tmp_path, monkeypatch):
    desk = office(tmp_path, monkeypatch)
    assert desk.place("angke-1", "angke", None) == "placed"
    assert desk.place("angke-1", "angke", None) == ""
    later = Office(desk.fleet, desk.path, NOW.replace(month=8))
    assert later.place("angke-2", "angke", "angke-1") == "replaced"
    assert later.stand("angke").there == ["angke-2"]
    text = desk.path.read_text()
    assert text.startswith(REGISTRY) and "to = 2026-08-01T00:00:00Z" in text
    with pytest.raises(RefusedError, match="has no station ankge"):
        later.stand("ankge")


def test_a_node_of_another_station_is_not_taken(tmp_path, monkeypatch):
    desk = office(tmp_path, monkeypatch)
    desk.path.write_text(
        REGISTRY + REGISTRY.replace('"angke"', '"mookervaart"') + '[[node]]\nid = "x-1"\nstation = "angke"\n'
    )
    with pytest.raises(RefusedError, match="stands at angke"):
        desk.check("x-1", "mookervaart", "B1")


def test_a_crate_is_read_with_every_mistake_named():
    rows = batch.parse("\ufeffStation, node,wifi\nangke,,kali\nangke,angke-9,\n\nsawah,,\n")
    assert [row.name for row in rows] == ["angke", "angke/angke-9", "sawah"]
    assert rows[0].columns == {"station": "angke", "wifi": "kali"}
    for text, said in (
        ("node\nx\n", "needs its station"),
        ("station,wifi_password\na,b\n", "mean nothing here: wifi_password"),
        ("station,node\na,b\na,b\n", "Line 3.*twice"),
        ("station,node\n,b\n", "Line 2"),
        ("station\na,b\n", "Line 2"),
        ("", "needs its station"),
    ):
        with pytest.raises(RefusedError, match=said):
            batch.parse(text)


def test_a_ledger_keeps_what_is_done_over_runs(tmp_path):
    one, two = batch.parse("station\na\nb\n")
    ledger = batch.Ledger(tmp_path / "l.json")
    ledger.note(batch.Outcome("a", ok=True, serial="S1", node="a-1"))
    ledger.note(batch.Outcome("b", ok=False, serial="S2", said="cable"))
    again = batch.Ledger(tmp_path / "l.json")
    assert (again.done(one), again.done(two), again.serials()) == (True, False, {"S1"})


def test_the_next_board_is_a_new_serial_number():
    clock = iter(range(100))
    seen = iter([[], [Port("/dev/ttyUSB0", "S1")], [Port("/dev/ttyUSB0", "S2")]])
    port = batch.next_board({"S1"}, 10, lambda: next(seen), lambda: next(clock), lambda _s: None)
    assert port.serial == "S2"
    with pytest.raises(UnreachedError, match="No new board"):
        batch.next_board({"S1"}, 10, lambda: [Port("/dev/ttyUSB0", "S1")], lambda: next(clock), lambda _s: None)


def test_who_of_a_bare_board():
    assert Who(*json.loads(Disk().run(provision._WHO))) == Who()


def test_a_node_that_was_enrolled_for_a_crate_is_proposed_first(tmp_path, monkeypatch):
    desk = office(tmp_path, monkeypatch)
    for node in ("angke-3", "sawah-1"):
        desk.fleet.store.enrol(node, NOW)
    assert desk.propose("angke", "B1") == "angke-3"
    desk.enrol("angke-3", "angke", "B1", no_authority)
    assert desk.propose("angke", "B2") == "angke-1"
