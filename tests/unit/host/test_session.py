from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pantau.sources import Arrival, Inbox, confirm
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


def connected(inbox=None, codes=(1,)):
    inbox = inbox or Inbox()
    session = Session(b"CONNECT", [("a/+/up", 1)], inbox)
    wire = Wire()
    session.connection_made(wire)
    session.data_received(mqtt_more.connack(True, 0))
    session.data_received(mqtt_more.suback(1, list(codes)))
    return session, wire, inbox


@in_loop
async def test_connects_subscribes_and_confirms_only_when_told_in_one_write():
    session, wire, inbox = connected()
    assert wire.sent == [b"CONNECT", mqtt.subscribe(1, [("a/+/up", 1)])]
    assert session.ready.result() is True
    session.data_received(b"".join(mqtt.publish("t", b"%d" % n, qos=1, pid=n) for n in (7, 8, 9)))
    assert len(wire.sent) == 2
    arrivals = inbox.take(10)
    assert [(a.payload, a.pid) for a in arrivals] == [(b"7", 7), (b"8", 8), (b"9", 9)]
    confirm(arrivals)
    assert wire.sent[2:] == [mqtt.puback(7) + mqtt.puback(8) + mqtt.puback(9)]


@in_loop
async def test_a_lost_connection_is_never_confirmed_to_its_successor():
    session, wire, inbox = connected()
    session.data_received(mqtt.publish("t", b"x", qos=1, pid=7))
    session.connection_lost(None)
    confirm(inbox.take(10))
    assert len(wire.sent) == 2
    with pytest.raises(SourceLost, match="closed by the broker"):
        session.lost.result()


@in_loop
async def test_refusals_say_what_to_do():
    session = Session(b"C", [("a", 1)], Inbox())
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
    session = Session(b"C", [("a", 1)], Inbox())
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
    session.tick(60, reading=True)
    assert wire.sent[-1] == mqtt.pingreq()
    session._pinged_at -= 20
    session.tick(60, reading=False)
    assert not session.lost.done()
    session.tick(60, reading=True)
    with pytest.raises(SourceLost, match="no answer"):
        session.lost.result()


@in_loop
async def test_leaving_flushes_and_disconnects():
    session, wire, inbox = connected()
    session.data_received(mqtt.publish("t", b"x", qos=1, pid=7))
    (arrival,) = inbox.take(1)
    arrival.channel.confirm(7)
    session.leave()
    assert wire.sent[-2:] == [mqtt.puback(7), mqtt_more.disconnect()]
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
    for _ in range(20):
        inbox.put(Arrival("t", bytes(1 << 20), 0, session, 1))
    assert (states, inbox.full) == ([True], True)
    assert len(inbox.take(18)) == 18
    assert (states, inbox.full) == ([True, False], False)
    inbox.close()
    inbox.put(Arrival("t", b"late", 0, session, 2))
    assert len(inbox) == 2
