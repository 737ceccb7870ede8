from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pantau.batch import Batch
from pantau.cluster import message
from pantau_wire import topics

NODES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=23)
FRAMES = st.lists(st.tuples(NODES, st.binary(max_size=200), st.integers(0, 2**45)), max_size=40)


@given(st.integers(0, 2**64 - 1), FRAMES)
def test_a_message_holds_what_was_packed(epoch, frames):
    assert message.unpack(message.pack(epoch, frames)) == (epoch, frames)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_an_error(data):
    with contextlib.suppress(ValueError):
        message.unpack(data)


@given(FRAMES, st.data())
def test_a_message_that_was_cut_or_changed_never_passes_for_another_length(frames, data):
    whole = message.pack(7, frames)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ValueError, match=r"message|block"):
        message.unpack(cut)


@given(st.lists(st.tuples(st.lists(NODES, min_size=1, max_size=5), st.integers(0, 2**45)), max_size=8))
def test_a_batch_is_split_by_partition_in_order_of_receipt(runs):
    batch = Batch()
    for nodes, at in runs:
        batch.nodes += nodes
        batch.payloads += [bytes((n,)) for n in range(len(nodes))]
        batch.runs.append((at, len(nodes)))
    parts = message.split(batch)
    assert all(topics.partition(node) == number for number, frames in parts.items() for node, _, _ in frames)
    flat = [(node, bytes((n,)), at) for nodes, at in runs for n, node in enumerate(nodes)]
    for number, frames in parts.items():
        assert frames == [frame for frame in flat if topics.partition(frame[0]) == number]


def test_ids_grow_with_the_stream_and_say_their_message():
    assert message.frame_id(7, 0) > message.frame_id(6, message.MOST)
    assert message.sequence_of(message.frame_id(7, message.MOST)) == 7


@given(FRAMES.filter(bool), st.integers(0, 2000))
def test_frames_are_cut_into_messages_of_no_more_than_asked(frames, most):
    parts = list(message.cut(frames, most))
    assert [frame for part in parts for frame in part] == frames
    assert all(parts)
    assert all(len(message.pack(7, part)) <= most or len(part) == 1 for part in parts)
