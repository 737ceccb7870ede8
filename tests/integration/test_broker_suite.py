"""What the broker model claims, held to a real Mosquitto: each case runs on both, and where they differ Mosquitto is right.

One difference is on purpose: Mosquitto speaks QoS 2, the model ends the connection (`test_quality_of_service_2`).
test_broker_suite_rules.py is the other half.
"""

from __future__ import annotations

import pytest

from integration.broker_rig import got, payloads
from pantau_sim.broker import IN_FLIGHT, MAX_QUEUED
from pantau_wire import mqtt

WILL = ("n/will", b"gone", 1, False)

# Sessions


def test_the_first_connection_finds_no_session(either):
    for clean in (False, True):
        client = either.connect(f"c{clean}", clean=clean)
        assert (client.present, client.code) == (False, 0)


def test_a_persistent_session_is_found_again_with_its_subscriptions_and_what_came_meanwhile(either):
    sub, pub = either.subscriber("a/#", clean=False), either.connect("pub")
    sub.drop()
    pub.publish("a/1", b"1")
    pub.publish("a/2", b"2")
    pub.publish("b", b"3")
    again = either.connect("sub", clean=False)
    assert again.present
    assert again.messages() == [got("a/1", b"1"), got("a/2", b"2")]
    pub.publish("a/4", b"4")
    assert again.messages() == [got("a/4", b"4")]


def test_disconnect_keeps_a_persistent_session_too(either):
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    sub.leave()
    pub.publish("a")
    again = either.connect("sub", clean=False)
    assert again.present and again.messages() == [got("a")]


def test_a_clean_connection_leaves_nothing_behind(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    sub.drop()
    pub.publish("a")
    again = either.connect("sub", clean=False)
    assert not again.present and again.messages() == []


def test_a_clean_connection_ends_the_persistent_session_before_it(either):
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    sub.drop()
    pub.publish("a")
    clean = either.connect("sub", clean=True)
    assert not clean.present and clean.messages() == []
    clean.leave()
    assert not either.connect("sub", clean=False).present


# Quality of service 0 and 1


@pytest.mark.parametrize("sent, asked, came", [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_a_message_comes_at_the_lower_of_both_qualities(either, sent, asked, came):
    sub, pub = either.subscriber(("a", asked)), either.connect("pub")
    pub.publish("a", qos=sent)
    assert sub.messages() == [got("a", qos=came)]


def test_quality_0_is_not_kept_for_an_absent_client(either):
    sub, pub = either.subscriber("a", ("b", 0), clean=False), either.connect("pub")
    sub.drop()
    pub.publish("a", b"0", qos=0)
    pub.publish("a", b"1", qos=1)
    pub.publish("b", b"2", qos=1)  # asked for at QoS 0
    assert payloads(either.connect("sub", clean=False).messages()) == [b"1"]


def test_what_was_not_acknowledged_comes_again_marked_in_order_before_what_is_new(either):
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    for k in range(3):
        pub.publish("a", b"%d" % k)
    assert payloads(sub.messages(ack=False)) == [b"0", b"1", b"2"]
    sub.send(mqtt.puback(sub.pids[1]))
    assert sub.messages() == []
    sub.drop()
    pub.publish("a", b"3")
    again = either.connect("sub", clean=False)
    assert again.messages() == [got("a", b"0", dup=True), got("a", b"2", dup=True), got("a", b"3")]
    assert again.pids[:2] == [sub.pids[0], sub.pids[2]]
    assert len(set(again.pids)) == 3
    again.drop()
    assert either.connect("sub", clean=False).messages() == []


def test_what_was_never_sent_is_not_marked_when_it_comes_at_last(either):
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    sub.drop()
    for k in range(IN_FLIGHT + 2):
        pub.publish("a", b"%d" % k)
    again = either.connect("sub", clean=False)
    assert [(m.payload, m.dup) for m in again.messages(ack=False)] == [(b"%d" % k, False) for k in range(IN_FLIGHT)]
    again.drop()
    third = either.connect("sub", clean=False)
    came = [(m.payload, m.dup) for m in third.messages() + third.messages()]
    assert came == [(b"%d" % k, k < IN_FLIGHT) for k in range(IN_FLIGHT + 2)]


def test_the_window_holds_back_what_is_too_much(either):
    """How many follow the first acknowledgement is not compared: see the model's docstring."""
    sub, pub = either.subscriber("a"), either.connect("pub")
    for k in range(IN_FLIGHT + 3):
        pub.publish("a", b"%d" % k)
    came = payloads(sub.messages(ack=False))
    assert came == [b"%d" % k for k in range(IN_FLIGHT)]
    for pid in (sub.pids[5], sub.pids[0], sub.pids[19]):
        before = len(came)
        sub.send(mqtt.puback(pid))
        came += payloads(sub.messages(ack=False))
        assert len(came) in ((before + 1, IN_FLIGHT + 3) if either.kind == "mosquitto" else (before + 1,))
    assert came == [b"%d" % k for k in range(IN_FLIGHT + 3)]


def test_quality_0_does_not_wait_behind_a_full_window(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    for k in range(IN_FLIGHT + 1):
        pub.publish("a", b"%d" % k)
    pub.publish("a", b"now", qos=0)
    assert payloads(sub.messages(ack=False))[IN_FLIGHT:] == [b"now"]
    for pid in sub.pids:
        sub.send(mqtt.puback(pid))
    assert payloads(sub.messages()) == [b"%d" % IN_FLIGHT]


def flood(pub, count, qos=1):
    """Publish `count` numbered messages in one go."""
    pub.send(b"".join(mqtt.publish(pub.topic("a"), b"%d" % k, qos, k + 1) for k in range(count)))
    answers = pub.packets()
    assert [mqtt.parse_pid(body) for _, _, body in answers] == list(range(1, count + 1))


def drain(sub):
    found = []
    while came := sub.messages():
        found += came
    return payloads(found)


def test_an_absent_client_has_a_queue_with_an_end(either):
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    sub.drop()
    flood(pub, MAX_QUEUED + 30)
    assert drain(either.connect("sub", clean=False)) == [b"%d" % k for k in range(MAX_QUEUED)]


def test_what_was_in_flight_takes_room_in_the_queue_of_an_absent_client(either):
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    for k in range(5):
        pub.publish("a", b"f%d" % k)
    sub.messages(ack=False)
    sub.drop()
    flood(pub, MAX_QUEUED + 30)
    came = drain(either.connect("sub", clean=False))
    assert came == [b"f%d" % k for k in range(5)] + [b"%d" % k for k in range(MAX_QUEUED - 5)]


def test_a_slow_client_has_the_window_and_a_queue(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    flood(pub, IN_FLIGHT + MAX_QUEUED + 30)
    assert drain(sub) == [b"%d" % k for k in range(IN_FLIGHT + MAX_QUEUED)]


def test_an_acknowledgement_of_nothing_changes_nothing(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    sub.send(mqtt.puback(77))
    pub.publish("a")
    assert sub.messages() == [got("a")]


def test_the_broker_does_not_look_for_duplicates_of_quality_1(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    for dup in (False, True):
        pub.send(mqtt.publish(pub.topic("a"), b"x", 1, 9, dup=dup))
    assert [kind for kind, _, _ in pub.packets()] == [mqtt.PUBACK] * 2
    assert sub.messages() == [got("a"), got("a")]


def test_quality_of_service_2(either):
    """The one difference that is meant: Mosquitto speaks QoS 2 (PUBREC is 5, SUBACK grants 2); nothing of ours does."""
    pub = either.connect("pub")
    pub.send(mqtt.publish(pub.topic("a"), b"x", 2, 1))
    if either.kind == "model":
        assert pub.ended() == []
        assert either.connect("sub").subscribe(("a", 2)) == ([1], [])
    else:
        assert [kind for kind, _, _ in pub.packets()] == [5]
        assert either.connect("sub").subscribe(("a", 2)) == ([2], [])


# Retained messages


def test_a_retained_message_comes_with_each_subscription_and_is_marked(either):
    pub = either.connect("pub")
    pub.publish("a/1", b"old", retain=True)
    pub.publish("a/1", b"new", retain=True)
    pub.publish("a/2", b"zero", qos=0, retain=True)
    pub.publish("a/3", b"not", retain=False)
    sub = either.connect("sub")
    codes, came = sub.subscribe("a/+")
    assert codes == [1]
    assert sorted(came) == [got("a/1", b"new", retain=True), got("a/2", b"zero", 0, retain=True)]
    assert sub.subscribe(("a/1", 0)) == ([0], [got("a/1", b"new", 0, retain=True)])


def test_a_retained_message_is_not_marked_for_who_was_subscribed(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    pub.publish("a", retain=True)
    assert sub.messages() == [got("a")]


def test_an_empty_retained_message_clears_and_is_delivered_itself(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    pub.publish("a", retain=True)
    pub.publish("a", b"", retain=True)
    assert payloads(sub.messages()) == [b"x", b""]
    assert either.connect("late").subscribe("a") == ([1], [])


def test_a_persistent_session_that_comes_back_gets_no_retained_message_by_itself(either):
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    pub.publish("a", b"seen", retain=True)
    assert payloads(sub.messages()) == [b"seen"]
    sub.drop()
    assert either.connect("sub", clean=False).messages() == []


def test_retained_messages_beyond_the_window_wait(either):
    pub, sub = either.connect("pub"), either.connect("sub")
    for k in range(IN_FLIGHT + 4):
        pub.publish(f"a/{k}", b"%d" % k, retain=True)
    _codes, came = sub.subscribe("a/#", ack=False)
    assert len(came) == IN_FLIGHT
    for pid in sub.pids:
        sub.send(mqtt.puback(pid))
    came += sub.messages()
    assert sorted(payloads(came)) == sorted(b"%d" % k for k in range(IN_FLIGHT + 4))
    assert all(message.retain for message in came)


def test_a_retained_message_that_is_redelivered_is_still_marked(either):
    pub, sub = either.connect("pub"), either.connect("sub", clean=False)
    pub.publish("a", retain=True)
    assert sub.subscribe("a", ack=False) == ([1], [got("a", retain=True)])
    sub.drop()
    assert either.connect("sub", clean=False).messages() == [got("a", retain=True, dup=True)]


# Wills


def test_a_will_is_published_when_the_connection_is_lost(either):
    sub = either.subscriber("n/will")
    either.connect("n", will=WILL).drop()
    assert sub.messages() == [got("n/will", b"gone")]


def test_a_will_is_published_after_a_protocol_error(either):
    sub = either.subscriber("n/will")
    node = either.connect("n", will=WILL)
    node.send(b"\xf0\x00")
    node.ended()
    assert sub.messages() == [got("n/will", b"gone")]


def test_a_goodbye_takes_the_will_back(either):
    sub = either.subscriber("n/will")
    either.connect("n", will=WILL).leave()
    assert sub.messages() == []


def test_a_will_without_quality_and_a_retained_one(either):
    sub = either.subscriber("n/will")
    either.connect("n", will=("n/will", b"", 0, False)).drop()
    assert sub.messages() == [got("n/will", b"", 0)]
    either.connect("m", will=("n/will", b"gone", 1, True)).drop()
    assert sub.messages() == [got("n/will", b"gone")]
    assert either.connect("late").subscribe("n/will") == ([1], [got("n/will", b"gone", retain=True)])


def test_a_will_of_before_is_not_that_of_the_next_connection(either):
    sub = either.subscriber("n/will")
    either.connect("n", clean=False, will=WILL).leave()
    either.connect("n", clean=False).drop()
    assert sub.messages() == []


# Keepalive and take-over


def test_a_silent_client_is_dropped_after_one_and_a_half_keepalives(either):
    """Mosquitto looks every few seconds; never before the time, and the will follows."""
    sub = either.subscriber("n/will")
    began = either.now_s()
    silent = either.connect("n", keepalive=1, will=WILL)
    assert silent.ended() == []
    assert 1.5 <= either.now_s() - began < 9
    assert sub.messages() == [got("n/will", b"gone")]


@pytest.mark.parametrize("old_clean", [False, True])
@pytest.mark.parametrize("new_clean", [False, True])
def test_the_same_id_takes_over(either, old_clean, new_clean):
    """The old connection ends; its will is published unless the session goes on."""
    sub, pub = either.subscriber("n/will"), either.connect("pub")
    old = either.connect("n", clean=old_clean, will=WILL)
    old.subscribe("a")
    new = either.connect("n", clean=new_clean)
    assert old.ended() == []
    assert new.present == (not old_clean and not new_clean)
    pub.publish("a")
    assert new.messages() == ([got("a")] if new.present else [])
    assert len(sub.messages()) == (0 if new.present else 1)


def test_a_take_over_redelivers_what_the_old_connection_did_not_acknowledge(either):
    old, pub = either.subscriber("a", clean=False), either.connect("pub")
    pub.publish("a")
    assert old.messages(ack=False) == [got("a")]
    new = either.connect("sub", clean=False)
    assert new.messages() == [got("a", dup=True)]
    old.ended()
