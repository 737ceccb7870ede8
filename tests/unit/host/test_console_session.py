"""The technician's session against a scripted node: answers, orders, the outbox, and everything that goes wrong on a cable."""

from __future__ import annotations

import pytest

from pantau.node.dialogue import Packet, Splitter
from pantau.node.session import Session
from pantau.node.trouble import RefusedError, TroubleError, UnreachedError
from pantau_wire import frame, line
from pantau_wire import names as T

from .console_kit import KEY, NAME, FakeNode, up


def test_packets_and_lines_come_apart_wherever_the_bytes_are_cut() -> None:
    say = line.packet(line.SAY, "", b"\x07\x00{}")
    data = b"half a line\r\n" + say + b"one\r\ntwo\r\n" + say + say + b"three\n"
    wanted = [
        "half a line",
        Packet("say", "", b"\x07\x00{}"),
        "one",
        "two",
        *[Packet("say", "", b"\x07\x00{}")] * 2,
        "three",
    ]
    for size in range(1, 20):
        splitter = Splitter()
        found = [one for at in range(0, len(data), size) for one in splitter.feed(data[at : at + size])]
        assert found == wanted, size


def test_a_session_that_begins_within_a_packet_finds_the_next_and_loses_no_line() -> None:
    say = line.packet(line.SAY, "", b"\x07\x00{}")
    found = Splitter().feed(say[6:] + b"a line\r\n" + say + b"another\r\n" + say)
    assert [one for one in found if isinstance(one, Packet)] == [Packet("say", "", b"\x07\x00{}")] * 2
    assert "another" in found
    assert any(isinstance(one, str) and "a line" in one for one in found)


def test_text_of_a_node_cannot_move_the_cursor_and_has_a_bound() -> None:
    splitter = Splitter()
    assert splitter.feed(b"\x1b[2Jhi\x07\n") == ["?[2Jhi?"]
    assert sum(len(one) for one in splitter.feed(b"x" * 5000)) >= 4096


def test_questions_are_answered_between_the_lines_of_the_log() -> None:
    node = FakeNode()
    node.log = "long " * 300  # an answer in several parts
    session = node.session()
    assert session.node == NAME
    assert session.ask("logs")["text"] == node.log
    assert "a line of the log between" in session.lines


def test_a_sleeper_is_asked_until_it_answers() -> None:
    node = FakeNode()
    node.deaf = 12
    assert node.session().node == NAME
    assert 5 < node.now_s < 7


@pytest.mark.parametrize(
    "heard, key",
    [
        (b"", "look.silent"),
        (b"MicroPython v1.25.0\r\n>>> ", "look.repl"),
        (b"waiting for download\r\n", "look.download"),
        (bytes(range(0x80, 0xFF)) * 4, "look.baud"),
        (b"Marlin 2.0 ready\r\n", "look.stranger"),
    ],
)
def test_who_does_not_answer_is_told_by_what_is_heard(heard: bytes, key: str) -> None:
    node = FakeNode()
    node.deaf, node.noise = 10**6, heard
    with pytest.raises(UnreachedError) as told:
        node.session()
    assert told.value.key == key
    assert "/dev/ttyUSB0" in told.value.said("id")


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("byte", [0, 5, 300])
def test_a_damaged_answer_is_asked_for_again(place: int, byte: int) -> None:
    node = FakeNode()
    node.damaged_byte = byte
    node.log = "long " * 300
    node.frames = [up(seq) for seq in range(1, 4)]
    session = node.session()
    node.damage = {node._said + place}
    assert session.ask("logs")["text"] == node.log
    assert session.pull(None, 16)[0] == node.frames


def test_the_cable_may_be_pulled_at_any_byte() -> None:
    for cut in range(0, 700, 7):
        node = FakeNode()
        node.log = "long " * 300
        session = node.session()
        node.cut_after = cut
        with pytest.raises(UnreachedError) as told:
            session.ask("logs")
        assert told.value.key == "board.lost"


def test_a_node_that_falls_silent_is_told_so_in_a_bounded_time() -> None:
    node = FakeNode()
    session = node.session()
    node.deaf, before = 10**6, node.now_s
    with pytest.raises(UnreachedError, match="stopped answering"):
        session.ask("status")
    assert node.now_s - before < 10
    with pytest.raises(UnreachedError, match="stopped answering"):
        session.command("ping", {}, KEY)


def test_an_order_is_signed_counted_and_cut_to_pieces() -> None:
    node = FakeNode()
    session = node.session()
    for _ in range(3):
        result = session.command("ping", {"fill": "x" * 600}, KEY)
    assert (result.ok, result.detail) == (True, "done")
    assert [f.kind for f in node.orders] == [T.K_COMMAND] * 3
    counters = [f.counter for f in node.orders]
    assert counters == sorted(set(counters))  # newer each time, within one millisecond too
    assert result.id == node.orders[-1].fields["id"]


@pytest.mark.parametrize("deaf_at", [0, 1, 4])
def test_an_order_whose_part_is_lost_begins_anew(deaf_at: int) -> None:
    node = FakeNode()
    session = node.session()
    node.damage = {node._said + deaf_at}
    assert session.command("ping", {"fill": "x" * 500}, KEY).ok
    assert node.orders


def test_the_wrong_key_is_explained() -> None:
    node = FakeNode()
    node.secret = bytes(32)
    session = node.session()
    with pytest.raises(RefusedError) as told:
        session.command("ping", {}, KEY)
    assert told.value.key == "look.wrong_key"
    assert "clock" in str(told.value)
    assert KEY.secret.hex() not in repr(KEY) + str(told.value)


def test_what_is_too_long_never_reaches_the_node() -> None:
    node = FakeNode()
    session = node.session()
    count = len(node.asked)
    with pytest.raises(RefusedError, match="longer"):
        session.command("commission", {"who": "x" * 1100}, KEY)
    with pytest.raises(RefusedError, match="too long"):
        session.ask("get", key="x" * 300)
    assert len(node.asked) == count


def test_errors_of_the_node_are_told() -> None:
    node = FakeNode()
    session = node.session()
    for code, key in (("failed", "look.answer"), ("unknown_verb", "look.unknown_verb"), ("no_memory", "look.answer")):
        node.status = {"error": code, "text": "what it says"}
        with pytest.raises(TroubleError, match="what it says") as told:
            session.ask("status")
        assert told.value.key == key


def test_noise_that_never_ends_is_told() -> None:
    node = FakeNode()
    node.frames = [up(1)]
    session = node.session()
    node.damage = set(range(0, 1000, 1))
    with pytest.raises(UnreachedError):
        session.pull(None, 16)


def test_every_frame_is_what_the_node_has() -> None:
    node = FakeNode()
    node.frames = [up(seq) for seq in range(1, 21)]
    session = node.session()
    frames, answer = session.pull([3, 5], 10)
    assert [frame.header(data).seq for data in frames] == list(range(6, 16))
    assert answer == {"frames": 10, "last": [3, 15], "left": 5}


def test_no_question_has_a_ctrl_c_in_it():
    """On a board that is not a node yet it would stop whatever runs there."""
    written: list[bytes] = []

    class Deaf:
        def write(self, data):
            written.append(bytes(data))

        def read(self, _timeout_s):
            return b""

        def close(self):
            pass

    session = Session(Deaf(), "port")
    for verb in ("hello", "status", "logs", "get", "seen"):
        for _ in range(100):
            session._ask(verb, {"key": "sampling.interval_s"} if verb == "get" else {})
    assert len(set(written)) > 400 and not any(b"\x03" in packet for packet in written)
