from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pantau.sources import Chunk, Inbox, confirm, publishes
from pantau.sources.dialect import Login, Mqtt5, Mqtt311
from pantau.sources.session import MAX_IN_FLIGHT, MAX_PACKET, Packets, Session, SourceLost
from pantau_wire import mqtt, mqtt_more
from pantau_wire.errors import WireError


class Wire(asyncio.Transport):
    """The far end of a session, in memory."""

    def __init__(self):
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False
        self.reading = True

    def write(self, data):
        self.sent.append(bytes(data))

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


def in_loop(test):
    def run():
        asyncio.run(test())

    run.__name__ = test.__name__
    return run


LOGIN = Login("bridge")
CONNECT = Mqtt311().connect(LOGIN)


def connected(inbox=None, codes=(1,)):
    inbox = inbox or Inbox()
    session = Session(Mqtt311(), LOGIN, [("a/+/up", 1)], inbox)
    wire = Wire()
    session.connection_made(wire)
    session.data_received(mqtt_more.connack(True, 0))
    session.data_received(mqtt_more.suback(1, list(codes)))
    return session, wire, inbox


async def turn():
    """One turn of the loop: what was written in it leaves."""
    await asyncio.sleep(0)


@in_loop
async def test_connects_subscribes_and_confirms_only_when_told_in_one_write():
    session, wire, inbox = connected()
    await turn()
    assert b"".join(wire.sent) == CONNECT + mqtt.subscribe(1, [("a/+/up", 1)])
    assert session.ready.result() is True
    wire.sent.clear()
    session.data_received(b"".join(mqtt.publish("t", b"%d" % n, qos=1, pid=n) for n in (7, 8)))
    session.data_received(mqtt.publish("t", b"9", qos=1, pid=9) + mqtt.publish("t", b"0"))
    await turn()
    assert wire.sent == []
    chunks = inbox.take(10)
    assert [(chunk.payloads, chunk.pids) for chunk in chunks] == [
        ([b"7", b"8"], [b"\0\7", b"\0\x08"]),
        ([b"9", b"0"], [b"\0\x09", b""]),
    ]
    confirm(chunks)
    await turn()
    assert wire.sent == [mqtt.puback(7) + mqtt.puback(8) + mqtt.puback(9)]


@in_loop
async def test_a_lost_connection_is_never_confirmed_to_its_successor():
    session, wire, inbox = connected()
    await turn()
    session.data_received(mqtt.publish("t", b"x", qos=1, pid=7))
    session.connection_lost(None)
    confirm(inbox.take(10))
    await turn()
    assert len(wire.sent) == 1
    with pytest.raises(SourceLost, match="closed by the broker"):
        session.lost.result()


@in_loop
async def test_refusals_say_what_to_do():
    session = Session(Mqtt311(), LOGIN, [("a", 1)], Inbox())
    session.connection_made(Wire())
    session.data_received(mqtt_more.connack(False, 5))
    with pytest.raises(SourceLost, match=r"not authorised; correct .* user and password_file"):
        session.lost.result()
    with pytest.raises(SourceLost, match="ACL"):
        connected(codes=[128])[0].lost.result()


@in_loop
async def test_bytes_that_are_not_mqtt_end_the_connection():
    session, wire, _ = connected()
    session.data_received(b"\xff" * 20)
    assert wire.closed
    with pytest.raises(SourceLost, match="not MQTT"):
        session.lost.result()
    session = Session(Mqtt311(), LOGIN, [("a", 1)], Inbox())
    session.connection_made(Wire())
    session.data_received(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(SourceLost, match="does not speak MQTT"):
        session.lost.result()


@in_loop
async def test_publishes_are_bounded_until_confirmed_and_handed_to_the_next_connection():
    session, _, _ = connected()
    assert all(session.publish("n/ack", b"%d" % n) for n in range(MAX_IN_FLIGHT))
    assert not session.publish("n/ack", b"more")
    session.data_received(mqtt.puback(2))
    assert session.publish("n/ack", b"more")
    assert len(session.unconfirmed()) == MAX_IN_FLIGHT
    session.pause_writing()
    session.data_received(mqtt.puback(3))
    assert not session.publish("n/ack", b"slow broker")


@in_loop
async def test_a_silent_broker_is_pinged_then_left_but_not_while_we_do_not_read():
    session, wire, _ = connected()
    session._heard_at -= 40
    await turn()
    session.tick(reading=True)
    await turn()
    assert wire.sent[-1] == mqtt.pingreq()
    session._pinged_at -= 20
    session.tick(reading=False)
    assert not session.lost.done()
    session.tick(reading=True)
    with pytest.raises(SourceLost, match="no answer"):
        session.lost.result()


@in_loop
async def test_leaving_flushes_and_disconnects():
    session, wire, inbox = connected()
    session.data_received(mqtt.publish("t", b"x", qos=1, pid=7))
    (chunk,) = inbox.take(1)
    await turn()
    chunk.channel.confirm(chunk.pids)
    session.leave()
    assert wire.sent[-1] == mqtt.puback(7) + mqtt_more.disconnect()
    assert session.lost.result() is None


def pieces(data, sizes):
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@settings(max_examples=50)
@given(st.lists(st.integers(1, 60_000), max_size=12), st.integers(MAX_PACKET - 20, 4 * MAX_PACKET))
def test_a_packet_too_long_to_hold_is_handed_on_short_and_skipped(sizes, length):
    stream = mqtt.publish("a", b"1", qos=1, pid=1) + mqtt.publish("b", bytes(length), qos=1, pid=2)
    stream += mqtt.publish("c", b"3", qos=1, pid=3)
    reader, got = Packets(), []
    for piece in pieces(stream, sizes):
        reader.feed(piece)
        while (packet := reader.next()) is not None:
            got.append(mqtt_more.parse_publish(packet[1], packet[2]))
        assert len(reader._data) <= MAX_PACKET + 4 * MAX_PACKET + 100
    assert [(topic, pid) for topic, _, _, pid, _, _ in got] == [("a", 1), ("b", 2), ("c", 3)]
    assert len(got[1][1]) <= MAX_PACKET
    assert got[2][1] == b"3"


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_give_packets_or_one_error(chunks):
    reader = Packets()
    try:
        for chunk in chunks:
            reader.feed(chunk)
            while reader.next() is not None:
                pass
    except WireError:
        pass


@in_loop
async def test_a_full_inbox_stops_reading_and_room_starts_it_again():
    inbox, states = Inbox(), []
    inbox.on_full = states.append
    session, _, _ = connected(inbox)
    chunk = Chunk(session, 0, [b"t"], [bytes(1 << 20)], [b"\0\1"], 1 << 20)
    for _ in range(20):
        inbox.put(chunk)
    assert (states, inbox.full) == ([True], True)
    assert len(inbox.take(18)) == 18
    assert (states, inbox.full) == ([True, False], False)
    inbox.close()
    inbox.put(chunk)
    assert len(inbox) == 2


def general(data, dialect):
    """What the general reader makes of a stream: the oracle of the quick one."""
    reader, out = Packets(), ([], [], [])
    reader.feed(data)
    while (packet := reader.next()) is not None:
        for column, part in zip(out, dialect.split_publish(packet[1], packet[2]), strict=True):
            column.append(part)
    return out


MESSAGES = st.lists(
    st.tuples(st.binary(max_size=300), st.binary(max_size=20_000), st.integers(1, 65_535), st.booleans())
)


@settings(max_examples=100)
@given(MESSAGES, st.integers(1, 40_000), st.sampled_from([Mqtt311(), Mqtt5()]))
def test_the_quick_reader_reads_what_the_general_one_reads_however_the_stream_is_cut(messages, cut, dialect):
    stream = b"".join(
        dialect.publish("t" * len(topic), payload, pid) if one else mqtt.publish("q", payload, qos=1, pid=pid, dup=True)
        for topic, payload, pid, one in messages
        if dialect == Mqtt311() or one
    )
    reader, out = Packets(), ([], [], [])
    for at in range(0, len(stream), cut):
        reader.feed(stream[at : at + cut])
        while True:
            reader.publishes(*out, properties=isinstance(dialect, Mqtt5))
            packet = reader.next()
            if packet is None:
                break
            for column, part in zip(out, dialect.split_publish(packet[1], packet[2]), strict=True):
                column.append(part)
    assert out == general(stream, dialect)


@given(st.binary(max_size=400), st.booleans())
def test_the_quick_reader_never_raises_and_never_reads_past_the_end(data, properties):
    out = ([], [], [])
    assert 0 <= publishes.take(data, 0, *out, properties=properties) <= len(data)
    assert len({len(column) for column in out}) == 1
