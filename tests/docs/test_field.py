"""The field papers say the same in both languages, and a technician finds every page from the first."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIELD = ROOT / "docs" / "field"
PAGES = ("quick-start.md", "siting.md", "maintenance.md")
WIRING = {"en": ROOT / "docs" / "wiring.md", "id": FIELD / "id" / "wiring.md"}


def shape(page: Path) -> list[str]:
    """What a translation must keep: headings' levels, rows of tables, items, pictures, commands, and figures."""
    text = page.read_text(encoding="utf-8")
    lines = [line.partition(" ")[0] for line in text.splitlines() if re.match(r"#|\||- |\d\.", line)]
    commands = [re.sub(r" --lang id| \.\.\.", "", found) for found in re.findall(r"`(pantau[^`]*)`", text)]
    pictures = [Path(found).name for found in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)]
    return [*lines, *commands, *pictures]


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_say_the_same(name):
    assert shape(FIELD / name) == shape(FIELD / "id" / name)


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_name_the_same_figures(name):
    english, indonesian = ((FIELD / folder / name).read_text(encoding="utf-8") for folder in ("", "id"))
    table = str.maketrans(",", ".")
    figures = [
        sorted(re.findall(r"\d+(?:\.\d+)? ?(?:mm|m|%|°|dBm|V|km)\b", text.translate(table)))
        for text in (english, indonesian)
    ]
    assert figures[0] == figures[1]


def test_wiring_has_the_same_rows_in_both_languages():
    rows = [
        [
            line.split("|")[1:3]
            for line in page.read_text("utf-8").splitlines()
            if line.startswith("| ") and "GPIO" not in line
        ]
        for page in WIRING.values()
    ]
    strip = [[cells for cells in table if not cells[0].strip().startswith("-")] for table in rows]
    assert strip[0] == strip[1] and len(strip[0]) > 30


@pytest.mark.parametrize("folder", ["", "id"])
def test_every_page_is_reached_from_the_quick_start(folder):
    start = FIELD / folder / "quick-start.md"
    linked = {(start.parent / found).resolve() for found in re.findall(r"\]\(([^)#]+\.md)\)", start.read_text("utf-8"))}
    assert {(FIELD / folder / name).resolve() for name in PAGES[1:]} <= linked
