"""A configuration on trial: what proves it, what takes it back, and that no cut loses the one before."""

import json

from flash_rig import Memory, every_cut

from pantau_node import config
from pantau_node.counters import Counter, Counters
from pantau_node.slots import FlashSlots
from pantau_node.trial import COMMITTED, DEFAULTS, REVERTED, TRIAL, Trial
from pantau_sim.flash import NorFlash

OLD = {"broker": {"host": "h", "port": 1883}, "sampling": {"interval_s": 60}, "link": {"password": "secret"}}


def text(data):
    return json.dumps(data).encode()


def node(flash, committed=None, crashed=False, rescue=None):
    """Boot: return (Trial, body, generation, state)."""
    if committed is None:
        committed = Counter(Counters(flash, 2), 3)
    trial = Trial(lambda: FlashSlots(flash, 0), committed, config.build)
    return (trial,) + trial.load(rescue, crashed)


def provisioned():
    flash = NorFlash(4)
    FlashSlots(flash, 0).write(1, text(OLD), 0)
    Counter(Counters(flash, 2), 3).advance(1)
    return flash


def test_a_change_is_tried_after_the_restart_and_committed_by_an_acknowledgement():
    flash = provisioned()
    trial, body, generation, state = node(flash)
    assert (body, generation, state, trial.problem) == (OLD, 1, COMMITTED, None)
    patch = {"sampling": {"interval_s": 30, "batch": 5}, "broker": {"port": None}, "link": {"password": "hush"}}
    ok, detail = trial.apply(patch, 5, 0)
    assert (ok, detail) == (1, "broker.port=8883 link.password=*** sampling.batch=5 sampling.interval_s=30"), detail
    trial.on_ack(1000)  # of the restart's result: proves nothing
    assert not trial.due(10**9)
    assert (trial.state, trial.generation) == (COMMITTED, 1)
    trial, body, generation, state = node(flash)
    want = {"broker": {"host": "h"}, "sampling": {"interval_s": 30, "batch": 5}, "link": {"password": "hush"}}
    assert (body, generation, state) == (want, 5, TRIAL)
    assert not trial.due(299999)
    trial.on_ack(299999)
    assert trial.state == COMMITTED and not trial.due(300000)
    assert node(flash)[1:] == (want, 5, COMMITTED)


def test_without_an_acknowledgement_it_is_taken_back():
    flash = provisioned()
    trial = node(flash)[0]
    trial.apply({"broker": {"host": "wrong"}, "trial_s": 60}, 2, 0)
    trial, body, _, state = node(flash)
    assert body["broker"]["host"] == "wrong" and state == TRIAL
    assert not trial.due(59999) and trial.due(60000)
    assert (trial.generation, trial.state) == (3, REVERTED) and not trial.due(60001)
    for _ in (0, 1):
        trial, body, generation, state = node(flash)
        assert (body, generation, state) == (OLD, 3, REVERTED)
    assert trial.apply({"profile": 2}, 3, 0)[0] == 0
    assert trial.apply({"profile": 2}, 4, 0) == (1, "profile=2")
    trial, body, generation, state = node(flash)
    assert (body["profile"], generation, state) == (2, 4, TRIAL)
    trial.on_ack(0)
    assert node(flash)[2:] == (4, COMMITTED)


def test_a_crash_ends_the_trial_a_power_cut_does_not():
    flash = provisioned()
    node(flash)[0].apply({"profile": 2}, 2, 0)
    for _ in (0, 1, 2):
        assert node(flash)[3] == TRIAL
    trial, body, generation, state = node(flash, crashed=True)
    assert (body, generation, state) == (OLD, 3, REVERTED) and "crash" in trial.problem
    assert node(flash, crashed=True)[1:] == (OLD, 3, REVERTED)


def test_a_battery_node_has_time_to_report():
    flash = provisioned()
    node(flash)[0].apply({"power": {"profile": "battery", "report_s": 900}}, 2, 0)
    trial = node(flash)[0]
    assert not trial.due(1799999) and trial.due(1800000)


def test_what_cannot_be_taken_is_refused_with_the_reason():
    flash = provisioned()
    trial = node(flash)[0]
    before = flash.ops
    for patch, generation, why in (
        ({"profile": 2}, 1, "generation 1 is not greater than 1"),
        ({"profile": 2}, True, "is not greater"),
        ({"profile": 2}, "9", "is not greater"),
        ({"profile": 2}, 1 << 32, "is not greater"),
        ([], 2, "not a JSON object"),
        ({"colour": "blue"}, 2, "colour: unknown key"),
        ({"profile": "x", "trial_s": 1}, 2, "profile: must be an integer; trial_s: 1 is not in"),
        ({"link": 5}, 2, "link: must be an object"),
        ({"broker": None}, 2, "broker.host: missing"),
        ({"board": "x" * 5000}, 2, "more than 4080"),
    ):
        ok, detail = trial.apply(patch, generation, 0)
        assert ok == 0 and why in detail, (patch, detail)
    assert trial.apply({"profile": None}, 2, 0) == (1, "unchanged: profile=1")
    assert flash.ops == before
    flash.refuse = True
    assert trial.apply({"profile": 2}, 2, 0) == (0, "the flash refused it")
    flash.refuse = False
    assert node(flash)[1:] == (OLD, 1, COMMITTED)


def test_problems_of_the_old_configuration_do_not_block_a_new_one():
    flash = NorFlash(4)
    FlashSlots(flash, 0).write(1, text({"colour": "blue"}), 0)
    trial = node(flash)[0]
    assert trial.apply({"profile": 2}, 2, 0) == (1, "profile=2")


def test_both_copies_damaged_gives_the_rescue_configuration_or_defaults():
    flash = provisioned()
    node(flash)[0].apply({"profile": 2}, 2, 0)
    for at in (20, 4096 + 20):
        flash.data[at] ^= 1
    trial, body, generation, state = node(flash)
    assert (body, generation, state) == ({}, 1, DEFAULTS) and "provision it anew" in trial.problem
    trial, body, _, state = node(flash, rescue=OLD)
    assert (body, state) == (OLD, DEFAULTS) and "rescue" in trial.problem
    trial.on_ack(0)
    assert not trial.due(10**9)
    assert trial.apply(OLD, 2, 0)[0] == 1  # a way out from afar
    assert node(flash)[1:] == (OLD, 2, COMMITTED)


def test_one_copy_damaged_runs_on_with_the_other():
    flash = provisioned()
    node(flash)[0].apply({"profile": 2}, 2, 0)
    node(flash)[0].on_ack(0)
    image = flash.snapshot()
    flash.data[4096 + 20] ^= 1
    trial, body, generation, state = node(flash)
    assert (body, generation, state) == (OLD, 1, REVERTED) and "damaged" in trial.problem
    assert trial.apply({"profile": 3}, 3, 0)[0] == 1
    trial, body, generation, state = node(flash)
    assert (body["profile"], generation, state) == (3, 3, TRIAL)
    assert trial.due(300000)
    assert node(flash)[1:] == (OLD, 4, REVERTED)
    flash.restore(image)
    flash.data[20] ^= 1
    assert node(flash)[1]["profile"] == 2 and node(flash)[3] == COMMITTED


def test_a_trial_without_a_way_back_stays():
    flash = provisioned()
    node(flash)[0].apply({"profile": 2}, 2, 0)
    trial = node(flash)[0]
    flash.data[20] ^= 1  # while it is on trial
    assert not trial.due(300000)
    assert trial.state == COMMITTED
    assert node(flash)[2:] == (2, COMMITTED)


def test_a_flash_that_refuses_does_not_end_in_restarts():
    flash = provisioned()
    node(flash)[0].apply({"profile": 2}, 2, 0)
    committed = Memory(1)
    trial = node(flash, committed)[0]
    committed.refuse = flash.refuse = True
    trial.on_ack(0)
    assert trial.state == TRIAL
    assert not trial.due(300000) and not trial.due(300001)
    committed.refuse = flash.refuse = False
    trial.on_ack(300002)
    assert trial.state == COMMITTED and committed.value == 2


def test_no_cut_loses_the_configuration():
    flash = provisioned()
    start = flash.snapshot()
    new = dict(OLD, profile=2)

    def proved(flash):
        trial = node(flash)[0]
        trial.apply({"profile": 2}, trial.generation + 1, 0)
        node(flash)[0].on_ack(0)

    def failed(flash):
        trial = node(flash)[0]
        trial.apply({"profile": 2}, trial.generation + 1, 0)
        assert node(flash)[0].due(300000)
        assert node(flash)[3] == REVERTED

    def crashed(flash):
        trial = node(flash)[0]
        trial.apply({"profile": 2}, trial.generation + 1, 0)
        node(flash, crashed=True)

    for work, end in ((proved, new), (failed, OLD), (crashed, OLD)):
        for left in every_cut(start, work, tries=2):
            trial, body, generation, state = node(left)
            assert body in (OLD, new), body
            if state == TRIAL:
                trial.on_ack(0) if end is new else trial.due(300000)
                again = node(left)
                assert again[3] == (COMMITTED if end is new else REVERTED), again
                assert again[1] == end
            else:
                assert node(left)[1:] == (body, generation, state)
            trial = node(left)[0]
            assert trial.apply({"profile": 9}, trial.generation + 2, 0)[0] == 1
            assert node(left)[1]["profile"] == 9
