"""What a technician puts into the folder of a node goes into the two-copy stores, whatever the power does."""

import json
import os

from flash_rig import FOLDER, Memory, empty_folder, every_cut, files, put

from pantau_node import config, identity, provision
from pantau_node.slots import FlashSlots
from pantau_sim.flash import NorFlash

WHO = {"node": "n-1", "keys": {"0": "ab" * 32}}
NEW = {"node": "n-1", "keys": {"0": "ab" * 32, "1": "cd" * 32}, "key_id": 1}
CONF = {"node": "n-1", "broker": {"host": "h"}}
OTHER = {"node": "n-1", "broker": {"host": "h2"}}
ID = FOLDER + "/identity.json"
CF = FOLDER + "/config.json"


def text(data):
    return json.dumps(data).encode()


def key_of(slots):
    return identity.load(slots).key_id


def take(slots, committed):
    return provision.config(slots, committed, CF, config.build)


def test_an_identity_goes_into_both_copies_and_the_file_goes():
    empty_folder()
    slots = FlashSlots(NorFlash(2), 0)
    assert provision.identity(slots, ID) is None and slots.read() == []
    put("identity.json", text(WHO))
    assert provision.identity(slots, ID) is None
    assert files() == [] and slots.read() == [(1, text(WHO))] * 2
    put("identity.json", text(NEW))
    assert provision.identity(slots, ID) is None
    assert files() == [] and slots.read() == [(2, text(NEW))] * 2
    assert key_of(slots) == 1
    put("identity.json", text(NEW))  # once more the same: nothing to do
    assert provision.identity(slots, ID) is None
    assert files() == [] and slots.read() == [(2, text(NEW))] * 2


def test_an_unsound_identity_stays_in_place_and_the_old_one_in_force():
    empty_folder()
    slots = FlashSlots(NorFlash(2), 0)
    put("identity.json", text(WHO))
    provision.identity(slots, ID)
    half = text(NEW)[:-20]
    for junk in (half, b"", b"[]", b"\xff\xfe", text({"node": "n-1"}), text({"node": "n-1", "keys": {"0": "ab"}})):
        put("identity.json", junk)
        problem = provision.identity(slots, ID)
        assert ID in problem and "left as it is" in problem and "abab" not in problem, problem
        assert files() == ["identity.json"] and slots.read() == [(1, text(WHO))] * 2
    put("identity.json", text(dict(NEW, made_by="x" * 5000)))
    assert "more than" in provision.identity(slots, ID)
    assert key_of(slots) == 0


def test_a_copy_of_the_identity_that_was_lost_is_made_again():
    empty_folder()
    flash = NorFlash(2)
    slots = FlashSlots(flash, 0)
    put("identity.json", text(WHO))
    provision.identity(slots, ID)
    for at in (5, 4096 + 5):
        flash.data[at] ^= 1
        assert slots.read() == [(1, text(WHO))]
        assert provision.identity(slots, ID) is None
        assert slots.read() == [(1, text(WHO))] * 2


def test_no_copy_of_the_identity_names_the_remedy():
    flash = NorFlash(2)
    slots = FlashSlots(flash, 0)
    slots.write(1, b'{"node": "n-1"}', 0)  # sound flash, yet no key
    for _ in (0, 1):
        said = ""
        try:
            identity.load(slots)
        except identity.IdentityError as error:
            said = str(error)
        assert "provision it anew" in said, said
        flash.data[8] ^= 1


def test_no_cut_leaves_a_node_without_an_identity():
    empty_folder()
    flash = NorFlash(2)
    put("identity.json", text(WHO))
    provision.identity(FlashSlots(flash, 0), ID)

    def work(flash):
        put("identity.json", text(NEW))
        assert provision.identity(FlashSlots(flash, 0), ID) is None

    for left in every_cut(flash.snapshot(), work):
        slots = FlashSlots(left, 0)
        assert key_of(slots) in (0, 1)
        was = key_of(slots)
        if files():
            assert provision.identity(slots, ID) is None
            was = 1
        else:
            assert was == 1  # the file goes last
            provision.identity(slots, ID)
        assert files() == [] and slots.read() == [(2, text(NEW))] * 2 and key_of(slots) == was


def test_a_flash_that_refuses_keeps_the_file():
    empty_folder()
    flash = NorFlash(2)
    flash.refuse = True
    put("identity.json", text(WHO))
    put("config.json", text(CONF))
    assert "left as it is" in provision.identity(FlashSlots(flash, 0), ID)
    assert "left as it is" in take(FlashSlots(flash, 0), Memory())
    assert files() == ["config.json", "identity.json"]


def test_the_first_configuration_is_committed_the_next_is_on_trial():
    empty_folder()
    slots, committed = FlashSlots(NorFlash(2), 0), Memory()
    put("config.json", text(CONF))
    assert take(slots, committed) is None
    assert files() == [] and slots.read() == [(1, text(CONF))] * 2 and committed.value == 1
    put("config.json", text(CONF))
    assert take(slots, committed) is None
    assert files() == [] and committed.value == 1 and slots.read()[0][0] == 1
    put("config.json", text(OTHER))
    assert take(slots, committed) is None
    assert files() == [] and slots.read() == [(2, text(OTHER)), (1, text(CONF))] and committed.value == 1
    put("config.json", text(dict(CONF, profile=3)))  # and one more before that one has proved itself
    assert take(slots, committed) is None
    assert [one[0] for one in slots.read()] == [3, 1] and committed.value == 1


def test_an_unsound_configuration_changes_nothing():
    empty_folder()
    slots, committed = FlashSlots(NorFlash(2), 0), Memory()
    put("config.json", text(dict(CONF, colour="blue")))
    assert take(slots, committed) is None  # the first: better than defaults
    put("config.json", text(dict(CONF, colour="red")))
    assert take(slots, committed) is None  # no new problem
    for junk, why in (
        (b"{", ""),
        (b"[1]", "not a JSON object"),
        (b'{"trial_s": 1, "broker": {"host": "h"}}', "trial_s: "),
    ):
        put("config.json", junk)
        problem = take(slots, committed)
        assert why in problem and "left as it is" in problem, problem
        assert files() == ["config.json"] and [one[0] for one in slots.read()] == [2, 1]


def test_no_cut_leaves_a_node_without_a_configuration():
    for before in (None, CONF):
        empty_folder()
        flash = NorFlash(2)
        first = Memory()
        if before:
            put("config.json", text(before))
            take(FlashSlots(flash, 0), first)

        def work(flash, start=first.value):
            put("config.json", text(OTHER))
            assert take(FlashSlots(flash, 0), Memory(start)) is None

        for left in every_cut(flash.snapshot(), work):
            slots = FlashSlots(left, 0)
            found = [payload for _, payload in slots.read()]
            if before:
                assert text(CONF) in found
            if "config.json" not in files():
                assert text(OTHER) in found
            else:
                assert take(slots, Memory(first.value)) is None
                assert slots.read()[0][1] == text(OTHER)
    try:
        os.remove(CF)
    except OSError:
        pass
