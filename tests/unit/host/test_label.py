"""The label on the box: what it carries is what is read from it, and a camera can."""

from __future__ import annotations

import pytest
import segno
from PIL import Image

from pantau.node.label import DPI, HEIGHT_MM, WIDTH_MM, Label, draw, parse, save, text_of

LONG = Label("n" * 23, "s" * 23, "Jalan Raya Serpong, di bawah jembatan penyeberangan orang", "flood", "tangerang")
USUAL = Label("flood-01", "jl-sudirman", "Jalan Sudirman", "flood", "tangerang")


def modules(picture: Image.Image, label: Label) -> list[list[int]]:
    """The code's modules as a camera would sample them: the middle of each."""
    expected = [list(row) for row in segno.make(text_of(label), error="q", micro=False).matrix]
    margin = round(1.5 / 25.4 * DPI)
    module = (picture.height - 2 * margin) // (len(expected) + 8)
    assert module * 25.4 / DPI >= 0.5, "too fine for a phone in the rain"
    place = [margin + (k + 4) * module + module // 2 for k in range(len(expected))]
    read = [[int(picture.getpixel((x, y)) == 0) for x in place] for y in place]
    assert read == expected
    return read


@pytest.mark.parametrize("label", [USUAL, LONG])
def test_the_drawn_code_is_the_code_in_its_true_size(label):
    picture = draw(label)
    assert abs(picture.width / DPI * 25.4 - WIDTH_MM) < 0.1 and abs(picture.height / DPI * 25.4 - HEIGHT_MM) < 0.1
    assert modules(picture, label)
    assert parse(text_of(label)) == (label.node, label.station)


@pytest.mark.parametrize("text", ["", "PANTAU", "PANTAU:x:", "WIFI:S:x;;", "PANTAU:a:b:c"])
def test_another_code_is_told(text):
    with pytest.raises(ValueError, match="is not the code of a node"):
        parse(text)


def test_sheets_hold_all_labels_and_a_picture_only_one(tmp_path):
    assert save([USUAL] * 40, tmp_path / "many.pdf") == 2
    assert (tmp_path / "many.pdf").read_bytes().startswith(b"%PDF")
    assert save([USUAL], tmp_path / "one.png") == 1
    with pytest.raises(ValueError, match="one label"):
        save([USUAL] * 2, tmp_path / "two.png")
    with pytest.raises(ValueError, match="name a"):
        save([USUAL], tmp_path / "one.svg")
