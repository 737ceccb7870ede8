"""Tag, topics and MQTT packets, on every interpreter."""

import binascii

from pantau_wire import frame, mqtt, mqtt_more, tag, topics
from pantau_wire import names as T
from pantau_wire.errors import WireError
from pantau_wire.text import text


def _code(function, *args):
    try:
        function(*args)
    except WireError as error:
        return error.code
    return None


def test_hmac_sha256_gives_the_figures_of_rfc_4231():
    first = tag.hmac_sha256(b"\x0b" * 20, b"Hi There")
    assert binascii.hexlify(first) == b"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    long_key = tag.hmac_sha256(b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First")
    assert binascii.hexlify(long_key) == b"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"


def test_a_frame_of_one_direction_is_none_of_the_other():
    key = b"k" * 32
    assert tag.tag(key, tag.UP, "a", b"x") != tag.tag(key, tag.DOWN, "a", b"x")
    assert tag.tag(key, tag.UP, "ab", b"c") != tag.tag(key, tag.UP, "a", b"bc")


def test_topics_name_their_partition():
    assert topics.topic("tng", "flood-01", "up") == "pantau/v1/tng/57/flood-01/up"
    assert topics.parse("pantau/v1/tng/57/flood-01/up") == ("tng", 57, "flood-01", "up")
    for wrong in (
        "pantau/v1/tng/56/flood-01/up",
        "pantau/v1/tng/057/flood-01/up",
        "pantau/v1/tng/57/Flood-01/up",
        "",
        "a/b",
    ):
        assert _code(topics.parse, wrong) == "bad_field"
    assert _code(topics.topic, "tng", "+", "up") == "bad_value"


def test_mqtt_packets_survive_any_split():
    sent = [
        mqtt.connect("flood-01", "flood-01", "secret", 90, False, ("w", b"offline", 1, True)),
        mqtt.publish("pantau/v1/tng/57/flood-01/up", b"x" * 300, 1, 7),
        mqtt.subscribe(9, [("a/+", 1), ("b/#", 0)]),
        mqtt.puback(65535),
        mqtt.pingreq(),
        mqtt_more.disconnect(),
    ]
    for size in (1, 3, 64, 1000):
        reader = mqtt.Reader(1024)
        got = []
        stream = b"".join(sent)
        for at in range(0, len(stream), size):
            reader.feed(stream[at : at + size])
            packet = reader.next()
            while packet:
                got.append(packet)
                packet = reader.next()
        assert [p[0] for p in got] == [1, 3, 8, 4, 12, 14]
        hello = mqtt_more.parse_connect(got[0][2])
        assert (hello.client_id, hello.user, hello.password, hello.keepalive, hello.clean) == (
            "flood-01",
            "flood-01",
            "secret",
            90,
            False,
        )
        assert hello.will == ("w", b"offline", 1, True)
        topic, payload, qos, pid, retain, dup = mqtt_more.parse_publish(got[1][1], got[1][2])
        assert (topic, len(payload), qos, pid, retain, dup) == ("pantau/v1/tng/57/flood-01/up", 300, 1, 7, False, False)
        assert mqtt_more.parse_subscribe(got[2][2]) == (9, [("a/+", 1), ("b/#", 0)])
        assert mqtt.parse_pid(got[3][2]) == 65535


def test_mqtt_reader_is_bounded():
    reader = mqtt.Reader(100)
    reader.feed(b"\x30\xff\x7f")
    assert _code(reader.next) == "too_long"
    reader = mqtt.Reader(100)
    reader.feed(b"\x30\xff\xff\xff\xff\x01")
    assert _code(reader.next) == "bad_field"
    assert _code(mqtt_more.parse_publish, 2, b"\x00\x09abc") == "truncated"
    assert _code(mqtt_more.parse_publish, 6, b"\x00\x01a") == "bad_field"
    assert _code(mqtt.parse_connack, b"\x00") == "bad_field"


def test_the_encoder_refuses_what_the_format_cannot_carry():
    made = frame.Frame(T.K_RECORDS)
    made.seq = 1
    made.count = 1
    for column in (
        ([-1], None),
        ([1 << 31], None),
        ([None], None),
        ([1], [frame.quality(T.R_TIMEOUT)]),
        ([1, 2], None),
    ):
        made.columns = {T.WATER_DISTANCE: column}
        assert _code(frame.encode, made, "n", b"") == "bad_value"
    made.columns = {}
    made.count = 0
    assert _code(frame.encode, made, "n", b"") == "bad_value"
    made = frame.Frame(T.K_COMMAND)
    made.fields = {"nonsense": 1}
    assert _code(frame.encode, made, "n", b"") == "bad_value"
    made.fields = {"args": "x" * 1100}
    assert _code(frame.encode, made, "n", b"") == "too_long"


def test_text_is_utf_8_to_the_letter_on_every_interpreter():
    assert text(b"perintah \xe2\x80\x9cx\xe2\x80\x9d \xf0\x9f\x8c\x8a") == "perintah \u201cx\u201d \U0001f30a"
    for wrong in (
        b"\xed\xb0\xb4",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8",
        b"\x80",
        b"\xe6\xb0",
        b"\xc3a",
    ):
        assert _code(text, wrong) == "bad_field", wrong
