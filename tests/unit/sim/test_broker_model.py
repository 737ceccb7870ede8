"""The broker model: MQTT 3.1.1 as far as ours use it, bytes in and bytes out."""

import pytest

from pantau_sim.broker import IN_FLIGHT, MAX_QUEUED, BrokerModel, matches, valid_filter
from pantau_wire import mqtt, mqtt_more


class Client:
    def __init__(self, broker, client_id, *, clean=False, keepalive=60, now=0, **options):
        self.connection = broker.connect()
        self.reader = mqtt.Reader(65536)
        self.send(mqtt.connect(client_id, clean=clean, keepalive=keepalive, **options), now)

    def send(self, data, now=0):
        self.connection.receive(data, now)

    def packets(self):
        self.reader.feed(self.connection.take())
        out = []
        while True:
            packet = self.reader.next()
            if packet is None:
                return out
            out.append(packet)

    def messages(self):
        return [mqtt_more.parse_publish(flags, body) for kind, flags, body in self.packets() if kind == mqtt.PUBLISH]


def subscriber(broker, client_id="sub", filter_="a/#", **options):
    client = Client(broker, client_id, **options)
    client.send(mqtt.subscribe(1, [(filter_, 1)]))
    client.packets()
    return client


def test_publish_is_acknowledged_and_routed():
    broker = BrokerModel()
    sub, pub = subscriber(broker), Client(broker, "pub")
    pub.packets()
    pub.send(mqtt.publish("a/b", b"x", 1, 7))
    assert [mqtt.parse_pid(body) for kind, _, body in pub.packets() if kind == mqtt.PUBACK] == [7]
    assert sub.messages() == [("a/b", b"x", 1, 1, False, False)]


def test_a_persistent_session_gets_what_it_missed_and_redelivery_is_marked():
    broker = BrokerModel()
    sub, pub = subscriber(broker), Client(broker, "pub")
    pub.send(mqtt.publish("a/1", b"1", 1, 1))
    sub.messages()  # received and not acknowledged
    sub.connection.lost()
    pub.send(mqtt.publish("a/2", b"2", 1, 2))
    pub.send(mqtt.publish("a/3", b"3", 0))
    sub = Client(broker, "sub")
    packets = sub.packets()
    assert mqtt.parse_connack(packets[0][2]) == (True, 0)
    got = [mqtt_more.parse_publish(flags, body) for kind, flags, body in packets[1:]]
    assert [(topic, dup) for topic, _, _, _, _, dup in got] == [("a/1", True), ("a/2", False)]
    for message in got:
        sub.send(mqtt.puback(message[3]))
    assert not broker.sessions["sub"].in_flight


def test_window_and_queue_are_bounded():
    broker = BrokerModel()
    sub, pub = subscriber(broker), Client(broker, "pub")
    for k in range(IN_FLIGHT + MAX_QUEUED + 5):
        pub.send(mqtt.publish("a/b", b"%d" % k, 1, k + 1))
    first = sub.messages()
    assert len(first) == IN_FLIGHT
    assert broker.dropped == 5
    sub.send(mqtt.puback(first[0][3]))
    assert [m[1] for m in sub.messages()] == [b"%d" % IN_FLIGHT]


def test_the_limits_of_a_mosquitto_that_is_configured():
    broker = BrokerModel(in_flight=2, max_queued=3)
    sub, pub = subscriber(broker), Client(broker, "pub")
    for k in range(9):
        pub.send(mqtt.publish("a/b", b"%d" % k, 1, k + 1))
    assert len(sub.messages()) == 2 and broker.dropped == 4


def test_retained_is_given_at_subscription_and_cleared_by_nothing():
    broker = BrokerModel()
    pub = Client(broker, "pub")
    pub.send(mqtt.publish("a/b", b"x", 1, 1, retain=True))
    sub = Client(broker, "sub")
    sub.send(mqtt.subscribe(1, [("a/+", 1)]))
    assert sub.messages()[0][4] is True
    pub.send(mqtt.publish("a/b", b"", 1, 2, retain=True))
    assert sub.messages()[0][4] is False
    assert broker.retained == {}


def test_will_on_loss_and_silence_not_on_goodbye():
    broker = BrokerModel()
    sub = subscriber(broker)
    will = ("a/will", b"offline", 1, True)
    Client(broker, "n1", will=will).send(mqtt_more.disconnect())
    assert sub.messages() == []
    Client(broker, "n2", will=will).connection.lost()
    assert [m[1] for m in sub.messages()] == [b"offline"]
    sub.send(mqtt_more.disconnect())
    quiet = Client(broker, "n3", will=will, keepalive=10, now=1000)
    assert broker.next_deadline_ms() == 16000
    broker.tick(15999)
    assert not quiet.connection.closed
    broker.tick(16000)
    assert quiet.connection.closed


def test_the_same_id_takes_the_session_over():
    broker = BrokerModel()
    old = subscriber(broker)
    new = Client(broker, "sub")
    assert old.connection.closed
    Client(broker, "pub").send(mqtt.publish("a/b", b"x", 1, 1))
    assert len(new.messages()) == 1


def test_clean_sessions_leave_nothing():
    broker = BrokerModel()
    sub = subscriber(broker, clean=True)
    sub.connection.lost()
    assert broker.sessions == {}


@pytest.mark.parametrize(
    "data",
    [
        mqtt.pingreq(),
        mqtt.connect("x") + mqtt.connect("x"),
        mqtt.connect("x") + mqtt.publish("a/+", b"", 0),
        mqtt.connect("x") + mqtt.publish("a", b"", 2, 1),
        mqtt.connect("x") + b"\xf0\x00",
        b"\x10\xff\xff\xff\xff\x01",
    ],
)
def test_what_mqtt_forbids_closes_the_connection(data):
    connection = BrokerModel().connect()
    connection.receive(data, 0)
    assert connection.closed


def test_login_and_topic_rules():
    broker = BrokerModel(
        login=lambda client_id, user, password: (user, password) == (client_id, "p"),
        allowed=lambda user, topic, write: topic.startswith(f"a/{user}") if write else True,
    )
    bad = Client(broker, "n1", user="n1", password="wrong")
    assert mqtt.parse_connack(bad.packets()[0][2]) == (False, 5)
    assert bad.connection.closed
    sub = Client(broker, "sub", user="sub", password="p")
    sub.send(mqtt.subscribe(1, [("a/#", 1)]))
    assert [mqtt.parse_suback(body)[1] for kind, _, body in sub.packets() if kind == mqtt.SUBACK] == [[1]]
    good = Client(broker, "n1", user="n1", password="p")
    good.send(mqtt.publish("a/n2/up", b"forged", 1, 1) + mqtt.publish("a/n1/up", b"own", 1, 2))
    assert [m[1] for m in sub.messages()] == [b"own"]


def test_a_restart_without_persistence_forgets():
    broker = BrokerModel()
    sub = subscriber(broker)
    broker.restart()
    assert sub.connection.closed and "sub" in broker.sessions
    broker.restart(keep_sessions=False)
    assert broker.sessions == {}


@pytest.mark.parametrize(
    "filter_, topic, hit",
    [
        ("a/b", "a/b", True), ("a/+", "a/b", True), ("a/+", "a/b/c", False), ("a/#", "a", True), ("a/#", "a/b/c", True),
        ("#", "$SYS/x", False), ("+/x", "$SYS/x", False), ("$SYS/#", "$SYS/x", True), ("a/+/c", "a//c", True), ("+", "", True),
    ],
)  # fmt: skip
def test_wildcards(filter_, topic, hit):
    assert matches(filter_, topic) is hit


def test_filters_that_are_none():
    assert not any(valid_filter(f) for f in ("", "a/#/b", "a#", "a+/b", "#/a"))
    assert all(valid_filter(f) for f in ("#", "+", "a/+/#", "/", "a"))
