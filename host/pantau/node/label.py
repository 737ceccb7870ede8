"""The label on a node's box: a QR code, and in letters what it says. One drawing, saved as PNG or PDF in its true size.

The code carries `PANTAU:<node>:<station>` in capitals, which a QR code holds in its short alphanumeric form (ISO/IEC 18004, 7.4.4): coarse
modules that a phone reads through a wet lens, at error correction Q (a quarter may be scratched).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL.Image import Image

DPI = 300
WIDTH_MM, HEIGHT_MM = 62, 29  # a common size of label rolls
_QUIET = 4  # modules of silence round the code (ISO/IEC 18004, 6.3.8)
_MARGIN_MM = 1.5
_SHEET_MM = (210, 297)  # A4
_SHEET_MARGIN_MM = 10


class Label(NamedTuple):
    """What one label says."""

    node: str
    station: str
    name: str  # of the station, for people
    domain: str
    city: str


def text_of(label: Label) -> str:
    """Return what the QR code carries."""
    return f"PANTAU:{label.node}:{label.station}".upper()


def parse(text: str) -> tuple[str, str]:
    """Return (node, station) of what was read from a code; ValueError for one that is no label of ours."""
    parts = text.strip().lower().split(":")
    if len(parts) != 3 or parts[0] != "pantau" or not all(parts[1:]):
        raise ValueError(f"{text!r} is not the code of a node: it begins with PANTAU: and names node and station")
    return parts[1], parts[2]


def draw(label: Label) -> Image:
    """Return the label in black and white, DPI dots an inch."""
    import segno
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("1", (_dots(WIDTH_MM), _dots(HEIGHT_MM)), 1)
    margin = _dots(_MARGIN_MM)
    rows = [list(row) for row in segno.make(text_of(label), error="q", micro=False).matrix]
    side = len(rows) + 2 * _QUIET
    module = (picture.height - 2 * margin) // side
    pen = ImageDraw.Draw(picture)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                left, top = margin + (x + _QUIET) * module, margin + (y + _QUIET) * module
                pen.rectangle((left, top, left + module - 1, top + module - 1), fill=0)
    left = 2 * margin + side * module
    room = picture.width - left - margin
    top = margin
    for words, mm in (
        (label.node, 5.0),
        (label.station, 4.0),
        (label.name, 3.2),
        (f"{label.domain} · {label.city}", 3.2),
    ):
        size = _dots(mm)
        while size > _dots(1.8) and pen.textlength(words, ImageFont.load_default(size)) > room:
            size -= 1
        font = ImageFont.load_default(size)
        while words and pen.textlength(words, font) > room:
            words = words[:-2] + "…"
        pen.text((left, top), words, fill=0, font=font)
        top += _dots(mm) + margin
    pen.text((left, picture.height - margin - _dots(3)), "PANTAU", fill=0, font=ImageFont.load_default(_dots(2.6)))
    return picture


def save(labels: Sequence[Label], path: Path) -> int:
    """Write PNG (one label) or PDF (one label a page, or sheets of A4 for several) by the name of `path`; return the pages.

    ValueError for another kind of file or several labels in one PNG; OSError from the disk.
    """
    kind = path.suffix.lower()
    if kind not in {".png", ".pdf"}:
        raise ValueError(f"{path.name}: name a .png or a .pdf")
    pictures = [draw(label) for label in labels]
    if kind == ".png":
        if len(pictures) != 1:
            raise ValueError(f"{path.name}: a picture holds one label; name a .pdf for {len(pictures)}")
        pictures[0].save(path, dpi=(DPI, DPI))
        return 1
    pages = pictures if len(pictures) == 1 else _sheets(pictures)
    pages[0].save(path, save_all=True, append_images=pages[1:], resolution=DPI)
    return len(pages)


def _sheets(pictures: Sequence[Image]) -> list[Image]:
    from PIL import Image, ImageDraw

    across = int((_SHEET_MM[0] - 2 * _SHEET_MARGIN_MM) // WIDTH_MM)
    down = int((_SHEET_MM[1] - 2 * _SHEET_MARGIN_MM) // HEIGHT_MM)
    pages = []
    for start in range(0, len(pictures), across * down):
        page = Image.new("1", (_dots(_SHEET_MM[0]), _dots(_SHEET_MM[1])), 1)
        pen = ImageDraw.Draw(page)
        for place, picture in enumerate(pictures[start : start + across * down]):
            left = _dots(_SHEET_MARGIN_MM) + place % across * picture.width
            top = _dots(_SHEET_MARGIN_MM) + place // across * picture.height
            page.paste(picture, (left, top))
            pen.rectangle((left, top, left + picture.width - 1, top + picture.height - 1), outline=0)  # where to cut
        pages.append(page)
    return pages


def _dots(mm: float) -> int:
    return round(mm / 25.4 * DPI)
