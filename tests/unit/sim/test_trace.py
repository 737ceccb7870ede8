"""Two traces that differ: the first message that does is named."""

from __future__ import annotations

from pantau_sim.run.trace import difference, digest, said


def entries(*payloads: bytes):
    return [said(1_000_000 * k, f"pantau/v1/tng/3/flood-0{k}/up", payload) for k, payload in enumerate(payloads)]


def test_equal_traces_have_one_digest_and_no_difference():
    assert difference(entries(b"a", b"b"), entries(b"a", b"b")) is None
    assert digest(entries(b"a", b"b")) == digest(entries(b"a", b"b")) != digest(entries(b"a", b"c"))


def test_the_first_message_that_differs_is_named():
    words = difference(entries(b"a", b"b", b"c"), entries(b"a", b"x", b"y"))
    assert words is not None and "flood-01/up at 1.000" in words and "its payload differs" in words


def test_a_run_that_went_on_is_named():
    words = difference(entries(b"a"), entries(b"a", b"b"))
    assert words is not None and "only the second run" in words and "flood-01" in words
