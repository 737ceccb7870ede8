"""CAP 1.2: which messages an alert makes, what they say, and that they are valid whatever a station is called."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from pantau.notify import Place, cap
from pantau.notify.cap_chain import Ref, named, newest
from pantau.notify.cap_settings import CapTable
from unit.notify import cap_kit as kit
from unit.notify.cap_kit import HOUR, MINUTE, T0, entry, text, xml

HOSTILE = 'Kali <b>&amp;"\x00\x01\x08\x1f\x7f\ufffe\uffff\u202e]]>\r\n\t ' + "panjang " * 40


def chain(*entries, until=0):
    """Every message of an alert up to `until` minutes after T0, as a reader who looks each minute gets them."""
    found = {}
    for minute in range(int(until or entries[-1].at_ms / MINUTE - T0 / MINUTE) + 1):
        now = T0 + minute * MINUTE
        known = [one for one in entries if one.decided_ms <= now]
        message = newest(known, now)
        if message is not None:
            found.setdefault(message.ref, message)
    return list(found.values())


def kinds(*entries, until=0):
    return [f"{m.kind}{':' + m.why if m.why else ''}" for m in chain(*entries, until=until)]


def test_an_alert_opens_is_updated_and_ends():
    said = kinds(
        entry(1, "open"), entry(2, "escalate", 3, at=5), entry(3, "deescalate", 1, at=9), entry(4, "clear", at=20)
    )
    assert said == ["Alert", "Update", "Update", "Cancel:ended"]


@pytest.mark.parametrize(
    "entries, said",
    [
        ([entry(1, "open", past=True), entry(2, "clear", past=True, at=1)], []),
        ([entry(1, "open", muted=True), entry(2, "clear", muted=True, at=1)], []),
        ([entry(1, "open", muted=True), entry(2, "unmute", at=1)], ["Alert"]),
        ([entry(1, "open"), entry(2, "mute", muted=True, at=1), entry(3, "clear", muted=True, at=2)], ["Alert", "Cancel:aside"]),
        ([entry(1, "open"), entry(2, "shelve", by="duty", at=1), entry(3, "unshelve", at=2)], ["Alert", "Cancel:aside", "Alert"]),
        ([entry(1, "open"), entry(2, "shelve", by="duty", at=1), entry(3, "escalate", 3, at=2)], ["Alert", "Cancel:aside", "Alert"]),
        ([entry(1, "open"), entry(2, "acknowledge", by="duty", at=1)], ["Alert"]),
        ([entry(1, "open"), entry(2, "withdraw", at=1)], ["Alert", "Cancel:withdrawn"]),
        ([entry(1, "open"), entry(2, "clear", at=1), entry(3, "reopen", at=2)], ["Alert", "Cancel:ended", "Alert"]),
        ([entry(1, "open", 3, confirmed=False), entry(2, "confirm", 4, at=1)], ["Alert", "Update"]),
    ],
)  # fmt: skip
def test_only_what_the_public_may_act_on_is_published(entries, said):
    assert kinds(*entries) == said
    for message in chain(*entries):
        assert "duty" not in kit.etree.tostring(xml(message), encoding="unicode")


def test_what_stands_is_renewed_before_it_expires_and_what_nobody_renews_expires():
    opened = entry(1, "open", 3)
    messages = chain(opened, until=190)
    assert [(m.kind, (m.sent_ms - T0) // HOUR, m.ref.renewal) for m in messages] == [
        ("Alert", 0, 0), ("Update", 1, 1), ("Update", 2, 2), ("Update", 3, 3),
    ]  # fmt: skip
    for before, after in itertools.pairwise(messages):
        assert after.sent_ms < before.expires_ms
        assert before.ref in [ref for ref, _ in after.references]
        assert all(sent_ms + 2 * HOUR > after.sent_ms - MINUTE for _, sent_ms in after.references), (
            "only what still holds"
        )
    assert "Still so" in text(xml(messages[-1]), "info/description")[0]
    ended = chain(opened, entry(2, "clear", at=185), until=400)[-1]
    assert (ended.kind, ended.sent_ms) == ("Cancel", T0 + 185 * MINUTE)
    assert [ref.renewal for ref, _ in ended.references] == [2, 3]


def test_a_message_is_the_same_whenever_it_is_asked_for():
    entries = [entry(1, "open"), entry(2, "escalate", 4, at=70), entry(3, "clear", at=100)]
    seen = chain(*entries)
    assert [m.kind for m in seen] == ["Alert", "Update", "Update", "Cancel"]
    later = T0 + 99 * HOUR
    for message in seen:
        identifier = message.ref.identifier("tng")
        assert Ref.parse("tng", identifier) == message.ref
        assert named(entries, message.ref, later) == message
    assert named(entries, seen[0].ref._replace(renewal=2), later) is None  # the escalation came first
    assert named(entries, seen[2].ref._replace(renewal=1), later) is None
    assert named(entries[:1], seen[0].ref._replace(renewal=1), T0 + MINUTE) is None  # not yet


@pytest.mark.parametrize(
    "identifier",
    ["", "tng", "tng.1.2.3", "tng.1.2.3.4.5", "x.1.2.3.4", "tng.01.2.3.4", "tng.-1.2.3.4", "tng.1.2.3.٤", f"tng.{'9' * 30}.1.1.1"],
)  # fmt: skip
def test_no_other_text_is_an_identifier(identifier):
    assert Ref.parse("tng", identifier) is None


@pytest.mark.parametrize("status", ["Actual", "Exercise", "System", "Test"])
@pytest.mark.parametrize("name", ["Kali Angke", HOSTILE, "\x00"])
@pytest.mark.parametrize("zone", ["WIB", "UTC"])
def test_every_kind_of_message_is_valid_and_says_what_it_is(status, name, zone):
    table = CapTable(status=status, sender="bpbd.example.go.id", sender_name=name[:200], contact=name[:200], zone=zone)
    entries = [
        entry(1, "open"), entry(2, "escalate", 3, at=1), entry(3, "clear", at=70), entry(4, "reopen", 4, at=71),
        entry(5, "withdraw", 4, at=72), entry(6, "reopen", 2, at=73), entry(7, "mute", 2, muted=True, at=74),
    ]  # fmt: skip
    for message in chain(*entries):
        root = xml(message, kit.ANGKE._replace(name=name), table)
        assert text(root, "status") == [status]
        if status != "Actual":
            assert text(root, "info/headline")[0].split(":")[0] == status.upper()
            assert text(root, "note")
    assert text(root, "sent")[0].endswith("-00:00" if zone == "UTC" else "+07:00")


def test_the_words_are_those_of_the_level_and_the_place_is_a_point():
    (message,) = chain(entry(1, "open", 3))
    root = xml(message)
    english, indonesian = root.findall("cap:info", kit.NS)
    assert text(english, "headline") == ["Siaga: High water, Kali Angke (severe)"]
    assert text(indonesian, "headline") == ["Siaga: Muka air tinggi, Kali Angke (berat)"]
    assert "Bersiap mengungsi" in text(indonesian, "instruction")[0]
    assert text(english, "responseType") == ["Prepare", "Avoid"]
    assert (text(english, "urgency"), text(english, "severity"), text(english, "certainty")) == (
        ["Immediate"], ["Severe"], ["Observed"],
    )  # fmt: skip
    assert text(english, "area/circle") == ["-6.23750,106.71080 1"]
    assert text(english, "area/geocode/value") == ["36.71.01.1001"]
    parameters = dict(zip(text(english, "parameter/valueName"), text(english, "parameter/value"), strict=True))
    assert parameters == {
        "siaga": "Siaga", "rule": "siaga", "station": "angke", "node": "n1", "quality": "good", "confirmed": "yes",
    }  # fmt: skip
    assert text(root, "incidents") == ["tng-alert-17"]
    assert text(english, "onset") == ["2027-01-15T15:00:00+07:00"]


@pytest.mark.parametrize("more", [{"confirmed": False}, {"quality": 3}, {"quality": 2}])
def test_what_others_do_not_bear_out_is_likely_at_most(more):
    (message,) = chain(entry(1, "open", 3, **more))
    assert text(xml(message), "info/certainty") == ["Likely", "Likely"]


def test_only_the_figures_give_an_all_clear():
    responses = {}
    for last in (entry(2, "clear", at=1), entry(2, "withdraw", at=1), entry(2, "mute", muted=True, at=1)):
        root = xml(chain(entry(1, "open"), last)[-1])
        responses[last.action] = text(root, "info/responseType")[0]
    assert responses == {"clear": "AllClear", "withdraw": "None", "mute": "Monitor"}


@pytest.mark.parametrize(
    "kind, name, domain, event, category",
    [
        ("threshold", "water_level", "flood", "High water", "Met"),
        ("rise", "water_level", "flood", "Rapidly rising water", "Met"),
        ("node_alarm", "", "flood", "Flood alarm of a station", "Met"),
        ("rain", "rain_intensity_60min", "air", "Heavy rain", "Met"),
        ("threshold", "pm2_5", "air", "Air pollution", "Env"),
        ("threshold", "level_of_service", "traffic", "Traffic disruption", "Transport"),
        ("threshold", "air_temperature", "flood", "High water", "Met"),
        ("late", "", "flood", "Trouble of the sensor network", "Infra"),
    ],
)
def test_an_alert_is_named_after_what_it_is_about(kind, name, domain, event, category):
    limits = {"kind": kind} | ({"property": name} if name else {})
    for severity in (1, 2, 3, 4):
        (message,) = chain(entry(1, "open", severity, limits=limits))
        root = xml(message, kit.ANGKE._replace(domain=domain), about=kit.alert(kind))
        assert text(root, "info/event")[0] == event
        assert text(root, "info/category")[0] == category
        assert all(text(root, "info/instruction"))


def test_an_alert_of_the_whole_city_has_a_name_and_no_shape():
    (message,) = chain(entry(1, "open", station="city"))
    root = xml(message, Place("*", "Kota Tangerang"))
    assert text(root, "info/area/areaDesc")[0] == "Kota Tangerang"
    assert not text(root, "info/area/circle")
    shelved = [entry(1, "open", station="city"), entry(2, "shelve", by="duty", at=1, station="city")]
    assert kinds(*shelved, entry(3, "escalate", 3, at=2, station="city")) == ["Alert", "Cancel:aside"]


def test_nobody_speaks_for_an_agency_by_mistake():
    assert CapTable().status == "Test"
    assert cap.Feed("tng", "Kota", CapTable()).sender == "pantau-tng"
    for mistake in (
        {"status": "Actual"},
        {"sender": "a b"},
        {"sender": "a,b"},
        {"status": "Draft"},
        {"radius_km": -1.0},
    ):
        with pytest.raises(ValidationError):
            CapTable(**mistake)
