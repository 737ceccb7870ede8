"""Which alerts sound which sirens, and that none sounds for nothing nor falls silent too early; the book is a real one."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from pantau.alerts.store import AlertStore
from pantau.config import Config
from pantau.fleet.book import Book
from pantau.fleet.rows import DONE, FAILED
from pantau.notify import opening
from pantau.notify.siren import Siren, SirenTable
from unit.alerts import alert_kit
from unit.host import bridge_kit
from unit.notify import notify_kit as kit
from unit.notify.notify_kit import T0


@pytest.fixture
def book(tmp_path):
    made = Book(tmp_path / "fleet.sqlite3")
    yield made
    made.close()


def siren(book, now_ms=T0, **more):
    table = SirenTable.model_validate({"name": "siren", "nodes": ["flood-01"], "answer_s": 0.0} | more)
    return Siren(table, book.path, book.path.with_name("alerts.sqlite3"), lambda: now_ms)


def notice(number=1, action="open", severity=3, *, alert=1, **more):
    made = kit.notice(number, action, severity, alert=alert)
    changed = {name: more.pop(name) for name in ("late", "superseded", "test") if name in more}
    decision = made.decision._replace(**{n: more.pop(n) for n in ("muted", "past", "confirmed") if n in more})
    stands = made.alert._replace(id=alert, **more)
    return made._replace(
        decision=decision, alert=stands, key=f"tng-{alert}-{number}", action=action, severity=severity, **changed
    )


def told(book, node="flood-01"):
    """The siren orders of a node, the oldest first."""
    args = [json.loads(order.what["args"]) for order in reversed(book.orders_of(node))]
    return [f"{one['do']} {one['s']}" for one in args]


def test_it_sounds_for_a_bounded_time_and_ends_with_the_alert(book):
    channel = siren(book)
    assert channel.send(notice(1)).kind == "sent"
    assert channel.send(notice(2, "escalate", 4)).kind == "sent"
    assert channel.send(notice(3, "clear", 0)).kind == "sent"
    assert told(book) == ["hold 300", "hold 300", "hold 0"]
    order = book.orders_of("flood-01")[0]
    assert (order.expires_ms - order.made_ms, order.by) == (120_000, "alert 1 tng-1-3")
    assert next(line.what for line in book.history()).endswith("siren hold 0")


@pytest.mark.parametrize("action", ["acknowledge", "withdraw", "mute", "shelve"])
def test_who_ends_it(book, action):
    channel = siren(book)
    channel.send(notice(1))
    channel.send(notice(2, action, 3, muted=action == "mute"))
    assert told(book) == ["hold 300", "hold 0"]


@pytest.mark.parametrize(
    "more, why",
    [
        ({"muted": True}, "maintenance"), ({"past": True}, "past"), ({"superseded": True}, "newer"),
        ({"confirmed": False}, "unconfirmed = true"), ({"acknowledged_ms": T0}, "acknowledged"),
        ({"shelved_until_ms": T0 + 1}, "shelved"),
    ],
)  # fmt: skip
def test_it_never_sounds_for_nothing(book, more, why):
    outcome = siren(book).send(notice(**more))
    assert outcome.kind == "sent" and outcome.reason.startswith("not sounded: ") and why in outcome.reason
    assert told(book) == []


@pytest.mark.parametrize("more, why", [({"late": True}, "too late"), ({"test": True}, "tests = true")])
def test_a_siren_that_should_have_sounded_is_a_failure(book, more, why):
    outcome = siren(book).send(notice(**more))
    assert outcome.kind == "refused" and why in outcome.reason
    assert told(book) == []


def test_the_operator_may_ask_for_more(book):
    channel = siren(book, unconfirmed=True, tests=True, seconds=60)
    channel.send(notice(1, confirmed=False))
    channel.send(notice(3, shelved_until_ms=T0 - 1, alert=2))  # no longer shelved
    assert told(book) == ["hold 60", "hold 60"]


def test_a_test_sounds_for_five_seconds_where_it_may(book):
    assert siren(book, tests=True).send(notice(1, test=True, action="test", alert=0)).kind == "sent"
    assert told(book) == ["test 5"]


def test_what_is_told_once_more_is_ordered_once_and_newer_news_go_first(book):
    channel = siren(book)
    channel.send(notice(1))
    assert "has not answered yet" in channel.send(notice(1)).reason
    assert channel.send(notice(2, "escalate", 4, superseded=True)).kind == "sent"
    assert channel.send(notice(3, "deescalate", 3)).kind == "sent"  # severe still: it goes on
    assert told(book) == ["hold 300"]
    channel.send(notice(4, "deescalate", 2))
    assert told(book) == ["hold 300", "hold 0"]


def test_it_goes_on_while_another_alert_or_a_person_wants_it(book):
    alerts = AlertStore(
        book.path.with_name("alerts.sqlite3"), alert_kit.rules(alert_kit.LEVEL), alert_kit.city("a", "b")
    )
    feed = alert_kit.Feed()
    alerts.deliver([feed.frame(one, at=T0, values=[2.5]) for one in "ab"])
    channel = siren(book)
    channel.send(notice(1))
    channel.send(notice(2, alert=2))
    outcome = channel.send(notice(3, "clear", 0))
    assert (outcome.kind, outcome.reason) == ("sent", "flood-01: goes on, something else wants it to sound")
    assert told(book) == ["hold 300", "hold 300"]
    for minute in range(1, 6):
        alerts.deliver([feed.frame("a", at=T0 + minute * kit.MINUTE, values=[0.1])])
    channel.send(notice(4, "clear", 0, alert=2))
    assert told(book)[-1] == "hold 0", "alert 1 has ended, though what it ordered would last"
    alerts.close()
    assert channel.send(notice(5, "clear", 0, alert=9)).reason == "flood-01: was not sounding for this"
    late = T0 + 421_000  # an order of T0 may have begun at its end, 120 s later
    assert siren(book, late).send(notice(6, "clear", 0, alert=2)).reason == "flood-01: was not sounding for this"
    book.add_order("flood-01", "command", {"name": "siren", "args": '{"do":"hold","s":3600}'}, "operator-1", T0, T0 + 1)
    test = siren(book, T0 + 600_000, tests=True).send(notice(7, test=True, action="test", alert=0))
    assert test.reason == "flood-01: sounds already", "a test would end it after five seconds"
    siren(book, T0 + 600_000).send(notice(8, alert=3))
    assert told(book)[-1] == "hold 3000", "an alert does not shorten what a person ordered"
    siren(book, T0 + 600_000).send(notice(9, "clear", 0, alert=3))
    assert told(book)[-1] == "hold 3000"


def test_a_node_that_a_person_muted_stays_silent(book):
    book.add_order("flood-01", "command", {"name": "siren", "args": '{"do":"mute","s":600}'}, "operator-1", T0, T0 + 1)
    outcome = siren(book, T0 + 1000).send(notice(1))
    assert (outcome.kind, outcome.reason) == ("sent", "flood-01: not sounded, operator-1 has muted it")
    both = siren(book, T0 + 1000, nodes=["flood-01", "flood-02"]).send(notice(2))
    assert both.kind == "sent" and told(book, "flood-02") == ["hold 300"]
    assert siren(book, T0 + 601_000).send(notice(3)).kind == "sent"


def test_what_the_nodes_answered_is_the_outcome(book):
    channel = siren(book, nodes=["flood-01", "flood-02"])
    channel.send(notice(1))
    (first,), (second,) = book.orders_of("flood-01"), book.orders_of("flood-02")
    book.save_order(first._replace(state=FAILED, result="no siren: alarm.siren is false", ended_ms=T0))
    book.save_order(second._replace(state=DONE, result="hold for 300 s; sounding", ended_ms=T0))
    outcome = channel.send(notice(1))
    assert outcome.kind == "sent"
    assert "flood-01: no siren: alarm.siren is false (order" in outcome.reason
    assert "flood-02: hold for 300 s; sounding" in outcome.reason
    book.save_order(second._replace(state=FAILED, result="expired", ended_ms=T0))
    assert channel.send(notice(1)).kind == "refused"


def test_the_check_finds_a_siren_that_is_not_in_the_registry(tmp_path):
    registry_of_kit = bridge_kit.registry(tmp_path)
    tables = {"notify": {"siren": [{"name": "siren", "nodes": ["flood-01", "flood-99"]}]}}
    config = Config.model_validate(
        {"bridge": {"city": "tng", "data_dir": str(tmp_path)}, "mqtt": {"host": "x"}} | tables
    )
    nodes = registry_of_kit.nodes
    found = opening.check(config, "pantau.toml", "WIB", stations=None, nodes=nodes, rules=None)
    assert [str(one) for one in found] == ["pantau.toml: notify.siren[0].nodes: there is no node flood-99"]


def test_trouble_of_the_book_is_told_and_tried_again(tmp_path):
    (tmp_path / "fleet.sqlite3").write_bytes(b"no database" * 100)
    table = SirenTable(name="siren", nodes=["flood-01"])
    outcome = Siren(table, tmp_path / "fleet.sqlite3", tmp_path / "alerts.sqlite3").send(notice(1))
    assert outcome.kind == "retry" and "fleet.sqlite3" in outcome.reason


@pytest.mark.parametrize(
    "mistake", [{"nodes": []}, {"seconds": 0}, {"seconds": 3601}, {"gather_above": 2}, {"within_s": 1}]
)
def test_a_bad_table_is_refused(mistake):
    with pytest.raises(ValidationError):
        SirenTable.model_validate({"name": "siren", "nodes": ["flood-01"]} | mistake)
