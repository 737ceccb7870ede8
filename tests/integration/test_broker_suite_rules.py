"""What the broker model claims, held to a real Mosquitto: filters, forbidden packets, limits, access, restarts."""

from __future__ import annotations

import pytest

from integration.broker_rig import got, payloads
from pantau_sim.broker import MAX_PACKET, MAX_PAYLOAD
from pantau_wire import mqtt, mqtt_more

WILL = ("n/will", b"gone", 1, False)


@pytest.mark.parametrize(
    "filter_, topic, hit",
    [
        ("a/b", "a/b", True), ("a/+", "a/b", True), ("a/+", "a/b/c", False), ("a/+", "a", False), ("a/+", "a/", True),
        ("a/#", "a", True), ("a/#", "a/b/c", True), ("+/b/#", "a/b", True), ("a/+/c", "a//c", True), ("+", "", True),
        ("a", "a/", False), ("a/", "a", False), ("A", "a", False), ("+/+", "/x", True), ("$a/+", "$a/b", True),
    ],
)  # fmt: skip
def test_wildcards(either, filter_, topic, hit):
    sub, pub = either.subscriber(filter_), either.connect("pub")
    pub.publish(topic)
    assert len(sub.messages()) == hit


def test_a_leading_wildcard_leaves_topics_of_the_broker_alone(either):
    pub, sub = either.connect("pub"), either.connect("sub")
    sub.send(mqtt.subscribe(1, [("#", 0), ("+/x", 0)]))
    sub.packets()  # what earlier cases left retained
    pub.publish("$a/x")
    pub.publish("x")
    assert [message.topic for message in sub.messages()] == ["x"]
    assert either.connect("late").subscribe("$a/#")[0] == [1]


@pytest.mark.parametrize("filter_", ["a/#/b", "a#", "a+/b", "a/+b", "#/a"])
def test_a_filter_that_is_none_ends_the_connection(either, filter_):
    sub = either.connect("sub")
    sub.send(mqtt.subscribe(1, [(sub.topic("ok"), 1), (sub.topic(filter_), 1)]))
    assert sub.ended() == []


def test_unsubscribe(either):
    sub, pub = either.subscriber("a", "b", clean=False), either.connect("pub")
    sub.unsubscribe("a", "never/had")
    pub.publish("a")
    pub.publish("b")
    assert sub.messages() == [got("b")]
    sub.drop()
    pub.publish("a")
    assert either.connect("sub", clean=False).messages() == []


def test_a_filter_asked_for_again_is_replaced(either):
    sub, pub = either.subscriber(("a", 0)), either.connect("pub")
    sub.subscribe(("a", 1))
    pub.publish("a")
    assert sub.messages() == [got("a")]


@pytest.mark.parametrize(
    "filters, topic, first",
    [
        ([("a/b", 0), ("a/#", 1)], "a/b", 0),
        ([("a/b", 1), ("a/#", 0)], "a/b", 1),
        ([("a/#", 1), ("a/b", 0)], "a/b", 0),
        ([("a/#", 1), ("a/+", 0)], "a/b", 0),
        ([("a/#", 0), ("+/b", 1)], "a/b", 0),
        ([("a/+/c", 0), ("+/b/c", 1)], "a/b/c", 0),
        ([("a", 1), ("a/#", 0)], "a", 0),
        ([("+/#", 0), ("+", 1)], "a", 0),
    ],
)
def test_overlapping_subscriptions_deliver_once_by_the_first_found(either, filters, topic, first):
    """Level by level what is literal comes before +, + before #, and # before the filter that ends: that one's quality counts."""
    sub, pub = either.subscriber(*filters), either.connect("pub")
    pub.publish(topic)
    assert sub.messages() == [got(topic, qos=first)]


def test_a_client_hears_itself(either):
    both = either.subscriber("a")
    both.send(mqtt.publish(both.topic("a"), b"x", 0))
    assert both.messages() == [got("a", qos=0)]


# Client ids, protocol errors, limits


def test_an_empty_client_id_is_given_one_if_it_is_clean(either):
    one, two = (either.client().hello(mqtt.connect("", clean=True)) for _ in "12")
    assert (one.code, one.present, two.code) == (0, False, 0)
    one.subscribe("a")
    two.publish("a")
    assert one.messages() == [got("a")]
    refused = either.client().hello(mqtt.connect("", clean=False))
    assert refused.code == 2 and refused.ended() == []


HELLO = mqtt.connect("malformed", clean=True)


@pytest.mark.parametrize(
    "data",
    [
        mqtt.pingreq(),
        mqtt.publish("a", b"x"),
        b"\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff\xff\xff\x01",
        mqtt.packet(0x10, b"\x00\x04MQTX\x04\x02\x00\x3c\x00\x01x"),
        mqtt.packet(0x10, b"\x00\x04MQTT\x04\x03\x00\x3c\x00\x01x"),  # reserved flag
        mqtt.packet(0x10, b"\x00\x04MQTT\x04\x1e\x00\x3c\x00\x01x\x00\x01t\x00\x01p"),  # will of QoS 3
        mqtt.packet(0x10, b"\x00\x04MQTT\x04\x0a\x00\x3c\x00\x01x"),  # QoS of a will without a will
        mqtt.packet(0x10, b"\x00\x04MQTT\x04\x42\x00\x3c\x00\x01x\x00\x01p"),  # password without a user
        mqtt.packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x05x"),  # cut short
        mqtt.packet(0x11, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x"),
        mqtt.connect("x", clean=True, will=("a/+", b"", 0, False)),
        mqtt.connect("x", clean=True, will=("", b"", 0, False)),
    ],
)
def test_a_beginning_that_is_none_ends_the_connection(either, data):
    client = either.client()
    client.send(data)
    assert client.ended() == []


def test_another_version_is_refused_with_a_code(either):
    client = either.client().hello(mqtt.packet(0x10, b"\x00\x04MQTT\x07\x02\x00\x3c\x00\x01x"))
    assert client.code == 1 and client.ended() == []


@pytest.mark.parametrize(
    "data",
    [
        HELLO,
        mqtt.publish("case/+", b""),
        mqtt.publish("case/#", b""),
        mqtt.publish("", b""),
        mqtt.packet(0x30, mqtt.binary(b"case/\xff") + b"x"),
        mqtt.packet(0x30, mqtt.binary(b"case/\x00") + b"x"),
        mqtt.packet(0x30, b"\x00\x09case"),
        mqtt.packet(0x36, mqtt.binary("case") + b"\x00\x01x"),  # QoS 3
        mqtt.publish("case", b"x", 1, 0),
        mqtt.packet(0x82, b"\x00\x01"),
        mqtt.packet(0x80, b"\x00\x01\x00\x01a\x00"),
        mqtt.packet(0x82, b"\x00\x01\x00\x01a\x03"),
        mqtt.packet(0x82, b"\x00\x00\x00\x01a\x01"),
        mqtt.packet(0x82, b"\x00\x01\x00\x01a"),
        mqtt.packet(0x82, b"\x00\x01\x00\x00\x01"),
        mqtt.packet(0xA2, b"\x00\x01"),
        mqtt.packet(0xA2, b"\x00\x01\x00\x02a#"),
        mqtt.packet(0xA0, b"\x00\x01\x00\x01a"),
        mqtt.packet(0xA2, b"\x00\x00\x00\x01a"),
        mqtt.packet(0x40, b"\x00\x00"),
        mqtt.packet(0x40, b"\x01"),
        mqtt.packet(0xE1, b""),
        mqtt_more.connack(False, 0),
        b"\xf0\x00",
        b"\x30\xff\xff\xff\xff\x01",
    ],
)
def test_what_mqtt_forbids_ends_the_connection(either, data):
    client = either.connect("x")
    client.send(data)
    assert client.ended() == []


@pytest.mark.parametrize(
    "data",
    [
        mqtt.packet(0x38, mqtt.binary("case") + b"x"),  # DUP at QoS 0
        mqtt.packet(0x41, b"\x00\x01"),
        mqtt.packet(0x40, b"\x00\x01\x00"),
        mqtt_more.suback(1, [1]),
        mqtt_more.unsuback(1),
        mqtt_more.pingresp(),
    ],
)
def test_what_mqtt_forbids_and_mosquitto_forgives(either, data):
    client = either.connect("x")
    client.send(data)
    assert client.packets() == []


@pytest.mark.parametrize("data", [mqtt.packet(0xC0, b"\x00"), mqtt.packet(0xC1, b"")])
def test_a_strange_ping_is_answered(either, data):
    client = either.connect("x")
    client.send(data)
    assert client.until(mqtt_more.PINGRESP)


def test_a_payload_that_is_too_large_is_acknowledged_and_dropped(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    for size in (MAX_PAYLOAD, MAX_PAYLOAD + 1):
        pub.publish("a", bytes(size))
    assert [len(message.payload) for message in sub.messages()] == [MAX_PAYLOAD]


def test_a_packet_that_is_too_large_ends_the_connection(either):
    pub = either.connect("pub")
    most = MAX_PACKET - len(mqtt.binary(pub.topic("a"))) - 2
    pub.publish("a", bytes(most))
    pub.send(mqtt.publish(pub.topic("a"), bytes(most + 1), 1, 7))
    assert pub.ended() == []


def test_a_packet_in_pieces_is_one_packet(either):
    sub, pub = either.subscriber("a"), either.connect("pub")
    for byte in mqtt.publish(pub.topic("a"), b"xyz", 0):
        pub.send(bytes([byte]))
    pub.packets()
    assert payloads(sub.messages()) == [b"xyz"]


# Who may what


@pytest.mark.parametrize("user, password", [("n1", "wrong"), ("n1", None), ("nobody", "secret-1")])
def test_a_wrong_password_is_refused(either, user, password):
    client = either.connect("n", user=user, password=password, will=WILL)
    assert (client.code, client.present) == (5, False)
    assert client.ended() == []


def test_a_forbidden_message_is_acknowledged_and_goes_nowhere(either):
    sub = either.subscriber("#")
    node = either.connect("n", user="n1", password="secret-1")
    node.publish("n2/up", b"forged")
    node.publish("n2/up", b"forged", retain=True)
    node.publish("n2/up", b"forged", qos=0)
    node.publish("n1/up", b"own")
    assert sub.messages() == [got("n1/up", b"own")]
    assert either.connect("late").subscribe("n2/up") == ([1], [])


def test_a_forbidden_filter_is_granted_and_brings_nothing(either):
    """Mosquitto's acl_file says nothing about SUBSCRIBE: it holds back each message that the client may not read."""
    pub = either.connect("pub")
    pub.publish("n2/up", b"kept", retain=True)
    pub.publish("n1/down", b"kept", retain=True)
    node = either.connect("n", clean=False, user="n1", password="secret-1")
    assert node.subscribe("n2/up", "#") == ([1, 1], [got("n1/down", b"kept", retain=True)])
    pub.publish("n2/up")
    pub.publish("n1/down")
    assert node.messages() == [got("n1/down")]
    node.drop()
    pub.publish("n2/up", b"away")
    pub.publish("n1/down", b"away")
    assert either.connect("n", clean=False, user="n1", password="secret-1").messages() == [got("n1/down", b"away")]


def test_a_forbidden_will_is_not_published(either):
    sub = either.subscriber("#")
    either.connect("n", user="n1", password="secret-1", will=("n2/up", b"forged", 1, False)).drop()
    either.connect("n", user="n1", password="secret-1", will=("n1/will", b"own", 1, False)).drop()
    assert sub.messages() == [got("n1/will", b"own")]


# Restarts


def test_an_orderly_restart_keeps_sessions_and_retained_messages(either):
    """The wills are published before it: a broker that ends takes its clients with it."""
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    will = either.connect("n", will=("a", b"will", 1, False))
    pub.publish("kept", retain=True)
    pub.publish("a", b"sent")
    assert payloads(sub.messages(ack=False)) == [b"sent"]
    gone = either.subscriber("a", name="gone", clean=False)
    gone.drop()
    either.subscriber("a", name="clean")
    pub.publish("a", b"queued")
    either.restart(keep=True)
    for client in (sub, pub, will):
        client.ended()
    again = either.connect("sub", clean=False)
    assert again.present
    assert [(m.payload, m.dup) for m in again.messages()] == [(b"sent", True), (b"queued", True), (b"will", True)]
    assert payloads(either.connect("gone", clean=False).messages()) == [b"queued", b"will"]
    assert not either.connect("clean", clean=False).present
    assert either.connect("late").subscribe("kept") == ([1], [got("kept", retain=True)])


def test_a_restart_without_persistence_forgets_all(either):
    sub, pub = either.subscriber("a", clean=False), either.connect("pub")
    pub.publish("kept", retain=True)
    either.restart(keep=False)
    sub.ended()
    assert not either.connect("sub", clean=False).present
    assert either.connect("late").subscribe("kept") == ([1], [])
