"""MQTT 5 and 3.1.1 behind one set of functions: the standard's own bytes, another implementation, any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pantau.sources import mqtt5, refusals
from pantau.sources.dialect import DISCONNECT, Dialect, Login, Mqtt5, Mqtt311, pubacks
from pantau_wire import mqtt
from pantau_wire.errors import WireError

BOTH = pytest.mark.parametrize("dialect", [Mqtt311(), Mqtt5()], ids=lambda dialect: dialect.name)
# Table 1-1 of the standard: the edges of the variable byte integer.
EDGES = {
    0: "00",
    127: "7f",
    128: "8001",
    16_383: "ff7f",
    16_384: "808001",
    2_097_151: "ffff7f",
    2_097_152: "80808001",
    268_435_455: "ffffff7f",
}


def body(packet: bytes) -> tuple[int, int, bytes]:
    reader = mqtt.Reader(1 << 20)
    reader.feed(packet)
    found: tuple[int, int, bytes] = reader.next()
    assert reader.next() is None
    return found


def test_variable_byte_integers_have_the_bytes_of_the_standard():
    for value, data in EDGES.items():
        assert mqtt5.varint(value).hex() == data
        assert mqtt5.read_varint(bytes.fromhex(data) + b"\xff", 0) == (value, len(data) // 2)
    for wrong, code in (("80", "truncated"), ("8000", "bad_field"), ("ffffffff01", "bad_field"), ("", "truncated")):
        with pytest.raises(WireError, match=code):
            mqtt5.read_varint(bytes.fromhex(wrong), 0)


def test_packets_have_the_bytes_of_the_standards_examples():
    # 3.1.2.11, figure 3-6: version 5, flags 11001110 less the will (001110) and clean start, keep alive 10, expiry 10
    data = mqtt5.connect("a", {mqtt5.SESSION_EXPIRY: 10}, user="u", password="p", keepalive_s=10)
    assert (
        data.hex() == "1019" + "00044d515454" + "05" + "c0" + "000a" + "05110000000a" + "000161" + "000175" + "000170"
    )
    # 3.8.2 and 3.8.3: id 10, no properties; a/b with QoS 1, c/d with QoS 2
    assert (
        mqtt5.subscribe(10, [("a/b", 1), ("c/d", 2)]).hex() == "820f" + "000a" + "00" + "0003612f6201" + "0003632f6402"
    )
    assert mqtt5.unsubscribe(10, ["a/b", "c/d"]).hex() == "a20d" + "000a" + "00" + "0003612f62" + "0003632f64"
    # 3.3.2: a/b, id 10, no properties
    assert mqtt5.publish("a/b", b"!", 10).hex() == "3209" + "0003612f62" + "000a" + "00" + "21"
    assert pubacks([b"\x00\x0a", b"", b"\x01\x02"]).hex() == "4002000a" + "40020102"
    assert DISCONNECT.hex() == "e000"


def packed(kind: int, **values: object) -> bytes:
    """Properties as another implementation writes them."""
    properties = Properties(kind)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties.pack()


def test_properties_of_another_implementation_are_read():
    data = packed(
        PacketTypes.CONNACK, SessionExpiryInterval=7, ReceiveMaximum=20, MaximumPacketSize=4096, ServerKeepAlive=30,
        AssignedClientIdentifier="x", ReasonString="as\nyou like", UserProperty=[("k", "v"), ("k", "w")],
        AuthenticationData=b"\xff", RetainAvailable=0,
    )  # fmt: skip
    answer = mqtt5.read_connack(b"\x01\x00" + data)
    assert (answer.session_present, answer.code, answer.said) == (True, 0, "as you like")
    assert Mqtt5().connack(b"\x01\x00" + data)._replace(warnings=()) == (True, "", (), 30, 20, 4096)
    (warning,) = Mqtt5().connack(b"\x01\x00" + data).warnings
    assert "7 s" in warning and "persistent_client_expiration" in warning
    written = mqtt5.properties({mqtt5.SESSION_EXPIRY: mqtt5.FOR_EVER, mqtt5.RECEIVE_MAXIMUM: 1000})
    theirs, size = Properties(PacketTypes.CONNECT).unpack(written)
    assert (theirs.SessionExpiryInterval, theirs.ReceiveMaximum, size) == (mqtt5.FOR_EVER, 1000, len(written))


@pytest.mark.parametrize(
    "wrong, code",
    [
        ("0302ffff", "truncated"),  # a text longer than the properties
        ("021100", "truncated"),  # a number that ends early
        ("017f", "bad_field"),  # no such property
        ("062100012100", "truncated"),
        ("06210001210001", "bad_field"),  # twice
        ("051f0002c328", "bad_field"),  # not UTF-8
        ("04260001", "truncated"),
        ("ff", "truncated"),
    ],
)
def test_properties_that_cannot_be_are_refused(wrong, code):
    with pytest.raises(WireError, match=code):
        mqtt5.read_properties(bytes.fromhex(wrong), 0)


@pytest.mark.parametrize(
    "answer, words",
    [
        ("008600", ["bad user name or password", "password_file"]),
        ("008700", ["not authorised", "password_file"]),
        ("008400", ['[mqtt] version to the one that this broker speaks, "3.1.1"']),
        ("0001", ["protocol version", '"3.1.1"']),  # what a broker says that knows 3.1.1 only
        ("009d091c0006622e6c6f6361", ["server moved (b.loca)"]),
        ("0000022400", ["QoS 1 not supported"]),
        ("0000022800", ["wildcard"]),
    ],
)
def test_a_refused_connect_says_what_to_do(answer, words):
    refused = Mqtt5().connack(bytes.fromhex(answer)).refused
    assert all(word in refused for word in words), refused


def test_a_refused_connect_of_the_older_version_says_what_to_do():
    assert "[mqtt] version" in Mqtt311().connack(b"\x00\x01").refused
    assert Mqtt311().connack(b"\x01\x00") == (True, "", (), None, 65_535, None)
    with pytest.raises(WireError):
        Mqtt5().connack(b"\x00\x00")  # acceptance by a broker that took us for another version


@pytest.mark.parametrize("packet, words", [("8e00", "another bridge uses this client_prefix"), ("", "in order")])
def test_the_broker_says_why_it_ends_the_connection(packet, words):
    assert words in Mqtt5().disconnected(bytes.fromhex(packet))
    with pytest.raises(WireError):
        Mqtt311().disconnected(bytes.fromhex(packet))


def test_a_subscription_with_less_than_qos_1_is_none():
    for dialect, answer in ((Mqtt311(), b"\x00\x07\x01\x00\x80"), (Mqtt5(), b"\x00\x07\x00\x01\x00\x87")):
        pid, (granted, poor, refused) = dialect.suback(answer)
        assert (pid, granted) == (7, "")
        assert "QoS 0" in poor and "ACL" in refused


def test_a_publish_that_the_broker_threw_away_is_told():
    assert Mqtt5().puback(b"\x00\x07") == Mqtt5().puback(b"\x00\x07\x10") == Mqtt311().puback(b"\x00\x07") == (7, "")
    said = packed(PacketTypes.PUBACK, ReasonString="no")
    assert Mqtt5().puback(b"\x00\x07\x87" + said) == (7, "not authorised (no); allow it in the broker's ACL")


def test_every_code_of_the_standard_has_words_and_advice():
    theirs = {code for code in ReasonCode(PacketTypes.CONNACK).names if code >= refusals.FAILED}
    assert theirs <= set(refusals.REASONS)
    assert len(theirs) > 30
    assert all(word.means and word.advice for word in refusals.REASONS.values())
    assert "0xFE" in refusals.reason(0xFE)


@BOTH
@given(
    topic=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    payload=st.binary(max_size=300),
    pid=st.integers(1, 65_535),
)
def test_what_is_published_is_split_again(dialect: Dialect, topic, payload, pid):
    kind, flags, data = body(dialect.publish(topic, payload, pid))
    assert kind == mqtt.PUBLISH
    assert dialect.split_publish(flags, data) == (topic.encode(), payload, pid.to_bytes(2, "big"))


@given(payload=st.binary(max_size=20), words=st.text(st.characters(codec="ascii"), max_size=150))
def test_properties_of_a_message_are_stepped_over(payload, words):
    head = b"\x00\x01t\x00\x09" + packed(PacketTypes.PUBLISH, UserProperty=("k", words), MessageExpiryInterval=3)
    assert mqtt5.split_publish(2, head + payload) == (b"t", payload, b"\x00\x09")


@BOTH
@given(data=st.binary(max_size=64), flags=st.integers(0, 15))
def test_any_bytes_give_a_result_or_a_wire_error(dialect: Dialect, data, flags):
    parsers = (dialect.connack, dialect.suback, dialect.puback, dialect.disconnected)
    for parse in (*parsers, lambda data: dialect.split_publish(flags, data)):
        try:
            parse(data)
        except WireError:
            continue


@BOTH
def test_a_kept_session_is_asked_for(dialect: Dialect):
    kept = dialect.connect(Login("c", "u", "p", 60, keep=True))
    fresh = dialect.connect(Login("c", keep=False))
    assert not kept[9] & 2 and fresh[9] & 2
    assert (b"\x11\xff\xff\xff\xff" in kept) == (dialect.name == "MQTT 5")
    assert b"\x11\xff\xff\xff\xff" not in fresh
