"""Updates over the air on the whole node: real VM, real launcher, virtual time, a bridge that sends what a rollout sends."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.update_rig import Site, bundled, folder, signer, trusted
from pantau.fleet import bundle
from pantau_wire import names as T

pytestmark = pytest.mark.usefixtures("vm")

Make = Callable[..., Site]
BROKEN = "raise ImportError('half an application')\n"
BLIND = """
from pantau_wire import _tables as T
class Station:
    PROPERTIES = (T.AIR_TEMPERATURE, T.RELATIVE_HUMIDITY)
    watch = None
    def __init__(self, drivers, settings):
        pass
    async def run(self):
        pass
    async def sample(self, deadline_ms):
        return {T.AIR_TEMPERATURE: (2800, 0)}
"""
STATES = ("update", "update.bin", "update.new", "try", "slot")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Make]:
    made: list[Site] = []

    def make(**options: Any) -> Site:
        made.append(Site(tmp_path, **options))
        return made[0]

    yield make
    for one in made:
        one.simulation.close()


def test_a_good_update_misses_no_record_and_is_accepted_by_a_frame_of_its_own(site: Make, tmp_path: Path) -> None:
    s = site(sampling={"interval_s": 1, "batch": 30, "health_s": 600})
    s.on()
    assert (s.health()["slot"], s.health()["release"]) == ("a", 1)
    s.bridge.send(bundled(tmp_path))
    assert s.until("accepted") == "accepted: release 2"
    s.simulation.run(60)
    health = s.health()
    assert (health["slot"], health["release"], health["update_state"]) == ("b", 2, bundle.wire.ACCEPTED)
    assert s.node.boots == 2 and (s.root / "slot").read_text() == "b"
    assert s.listing().isdisjoint({"try", "update.bin", "update.new"})
    times = s.times()
    gaps = [later - one for one, later in itertools.pairwise(times)]
    assert len(times) >= 120 and sorted(gaps)[:-1] == [1] * (len(gaps) - 1), "but for the restart, each second"
    assert max(gaps) <= 3
    assert not s.bridge.conflicts and not s.bridge.refused
    assert [one["detail"].partition(":")[0] for one in s.bridge.answers[-4:]] == [
        "verified",
        "trial",
        "trial",
        "accepted",
    ]


def test_a_power_cut_in_the_middle_costs_no_chunk_twice(site: Make, tmp_path: Path) -> None:
    s = site()
    s.on()
    s.bridge.send(bundled(tmp_path))
    s.simulation.run(0.4)
    held = (s.root / "update.bin").stat().st_size
    assert 0 < held < len(s.bridge.bundle)
    s.simulation.power_off(s.node)
    known = len(s.bridge.results.get(s.bridge.ident, []))
    s.on(5)
    told = s.bridge.results[s.bridge.ident][known]
    assert s.until("accepted") and s.node.boots == 3
    assert told["detail"] == "receiving" and told["have"] >= held


@pytest.mark.parametrize("module, source, why", [
    ("app", BROKEN, "ImportError: half an application"),
    ("stations/flood", BLIND, "no value of property 5 in 120 s"),
])  # fmt: skip
def test_a_bad_application_is_rolled_back_and_says_why(
    site: Make, tmp_path: Path, module: str, source: str, why: str
) -> None:
    s = site()
    s.on()
    s.bridge.send(bundled(tmp_path, module=module, source=source))
    assert s.until("rolled back").startswith("rolled back: " + why)
    s.simulation.run(60)
    health = s.health()
    assert (health["slot"], health["release"], health["update_state"]) == ("a", 1, bundle.wire.ROLLED_BACK)
    assert "b/ready" not in s.listing() and s.listing().isdisjoint({"try", "update.bin"})
    assert s.node.boots == (5 if module == "app" else 3) and health.get("restarts", 0) == 0
    s.simulation.run(60)
    last = s.bridge.kinds(T.K_RECORDS)[-1]
    assert all(value is not None for value in last.columns[T.RELATIVE_HUMIDITY][0])
    s.bridge.send(bundled(tmp_path, release=3))  # and the next one is taken
    assert s.until("accepted") == "accepted: release 3"


def test_what_must_not_be_taken_is_refused_with_its_reason_and_changes_nothing(site: Make, tmp_path: Path) -> None:
    """One node, every kind of bad bundle one after the other; all but the whole-payload one within the first four chunks."""
    s = site(release=5)
    s.on()
    s.health()
    before = s.listing()
    unsigned = bundle.build(folder(tmp_path / "app"), version="0.2.0", release=6)
    good = bundle.sign(unsigned, signer(0), 0)
    manifest = bytearray(good)
    manifest[good.index(b"0.2.0")] = ord("1")
    forged = bundle.read(bytes(manifest)).ident
    payload = bytearray(good)
    payload[-100] ^= 1
    bad: list[tuple[bytes, int | None, str]] = [
        (unsigned, None, "not signed"),
        (bytes(manifest), forged, "the signature does not fit"),
        (bundle.sign(unsigned, signer(2), 0), None, "the signature does not fit"),
        (bundle.sign(unsigned, signer(0), 1), None, "the signature does not fit"),
        (bundled(tmp_path, release=4), None, "release 4 is not newer than 5"),
        (bundled(tmp_path, release=5), None, "release 5 is not newer than 5"),
        (bundled(tmp_path, release=9, min_release=8), None, "needs release 8 first, this is 5"),
        (bundled(tmp_path, release=6, board=["rv32imc/esp32c3"]), None, "for rv32imc/esp32c3, this is x64/linux"),
        (bundled(tmp_path, release=6, mpy=5), None, "for format 5 of .mpy files, this MicroPython has 6"),
        (b"PNTB\x01" + bytes(3000), 7, "not a bundle: bad_field"),
        (good, 7, "not the bundle that was announced"),
        (bytes(payload), bundle.read(good).ident, "the payload is not what was signed"),
    ]
    for data, ident, why in bad:
        s.bridge.send(data, ident)
        assert s.until("refused").startswith("refused: " + why), why
        if why != bad[-1][2]:
            assert len(s.bridge.answers) == 1, (why, s.bridge.answers)
        assert s.listing() - {"update"} == before and s.node.boots == 1, why
        s.bridge.command("update", cancel=s.bridge.ident)
        s.simulation.run(5)
        assert s.listing() == before, why
        s.bridge.results.clear()


def test_a_signed_rollback_is_taken_and_a_new_pair_of_keys_counts_from_its_acceptance_on(
    site: Make, tmp_path: Path
) -> None:
    s = site(release=5)
    s.on()
    s.bridge.send(bundled(tmp_path, which=1, release=4, rollback=True, trust=trusted(1, 2)))
    assert s.until("accepted") == "accepted: release 4"
    s.bridge.send(bundled(tmp_path, which=0, release=6))
    assert s.until("refused") == "refused: the signature does not fit"
    s.bridge.send(bundle.sign(bundle.build(folder(tmp_path / "c"), version="0.3.0", release=6), signer(2), 1))
    assert s.until("accepted") == "accepted: release 6"
    assert s.health()["slot"] == "a"


def test_the_first_update_of_a_node_without_slots_makes_one_and_the_second_clears_the_root(
    site: Make, tmp_path: Path
) -> None:
    s = site(slots="")
    folder(s.root)
    s.on()
    assert "slot" not in s.health()
    s.bridge.send(bundled(tmp_path))
    s.until("accepted")
    assert s.health()["slot"] == "a" and (s.root / "pantau_node").is_dir()
    s.bridge.send(bundled(tmp_path, release=3))
    s.until("accepted")
    assert (
        s.health()["slot"] == "b"
        and not (s.root / "pantau_node").exists()
        and json.loads((s.root / "b" / "ready").read_text())["release"] == 3
    )


OTA = {"otadata": 2, "ota_0": 48, "ota_1": 48, "pantau_id": 2, "pantau_cfg": 4, "pantau_ring": 32}


def image(release: int, size: int = 180000, **manifest: Any) -> bytes:
    made = b"\xe9" + bytes(range(256)) * (size // 256)
    unsigned = bundle.build_image(made, version="1.26", release=release, **{"board": ["x64/linux"], **manifest})
    return bundle.sign(unsigned, signer(0), 0)


def test_a_full_image_goes_into_the_other_partition_and_is_marked_valid_by_its_proof(site: Make) -> None:
    """On the simulated partitions alone: no chip was there, and what an image does there it cannot show."""
    s = site(partitions=OTA)
    s.on()
    s.bridge.send(image(1))
    s.simulation.run(0.5)
    s.simulation.power_off(s.node)
    assert s.state()["mark"] % 65536 == 0 and s.state()["mark"] > 0, "some of it need not come again"
    s.on(5)
    assert s.until("accepted") == "accepted: release 1"
    flash = s.node.partitions.read("ota_1")
    assert flash.snapshot()[: 1 + 256] == b"\xe9" + bytes(range(256)) and s.node.boots == 3
    boots = s.node.boots
    s.simulation.power_off(s.node)
    s.on()
    assert s.node.partitions.read("otadata").snapshot()[:3] == bytes([1, 2, 1]) and s.node.boots == boots + 1
    assert s.health()["update_state"] == bundle.wire.ACCEPTED and s.health()["slot"] == "a"
    s.bridge.send(image(1, 100000))
    assert s.until("refused") == "refused: release 1 is not newer than 1"


def test_an_image_that_does_not_prove_itself_is_rolled_back_by_the_next_reset(site: Make) -> None:
    s = site(partitions=OTA)
    s.on()
    s.bridge.send(image(1))
    while s.state().get("state") != bundle.wire.TRIAL:
        s.simulation.run(0.1)
    s.simulation.set_link(s.node, up=False)
    s.simulation.run(200)
    s.simulation.set_link(s.node, up=True)
    assert s.until("rolled back") == "rolled back: no acknowledgement in 120 s"
    assert s.node.partitions.read("otadata").snapshot()[:3] == bytes([0, 2, 0])
    s.bridge.send(image(2, 4096 * 49))
    assert s.until("refused").startswith("refused: an image of 200")


def test_a_board_without_ota_partitions_takes_no_image(site: Make) -> None:
    s = site()
    s.on()
    s.bridge.send(image(1))
    assert s.until("refused") == "refused: this board has no OTA partitions"
