"""What a notice says to people and machines: all of it, in both languages, and nothing that a name could smuggle in."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest

from pantau.alerts import words
from pantau.notify import Place, compose
from pantau.notify.payload import document, without_names
from pantau.notify.text import paragraphs, subject
from unit.notify.notify_kit import CONTEXT, T0, notice, waiting

SCHEMA = json.loads(files("pantau").joinpath("notify", "notice.schema.json").read_text(encoding="utf-8"))
JUDGE = jsonschema.Draft202012Validator(SCHEMA)
EVIL = Place("angke", "Kali\r\nBcc: x@evil.example\x1b[2J <b>Angke</b> '; DROP TABLE notices; --", "flood", -6.2, 106.7)


def test_it_says_what_where_how_bad_since_when_and_the_figures_in_both_languages():
    said = notice()
    for piece in ("Water level, Kali Angke: severe", "2.1 m, at or above 2 m", "Since 15-01 15:00:00 WIB", "Kemendagri 36.71.01.1001", "-6.23750, 106.71080"):  # fmt: skip
        assert piece in said.english, piece
    for piece in ("Tinggi muka air", "Sejak 15-01 15:00:00 WIB", "Tempat: Kali Angke"):
        assert piece in said.indonesian, piece
    assert said.link == "https://pantau.example/#/alerts/1"
    assert subject(said, "Kota Tangerang", "en") == "[Kota Tangerang] Open: Water level, Kali Angke: severe"


def test_what_is_old_held_back_repeated_or_overtaken_says_so():
    late = notice(after_min=6, superseded=True)
    assert (
        late.late and "LATE: this was decided at 15-01 15:00:00 WIB." in late.english and "Newer news" in late.english
    )
    assert "TERLAMBAT" in late.indonesian and subject(late, "T", "id").startswith("[T] Terlambat: ")
    assert not notice(after_min=4).late
    assert "Held back" in notice(held=True).english and "Ditahan" in notice(held=True).indonesian
    again = notice(reminder=2)
    assert again.english.startswith("Reminder 2: nobody has acknowledged this.") and again.key.endswith("-r2")


def test_a_page_of_text_has_a_paragraph_for_what_when_and_before():
    first, said, rest = paragraphs(notice(after_min=9), "en")
    assert first.startswith("LATE") and said == notice().decision.english and rest.startswith("Since 15-01")
    assert paragraphs(notice(place=EVIL), "id")[0].startswith("Open: Tinggi muka air, Kali Bcc: x@evil.example")
    assert len(paragraphs(compose.trial(CONTEXT, "desk", "duty", T0), "en")) == 1


def test_many_at_once_are_one_with_a_sentence_each():
    rows = [waiting(1, severity=2), waiting(2, severity=4, alert=2), waiting(3, "clear", 2)]
    whole = compose.notice(rows, "tng-key", CONTEXT, T0)
    assert (whole.action, whole.severity, whole.key, len(whole.members)) == ("gathered", 4, "tng-key", 3)
    assert whole.english.startswith("3 notices in one.") and subject(whole, "T", "en") == "[T] 3 notices, worst extreme"
    JUDGE.validate(document(whole))


@pytest.mark.parametrize("action", words.ACTIONS)
def test_every_action_is_in_the_schema(action):
    JUDGE.validate(document(notice(action=action)))


@pytest.mark.parametrize(
    "found",
    [notice(reminder=1), notice(place=Place("*", "Kota Tangerang")), compose.trial(CONTEXT, "desk", "duty", T0),
     notice(action="clear", closed_ms=T0), notice(place=EVIL)],
)  # fmt: skip
def test_the_json_is_as_its_schema_says(found):
    JUDGE.validate(json.loads(json.dumps(document(found))))


def test_a_schema_that_admits_everything_would_prove_nothing():
    good = document(notice())
    for wrong in (
        {"id": "a b"},
        {"type": "alert.gathered"},
        {"severity": "none"},
        {"extra": 1},
        {"timestamp": "yesterday"},
    ):
        assert not JUDGE.is_valid(good | wrong), wrong


def test_a_name_is_never_more_than_a_name():
    said = notice(place=EVIL)
    for text in (said.english, said.indonesian, subject(said, "T\nX: y", "en"), subject(said, "T", "id")):
        assert text.isprintable() and len(text.splitlines()) == 1
    assert document(said)["place"]["name"] == EVIL.name  # data stay what they are


def test_names_of_staff_can_be_left_out():
    said = notice(action="acknowledge", acknowledged_by="operator-1", acknowledged_ms=T0)
    said = said._replace(english="Acknowledged by operator-1: Level.", indonesian="Diterima oleh operator-1: Tinggi.")
    assert "operator-1" in json.dumps(document(said))
    assert "operator-1" not in json.dumps(document(without_names(said)))
