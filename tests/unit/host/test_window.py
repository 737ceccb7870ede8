from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pantau.window import SPAN, Window

steps = st.lists(
    st.one_of(st.integers(1, 200), st.integers(1, 2**32 - 1), st.tuples(st.just("advance"), st.integers(0, 2**32 - 1))),
    max_size=60,
)


@given(steps)
def test_a_set_bit_means_stored_or_declared_gone(moves):
    window, stored, through = Window(), set(), 0
    for move in moves:
        if isinstance(move, tuple):
            window.advance(move[1])
            through = max(through, move[1])
        else:
            window.add(move)
            stored.add(move)
        for seq in {*stored, *(s + 1 for s in stored), 1, 2, through, through + 1} - {0}:
            if window.has(seq):
                assert seq in stored or seq <= through
            elif seq in stored:
                assert window.top >= seq
        assert window.bits.bit_length() <= SPAN
        assert not window.bits & 1


def test_in_order_needs_no_map():
    window = Window()
    for seq in range(1, 1000):
        window.add(seq)
    assert (window.through, window.bits) == (999, 0)


def test_the_map_of_an_ack_is_the_64_above_the_watermark():
    window = Window()
    for seq in (1, 3, 65, 66):
        window.add(seq)
    assert (window.through, window.ack_map()) == (1, 0b10 | 1 << 63)


def test_a_declared_gap_is_counted_and_shrinks_when_a_late_frame_comes():
    window = Window()
    for seq in (1, 2, 5):
        window.add(seq)
    assert window.advance(6) == 3
    assert (window.through, window.gone) == (6, 3)
    window.add(4)
    assert (window.through, window.gone) == (6, 2)


def test_an_old_declaration_moves_nothing():
    window = Window(through=10)
    assert window.advance(3) == 0
    assert window.through == 10


def test_a_gap_of_billions_costs_nothing():
    window = Window(bits=0b10)
    assert window.advance(2**32 - 2) == 2**32 - 3
    assert window.bits == 0
